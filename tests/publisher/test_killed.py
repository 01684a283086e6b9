"""A publisher that is killed leaves no release, or a whole one, and may simply be run again."""

import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from modelwire.control.reading import fold_log
from modelwire.loading.cache import Cache
from modelwire.loading.fetch import fetch
from modelwire.loading.probe import Prober
from modelwire_log.open import open_log
from modelwire_publisher import Stage
from tests.models.good import save_sized
from tests.publisher.desk import Desk

FIELDS = ("a", "b", "c", "d")
RANDOM = 5
WRITING = {f"modelwire.{Stage.STORE}", f"modelwire.{Stage.RELEASE}"}


class Publishers:
    """Publishers of one file, each in a fork of one warm process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = save_sized(folder / "model.onnx", 5)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.publisher.dying"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    def run(self, name: str, store: str, moment: int) -> list[str] | int:
        """Return the moments of one that lived, or the status of one that died."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{self.url(name)} {self.file} {store} {moment}\n")
        self._process.stdin.flush()
        return cast("list[str] | int", json.loads(self._process.stdout.readline()))

    def url(self, name: str) -> str:
        return f"sqlite:///{self.folder}/{name}.db"

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(10)


@pytest.fixture
def publishers(tmp_path: Path) -> Iterator[Publishers]:
    made = Publishers(tmp_path)
    yield made
    made.close()


def chosen(moments: list[str], *, soak: bool) -> list[int]:
    """Return the words of progress since something is written, and some calls that touch files."""
    told = [i for i, moment in enumerate(moments) if moment in WRITING]
    others = [i for i in range(len(moments)) if i not in told]
    more = others if soak else random.Random(7).sample(others, RANDOM)  # noqa: S311
    return sorted(told + more)


def whole(desk: Desk, cache: Path) -> bool:
    """Tell whether there is a release; what there is can be fetched."""
    for release in desk.releases():
        assert fetch(release, desk.log, "modelwire.default.artifacts", Cache(cache)).is_dir()
    return fold_log(desk.log, "default").release("flights-late", "1") is not None


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["chunks", "folder"])
def test_killed_at_any_moment_it_leaves_all_or_nothing(
    publishers: Publishers, prober: Prober, kind: str, *, soak: bool
) -> None:
    folder = publishers.folder
    lived = publishers.run("whole", "-" if kind == "chunks" else str(folder / "first"), -1)
    assert isinstance(lived, list)
    left: set[bool] = set()
    for moment in chosen(lived, soak=soak):
        name = f"{kind}-{moment}"
        store = None if kind == "chunks" else str(folder / "stores" / name)
        assert publishers.run(name, store or "-", moment) == -signal.SIGKILL
        with open_log(publishers.url(name)) as log:
            desk = Desk(log, prober)
            there = whole(desk, folder / "cache")
            left.add(there)
            again = desk.publish(file=publishers.file, fields=FIELDS, store=store)
            assert again.already is there
            assert whole(desk, folder / "cache")
            assert len(desk.releases()) == 1
    assert left == {True, False}
