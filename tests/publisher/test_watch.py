"""What is dropped into a folder is released once it is whole, and once only."""

import os
import queue
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelwire.control.reading import fold_log
from modelwire_log.memory.log import MemoryLog
from modelwire_publisher import Watched
from modelwire_publisher.dropped import Dropped, Memory, find, ready
from modelwire_publisher.order import Order
from modelwire_publisher.watching import watching
from modelwire_schemas.errors import NotFound
from tests.models.good import mlp
from tests.publisher.desk import FLIGHTS, Desk
from tests.waiting import eventually

SETTLE = 0.2
CONTRACT = "inputs: {features: [a, b, c, d]}\n"


class Watcher:
    """Watches a folder from a thread of its own, as a process of its own would."""

    def __init__(self, folder: Path, desk: Desk, settle: float) -> None:
        self.said: queue.Queue[Watched] = queue.Queue()
        self._stop = threading.Event()
        template = Order(file=folder, model="", version="", by_digest=True)
        watched = watching(folder, template, desk.means, self._stop, settle, again=SETTLE)
        self._thread = threading.Thread(target=lambda: self._watch(watched))
        self._thread.start()

    def _watch(self, watched: Iterator[Watched]) -> None:
        for one in watched:
            self.said.put(one)

    def next(self) -> Watched:
        return self.said.get(timeout=20)

    def released(self) -> str:
        one = self.next()
        assert one.release is not None, one.error
        return f"{one.model} {one.version}"

    def refused(self) -> str:
        one = self.next()
        assert one.error is not None
        return one.error.code

    def close(self) -> None:
        self._stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()
        assert self.said.empty()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for the model `late`, with its contract."""
    home = tmp_path / "models"
    (home / "late").mkdir(parents=True)
    (home / "late" / "contract.yaml").write_text(CONTRACT, encoding="ascii")
    return home


Watch = Callable[..., Watcher]


@pytest.fixture
def watch(folder: Path, desk: Desk) -> Iterator[Watch]:
    started: list[Watcher] = []

    def start(settle: float = SETTLE) -> Watcher:
        started.append(Watcher(folder, desk, settle))
        return started[-1]

    yield start
    for one in started:
        one.close()


def put(folder: Path, version: str, content: bytes, model: str = "late") -> Path:
    """Rename a file into place that was written elsewhere a while ago."""
    (folder / model).mkdir(exist_ok=True)
    draft = folder / f"{version}.draft"
    draft.write_bytes(content)
    os.utime(draft, (1, 1))
    return draft.rename(folder / model / f"{version}.onnx")


# -- one after the other


def test_what_is_there_and_what_comes_is_released(folder: Path, watch: Watch, desk: Desk) -> None:
    put(folder, "1", mlp(seed=1))
    watcher = watch()
    assert watcher.released() == "late 1"
    put(folder, "2", mlp(seed=2))
    assert watcher.released() == "late 2"
    assert [release.version for release in desk.releases()] == ["1", "2"]


def test_a_model_may_come_with_a_folder_of_its_own(folder: Path, watch: Watch) -> None:
    watcher = watch()
    shutil.copytree(FLIGHTS, folder / "flights", ignore=shutil.ignore_patterns("[!v]*", "v[23]*"))
    assert watcher.released() == "flights v1"


def test_a_file_is_released_once_over_restarts(folder: Path, watch: Watch, desk: Desk) -> None:
    put(folder, "1", mlp(seed=1))
    first = watch()
    assert first.released() == "late 1"
    first.close()
    put(folder, "2", mlp(seed=2))
    second = watch()
    assert second.released() == "late 2"
    assert len(desk.releases()) == 2


def test_two_watchers_of_one_folder_release_once(folder: Path, watch: Watch, desk: Desk) -> None:
    one, two = watch(), watch()
    put(folder, "1", mlp(seed=1))
    put(folder, "2", mlp(seed=2))
    eventually(lambda: one.said.qsize() + two.said.qsize() == 2, within=20, what="releases")
    told = [watcher.released() for watcher in (one, two) for _ in range(watcher.said.qsize())]
    assert sorted(told) == ["late 1", "late 2"]
    assert sorted(fold_log(desk.log, "default").releases["late"]) == ["1", "2"]


def test_a_new_contract_does_not_reach_what_is_released(
    folder: Path, watch: Watch, desk: Desk
) -> None:
    """After a restart the older files are what they were, and no fault."""
    put(folder, "1", mlp(seed=1))
    first = watch()
    first.released()
    first.close()
    changed = "inputs: {features: [a, b, c, {field: e, default: 0}]}\n"
    (folder / "late" / "contract.yaml").write_text(changed, encoding="ascii")
    second = watch()
    put(folder, "2", mlp(seed=2))
    assert second.released() == "late 2"
    assert desk.releases()[1].contract.fields[3].field == "e"


# -- not whole, not good


def test_a_file_that_is_still_written_is_left_until_it_is_whole(folder: Path, watch: Watch) -> None:
    watcher = watch(settle=30.0)
    whole = mlp()
    with (folder / "late" / "1.onnx").open("wb", 0) as file:
        file.write(whole[:300])
        put(folder, "2", mlp(seed=2))
        assert watcher.released() == "late 2"  # it has seen the half by now
        file.write(whole[300:])
    os.utime(folder / "late" / "1.onnx", (1, 1))  # as `cp -p` ends
    assert watcher.released() == "late 1"


def test_a_broken_file_is_told_once_and_tried_again_when_it_changes(
    folder: Path, watch: Watch
) -> None:
    watcher = watch()
    path = put(folder, "1", mlp()[:300])
    assert watcher.refused() == "E_LOAD"
    put(folder, "2", mlp(seed=2))
    assert watcher.released() == "late 2"  # and not a second word on the first
    path.write_bytes(mlp(seed=1))
    assert watcher.released() == "late 1"


def test_a_bad_contract_is_told_and_its_mending_is_seen(folder: Path, watch: Watch) -> None:
    contract = folder / "late" / "contract.yaml"
    contract.write_text("inputs: {features: [a]}\n", encoding="ascii")
    watcher = watch()
    put(folder, "1", mlp())
    assert watcher.refused() == "E_CONTRACT"
    contract.write_text(CONTRACT, encoding="ascii")
    assert watcher.released() == "late 1"


def test_another_file_under_a_released_version_is_a_conflict(folder: Path, watch: Watch) -> None:
    watcher = watch()
    put(folder, "1", mlp(seed=1))
    watcher.released()
    put(folder, "1", mlp(seed=2))
    assert watcher.refused() == "E_CONFLICT"


@pytest.mark.parametrize(
    ("model", "version", "code"), [("a model", "1", "E_NAME"), ("late", "v 1", "E_VERSION")]
)
def test_names_that_may_not_travel_are_told(
    folder: Path, watch: Watch, model: str, version: str, code: str
) -> None:
    put(folder, version, mlp(), model)
    assert watch().refused() == code


def test_a_log_that_is_away_is_told_once_and_asked_again(
    folder: Path, watch: Watch, desk: Desk
) -> None:
    assert isinstance(desk.log, MemoryLog)
    desk.log.away = True
    put(folder, "1", mlp())
    watcher = watch()
    assert watcher.refused() == "E_LOG_UNAVAILABLE"
    desk.log.away = False
    assert watcher.released() == "late 1"


def test_a_folder_that_is_not_there_is_told(desk: Desk, tmp_path: Path) -> None:
    template = Order(file=tmp_path, model="", version="")
    with pytest.raises(NotFound, match="E_NO_FILE: there is no such folder"):
        next(watching(tmp_path / "gone", template, desk.means, threading.Event(), SETTLE))


# -- which files, and when


def test_only_files_of_models_are_looked_at(folder: Path) -> None:
    (folder / ".hidden").mkdir()
    for name in ("late/.2.onnx", "late/3.onnx.part", "late/notes.txt", "4.onnx", ".hidden/5.onnx"):
        (folder / name).write_bytes(b"x")
    (folder / "late" / "1.0.onnx").write_bytes(b"x")
    assert [(one.model, one.version) for one in find(folder)] == [("late", "1.0")]


def test_a_stamp_changes_with_the_file_and_with_its_contract(folder: Path) -> None:
    path = put(folder, "1", b"x")
    stamps = {next(find(folder)).stamp}
    os.utime(path, (2, 2))
    stamps.add(next(find(folder)).stamp)
    os.utime(folder / "late" / "contract.yaml", (1, 1))
    stamps.add(next(find(folder)).stamp)
    (folder / "late" / "contract.yaml").unlink()
    stamps.add(next(find(folder)).stamp)
    assert len(stamps) == 4


def test_a_file_is_settled_when_its_last_change_was_no_write(folder: Path) -> None:
    path = folder / "late" / "1.onnx"
    path.write_bytes(b"x")
    assert not next(find(folder)).settled
    os.utime(path, ns=(0, path.stat().st_mtime_ns - 1_000_000))
    assert next(find(folder)).settled


@pytest.mark.parametrize(
    ("since", "modified", "settled", "memory", "now"),
    [
        pytest.param(100.0, 1000.0, False, {}, False, id="just-written"),
        pytest.param(99.5, 999.5, False, {}, False, id="written-half-a-settling-ago"),
        pytest.param(99.0, 999.0, False, {}, True, id="quiet-since-we-look"),
        pytest.param(100.0, 900.0, False, {}, True, id="quiet-before-we-looked"),
        pytest.param(100.0, 1000.0, True, {}, True, id="renamed-into-place"),
        pytest.param(99.0, 2000.0, False, {}, True, id="written-in-the-future-and-quiet"),
        pytest.param(90.0, 900.0, True, {"done": True}, False, id="done"),
        pytest.param(90.0, 900.0, True, {"again": 101.0}, False, id="to-be-tried-later"),
        pytest.param(90.0, 900.0, True, {"again": 100.0}, True, id="to-be-tried-now"),
    ],
)
def test_a_file_is_ready_when_it_is_whole(
    since: float, modified: float, *, settled: bool, memory: dict[str, float], now: bool
) -> None:
    path = Path("late/1.onnx")
    dropped = Dropped(path, "late", "1", None, (1,), modified, settled)
    known = {path: Memory((1,), since, done="done" in memory, again=memory.get("again", 0.0))}
    assert ready(dropped, known, 100.0, 1000.0, 1.0) is now
