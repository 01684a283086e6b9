"""A file becomes a release: whole, proven, once."""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from modelwire.control.commands import me, submit
from modelwire.control.reading import fold_log
from modelwire.control.state import Release
from modelwire.loading.bring import Bringer
from modelwire.loading.cache import Cache
from modelwire.loading.formats import LoadOptions
from modelwire.loading.probe import Prober
from modelwire.loading.states import VersionState
from modelwire_log.memory.log import MemoryLog
from modelwire_log.open import open_log
from modelwire_publisher import Stage, publish, withdraw
from modelwire_schemas.errors import Conflict, NotFound, Rejected, Unavailable
from modelwire_schemas.names import topic
from modelwire_schemas.release import Column, ReleaseWithdrawn
from tests.models.good import mlp, save_sized
from tests.publisher.conftest import Write
from tests.publisher.desk import EVENTS, FLIGHTS, TENSOR, Desk, when

FIELDS = ("a", "b", "c", "d")


def known(desk: Desk, version: str = "1") -> Release:
    found = fold_log(desk.log, "default").release("flights-late", version)
    assert found is not None
    return found


def test_a_url_a_file_and_a_name_are_enough(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/flights.db"
    first = publish(FLIGHTS / "v1.onnx", model="flights-late", version="1", log=url)
    again = publish(FLIGHTS / "v1.onnx", model="flights-late", version="1", log=url)
    assert (first.offset, first.where, first.already) == (0, "inline", False)
    assert (again.offset, again.digest, again.already) == (0, first.digest, True)
    taken = withdraw("flights-late", "1", "trained on the wrong month", url)
    assert (taken.offset, taken.already) == (1, False)


def test_the_face_is_cheap() -> None:
    heavy = "{'numpy', 'onnxruntime', 'yaml', 'obstore', 'watchfiles'}"
    asked = f"import sys, modelwire_publisher; print({heavy} & sys.modules.keys())"
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"


def test_a_word_that_nobody_knows_is_no_word(desk: Desk) -> None:
    words: dict[str, Any] = {"inputs": ["a"]}
    with pytest.raises(TypeError, match="unexpected keyword argument 'inputs'"):
        publish(FLIGHTS / "v1.onnx", model="m", version="1", log=desk.log, **words)


def test_a_release_is_what_the_fold_knows(desk: Desk) -> None:
    released = desk.publish()
    assert (released.where, released.form, released.offset) == ("inline", "packed", 0)
    assert known(desk).artifact.digest == released.digest
    assert known(desk).contract == released.contract


def test_consumers_can_bring_what_was_published(desk: Desk, tmp_path: Path) -> None:
    large = save_sized(tmp_path / "large.onnx", 9)
    desk.publish("1", FLIGHTS / "v2.onnx", sample=EVENTS)
    desk.publish("2", large, fields=TENSOR, sample=EVENTS, new_contract=True)
    bringer = Bringer(
        desk.log, "default", Cache(tmp_path / "cache"), desk.means.prober, LoadOptions()
    )
    states: list[tuple[VersionState, str]] = []

    def told(state: VersionState, detail: str = "", /) -> None:
        states.append((state, detail))

    for version in "12":
        bringer.prepare(known(desk, version), told)()[0].close()
    assert states[0] == (VersionState.FETCHING, "")
    assert (VersionState.FETCHING, "100 %") in states
    assert states[-1] == (VersionState.WARM, "")
    assert [release.artifact.form for release in desk.releases()] == ["packed", "mapped"]


def test_a_sample_of_events_becomes_golden_vectors_and_warm_up_rows(desk: Desk) -> None:
    released = desk.publish(file=FLIGHTS / "v2.onnx", sample=EVENTS)
    (record,) = desk.releases()
    assert record.golden[0].inputs[0].shape == (16, 1)
    assert record.golden[0].outputs[0].shape == (16,)
    assert record.warmup[0].shape == (64, 1)
    assert "golden 16 rows within 1e-05" in map(str, released.checks)


def test_without_a_sample_there_is_only_a_warm_up(desk: Desk) -> None:
    desk.publish()
    (record,) = desk.releases()
    assert record.golden == ()
    assert record.warmup[0].shape == (64, 1)


def test_a_release_tells_where_it_comes_from(desk: Desk) -> None:
    desk.publish("1")
    desk.publish(
        "2",
        FLIGHTS / "v2.onnx",
        metrics={"auc": 0.896},
        require=("auc>=0.7",),
        labels={"team": "delays"},
        commit="abc123",
        requirements=("numpy>=1",),
        author="ada",
        idempotency_key="build-17",
    )
    record = desk.releases()[1]
    assert record.metrics == (("auc", 0.896),)
    assert record.labels == (("team", "delays"),)
    assert dict(record.lineage) == {
        "parent": "1",
        "commit": "abc123",
        "idempotency_key": "build-17",
    }
    assert record.requirements == ("numpy>=1",)
    assert known(desk, "2").author == "ada"


def test_a_large_model_travels_in_chunks_in_its_mapped_form(desk: Desk, tmp_path: Path) -> None:
    heard: list[tuple[Stage, int, int]] = []

    def hear(stage: Stage, done: int, total: int) -> None:
        heard.append((stage, done, total))

    path = save_sized(tmp_path / "large.onnx", 9)
    released = desk.publish(file=path, fields=FIELDS, progress=hear)
    (record,) = desk.releases()
    assert (released.form, released.where) == ("mapped", "chunks")
    assert [file.name for file in record.artifact.files] == ["model.onnx", "model.weights"]
    assert len(dict(record.lineage)["original_sha256"]) == 64
    assert [span.first for span in record.artifact.chunks] == [0, 1]
    for stage in Stage:
        done = [(done, total) for one, done, total in heard if one is stage]
        assert done[0][0] == 0
        assert done[-1][0] == done[-1][1], f"{stage} ends at {done[-1]}"


def test_a_form_can_be_kept(desk: Desk, tmp_path: Path) -> None:
    path = save_sized(tmp_path / "large.onnx", 9)
    released = desk.publish(file=path, fields=FIELDS, keep_form=True)
    (record,) = desk.releases()
    assert released.form == "packed"
    assert [file.size for file in record.artifact.files] == [path.stat().st_size]
    assert record.lineage == ()


def test_nothing_is_written_in_a_dry_run(desk: Desk) -> None:
    planned = desk.publish(dry_run=True, sample=EVENTS)
    assert (planned.offset, planned.where, planned.already) == (-1, "inline", False)
    assert desk.everything() == {}
    assert desk.publish(sample=EVENTS).digest == planned.digest


# -- again, and again


def test_a_file_is_published_once(desk: Desk) -> None:
    first = desk.publish(sample=EVENTS)
    again = desk.publish(sample=EVENTS)
    assert again.already
    assert (again.offset, again.digest) == (first.offset, first.digest)
    assert len(desk.releases()) == 1


def test_a_version_never_has_two_digests(desk: Desk) -> None:
    desk.publish("1", author="ada")
    with pytest.raises(Conflict, match=r"E_CONFLICT.*another digest.*ada at offset 0"):
        desk.publish("1", FLIGHTS / "v2.onnx")
    assert len(desk.releases()) == 1


def test_a_version_never_has_two_contracts(desk: Desk, write: Write) -> None:
    path = write(mlp())
    desk.publish("1", path, fields=FIELDS)
    with pytest.raises(Conflict, match="E_CONFLICT"):
        desk.publish("1", path, fields=("d", "c", "b", "a"))


def test_a_withdrawn_version_is_not_published_again(desk: Desk) -> None:
    desk.publish("1")
    submit(desk.log, "default", ReleaseWithdrawn("flights-late", "1"), me())
    with pytest.raises(Rejected, match="E_WITHDRAWN"):
        desk.publish("1")


def test_who_comes_second_is_told_by_the_fold(desk: Desk) -> None:
    """Another publisher takes the version between our look at the log and our record."""
    barge_in = when(Stage.RELEASE, lambda: desk.publish("1", FLIGHTS / "v2.onnx", author="ada"))
    with pytest.raises(Conflict, match=r"E_CONFLICT.*ada"):
        desk.publish("1", progress=barge_in)


def test_the_same_file_by_two_publishers_is_one_release(desk: Desk) -> None:
    barge_in = when(Stage.RELEASE, lambda: desk.publish("1", author="ada"))
    released = desk.publish("1", author="ben", progress=barge_in)
    assert released.already
    assert (released.offset, known(desk).author) == (0, "ada")


def test_an_idempotency_key_names_one_release(desk: Desk) -> None:
    desk.publish("1", idempotency_key="build-17")
    assert desk.publish("1", idempotency_key="build-17").already
    with pytest.raises(Rejected, match="E_ID_REUSED"):
        desk.publish("2", idempotency_key="build-17")


# -- the version before


def test_a_contract_has_to_fit_the_one_before(desk: Desk, write: Write) -> None:
    path = write(mlp())
    desk.publish("1", path, fields=FIELDS)
    why = desk.why_not("2", write(mlp(5)), fields=(*FIELDS, "weather"))
    assert why.startswith("E_CONTRACT: it does not fit in the place of flights-late 1:")
    assert "event field 'weather' is needed and was not" in why
    assert "--new-contract" in why
    released = desk.publish("2", write(mlp(5)), fields=(*FIELDS, "weather"), new_contract=True)
    assert "breaks with flights-late 1 as was meant" in str(released.checks[1])


def test_the_version_before_is_the_newest_that_was_not_withdrawn(desk: Desk, write: Write) -> None:
    desk.publish("1", write(mlp(4)), fields=FIELDS)
    desk.publish("2", write(mlp(5)), fields=(*FIELDS, "e"), new_contract=True)
    withdraw("flights-late", "2", "a mistake", desk.log)
    assert "'e'" in desk.why_not("3", write(mlp(5, seed=1)), fields=(*FIELDS, "e"))
    released = desk.publish("3", write(mlp(5, seed=1)), fields=(*FIELDS, "e"), parent="2")
    assert "contract equals flights-late 2's" in map(str, released.checks)
    assert dict(desk.releases()[-1].lineage)["parent"] == "2"


def test_an_unknown_parent_is_told(desk: Desk) -> None:
    with pytest.raises(NotFound, match="E_UNKNOWN_VERSION: parent flights-late 6 is not released"):
        desk.publish("1", parent="6")


# -- withdrawing


def test_what_is_not_there_cannot_be_withdrawn(desk: Desk) -> None:
    with pytest.raises(NotFound, match="E_UNKNOWN_VERSION: flights-late 9"):
        withdraw("flights-late", "9", "why not", desk.log)


def test_a_version_is_withdrawn_once(desk: Desk) -> None:
    desk.publish()
    assert not withdraw("flights-late", "1", "a mistake", desk.log).already
    assert withdraw("flights-late", "1", "a mistake", desk.log).already
    assert known(desk).withdrawn


# -- the log


def test_a_log_that_is_away_is_told_and_nothing_is_released(desk: Desk) -> None:
    assert isinstance(desk.log, MemoryLog)
    log = desk.log
    pull_the_plug = when(Stage.RELEASE, lambda: setattr(log, "away", True))
    with pytest.raises(Unavailable, match=r"E_LOG_UNAVAILABLE.*publish flights-late 1 again"):
        desk.publish(progress=pull_the_plug)
    log.away = False
    assert topic("default", "control") not in log.streams()
    assert not desk.publish().already


def test_of_eight_publishers_of_one_version_one_wins_and_the_others_are_told(
    tmp_path: Path, prober: Prober
) -> None:
    """Each sees an empty log, and waits until all have: only the fold decides."""
    ready = threading.Barrier(8)
    with open_log(f"sqlite:///{tmp_path}/race.db") as log:
        desk = Desk(log, prober)

        def publish_another(seed: int) -> str:
            path = tmp_path / f"{seed}.onnx"
            path.write_bytes(mlp(seed=seed))
            together = when(Stage.RELEASE, ready.wait)
            try:
                desk.publish("1", path, fields=FIELDS, author=f"p{seed}", progress=together)
            except Conflict as lost:
                return str(lost)
            return f"p{seed} won"

        with ThreadPoolExecutor(8) as pool:
            said = list(pool.map(publish_another, range(8)))
        winner = known(desk).author
        assert [one for one in said if "won" in one] == [f"{winner} won"]
        assert sum(f"{winner} at offset 0" in one for one in said) == 7


# -- other formats


def card(folder: Path, entry_point: str = "threshold") -> Path:
    tensor = {"name": "dep_delay", "dtype": "float32", "shape": [None]}
    late = {"name": "late", "dtype": "float32", "shape": [None]}
    said = {"entry_point": entry_point, "inputs": [tensor], "outputs": [late]}
    (folder / "model.json").write_text(json.dumps(said), encoding="ascii")
    (folder / "settings.json").write_text('{"limit": 15}', encoding="ascii")
    return folder


@pytest.mark.parametrize(
    ("allowed", "code"), [((), "E_NOT_ALLOWED"), (("threshold",), "E_REQUIREMENT")]
)
def test_a_model_class_has_to_be_allowed_and_installed(
    desk: Desk, tmp_path: Path, allowed: tuple[str, ...], code: str
) -> None:
    why = desk.why_not(file=card(tmp_path), artifact_format="python", allowed_models=allowed)
    assert why.startswith(code)


def test_a_model_class_of_an_installed_package_is_published(
    tmp_path: Path, installed_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(installed_models)
    own = Prober()  # it sees the packages that are there when it starts
    try:
        released = Desk(MemoryLog(), own).publish(
            file=card(tmp_path), artifact_format="python", allowed_models=("threshold",)
        )
    finally:
        own.close()
    assert released.contract.fields == (Column("dep_delay"),)
    assert released.size == sum(path.stat().st_size for path in tmp_path.glob("*.json"))


@pytest.fixture
def installed_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as pip leaves it: a package with a model class that it names."""
    site = tmp_path_factory.mktemp("site")
    (site / "tiny_delays.py").write_text(CLASS, encoding="ascii")
    info = site / "tiny_delays-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-delays\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[modelwire.models]\nthreshold = tiny_delays:Threshold\n"
    )
    return site


CLASS = '''
"""A model class of a package that was installed."""

import json

import numpy as np


class Threshold:
    """Late when the departure delay is above what the artifact says."""

    def __init__(self, artifacts):
        self.limit = json.loads(artifacts["settings.json"].read_text())["limit"]

    def predict(self, batch):
        return {"late": (batch["dep_delay"] > self.limit).astype(np.float32)}
'''
