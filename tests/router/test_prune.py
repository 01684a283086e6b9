"""Pruning takes the bytes of withdrawn versions, and nobody else's."""

from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
from onnx import helper

from modelwire.control.reading import fold_log, read_past
from modelwire.loading.cache import Cache
from modelwire.loading.fetch import fetch
from modelwire.loading.probe import Prober
from modelwire_log.memory.log import MemoryLog
from modelwire_publisher import Stage, withdraw
from modelwire_router.prune import prunable, prune_chunks
from modelwire_schemas.errors import NotFound
from tests.models.good import bytes_of, save_sized
from tests.publisher.desk import Desk

STREAM = "modelwire.default.artifacts"
FIELDS = ("a", "b", "c", "d")


@pytest.fixture
def desk() -> Iterator[Desk]:
    prober = Prober()
    yield Desk(MemoryLog(), prober)
    prober.close()


def prune(desk: Desk) -> list[tuple[str, list[str]]]:
    """Prune; return the versions and the files whose bytes went."""
    found = prunable(fold_log(desk.log, "default"), read_past(desk.log, "default"))
    prune_chunks(desk.log, STREAM, found)
    return [(one.version, [file.span.file for file in one.files]) for one in found]


def fetched(desk: Desk, version: str, cache: Path) -> Path:
    (release,) = (one for one in desk.releases() if one.version == version)
    return fetch(release, desk.log, STREAM, Cache(cache))


def test_the_bytes_of_a_withdrawn_version_are_gone(desk: Desk, tmp_path: Path) -> None:
    desk.publish("1", save_sized(tmp_path / "1.onnx", 5), fields=FIELDS)
    assert prune(desk) == []
    withdraw("flights-late", "1", "a mistake", desk.log)
    assert prune(desk) == [("1", ["model.onnx", "model.weights"])]
    with pytest.raises(NotFound, match="E_NOT_FOUND: chunk 0 is gone"):
        fetched(desk, "1", tmp_path / "cache")


def test_weights_that_a_living_version_shares_stay(desk: Desk, tmp_path: Path) -> None:
    one = save_sized(tmp_path / "1.onnx", 5)
    model = onnx.load(one)
    helper.set_model_props(model, {"trained": "again"})
    two = tmp_path / "2.onnx"
    two.write_bytes(bytes_of(model))
    desk.publish("1", one, fields=FIELDS)
    desk.publish("2", two, fields=FIELDS)
    withdraw("flights-late", "1", "a mistake", desk.log)
    assert prune(desk) == [("1", ["model.onnx"])]
    assert fetched(desk, "2", tmp_path / "cache").is_dir()


def test_what_another_publisher_wrote_between_stays(desk: Desk, tmp_path: Path) -> None:
    one, two = (save_sized(tmp_path / f"{i}.onnx", 5, seed=i) for i in (1, 2))
    others: list[object] = []

    def barge_in(stage: Stage, done: int, total: int) -> None:
        if stage is Stage.STORE and total // 2 < done < total and not others:
            others.append(desk.publish("2", two, fields=FIELDS))

    desk.publish("1", one, fields=FIELDS, progress=barge_in)
    assert others
    withdraw("flights-late", "1", "a mistake", desk.log)
    assert prune(desk) == [("1", ["model.onnx", "model.weights"])]
    assert fetched(desk, "2", tmp_path / "cache").is_dir()
