"""The loader over releases that are only words: the order of steps, and what a failure costs."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest

from modelwire.clock import SystemClock
from modelwire.control.state import Release, State
from modelwire.loading.pipeline import Pipeline, Wants
from modelwire.loading.policy import MemoryPolicy
from modelwire.loading.states import Told, VersionState
from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import Artifact, ArtifactFile, Contract
from modelwire_schemas.routing import ModelVersion
from tests.waiting import eventually

SIZE = 100
PREPARED = (VersionState.FETCHING, VersionState.VERIFIED, VersionState.PROBED)


def version(name: str) -> ModelVersion:
    return ModelVersion("late", name)


def state_of(*names: str) -> State:
    """Return a state in which these versions are released."""
    files = (ArtifactFile("model.onnx", SIZE, ""),)
    terms = Contract((), (), ())
    releases = {
        name: Release("late", name, Artifact("onnx", "packed", name, files), terms, (), 0, 0, "ada")
        for name in names
    }
    return State(releases={"late": releases})


class Shelf:
    """Takes note of what is done, and refuses what it is told to refuse."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.bad: dict[str, str] = {}
        self.nacks: list[tuple[str, str]] = []
        self.tidied = 0

    def prepare(self, release: Release, told: Told) -> Callable[[], int]:
        def load() -> int:
            self._try(f"load {release.version}")
            told(VersionState.LOADED)
            told(VersionState.WARM)
            return SIZE

        for state in PREPARED:
            told(state)
        self._try(f"prepare {release.version}")
        return load

    def drop(self, gone: ModelVersion) -> None:
        self.done.append(f"drop {gone.version}")

    def refused(self, who: ModelVersion, code: str, detail: str) -> None:
        del detail
        self.nacks.append((who.version, code))

    def tidy(self) -> None:
        self.tidied += 1

    def _try(self, step: str) -> None:
        self.done.append(step)
        if step in self.bad:
            raise Rejected(self.bad[step], "as the test wants it")


@contextmanager
def running(shelf: Shelf, budget: int, policy: MemoryPolicy) -> Generator[Pipeline]:
    pipeline = Pipeline(
        shelf.prepare,
        shelf.drop,
        lambda: None,
        shelf.refused,
        shelf.tidy,
        budget=budget,
        policy=policy,
        clock=SystemClock(),
    )
    pipeline.start()
    yield pipeline
    pipeline.stop(5.0)
    assert "modelwire-loader" not in {thread.name for thread in threading.enumerate()}


def want(pipeline: Pipeline, *names: str) -> None:
    pipeline.want(Wants(tuple(version(name) for name in names), state_of(*names)))


def states(pipeline: Pipeline) -> dict[str, str]:
    return {v.version: p.code or str(p.state) for v, p in pipeline.progress().items()}


@pytest.mark.parametrize("policy", MemoryPolicy)
def test_a_version_that_fails_its_probe_leaves_the_one_before_where_it_is(
    policy: MemoryPolicy,
) -> None:
    shelf = Shelf()
    shelf.bad = {"prepare 2": "E_PROBE_CRASH"}
    with running(shelf, SIZE, policy) as pipeline:
        want(pipeline, "1")
        eventually(lambda: states(pipeline) == {"1": "warm"})
        want(pipeline, "2", "1")
        eventually(lambda: states(pipeline) == {"1": "warm", "2": "E_PROBE_CRASH"})
    assert shelf.done == ["prepare 1", "load 1", "prepare 2"]
    assert shelf.nacks == [("2", "E_PROBE_CRASH")]


@pytest.mark.parametrize("policy", MemoryPolicy)
def test_a_version_that_cannot_be_loaded_brings_back_the_one_that_made_room(
    policy: MemoryPolicy,
) -> None:
    shelf = Shelf()
    shelf.bad = {"load 2": "E_LOAD"}
    with running(shelf, SIZE, policy) as pipeline:
        want(pipeline, "1")
        eventually(lambda: states(pipeline) == {"1": "warm"})
        want(pipeline, "2", "1")
        eventually(lambda: states(pipeline) == {"1": "warm", "2": "E_LOAD"})
    once_more = ["prepare 1", "load 1"]
    assert shelf.done == [*once_more, "prepare 2", "drop 1", "load 2", *once_more]


def test_what_was_refused_for_room_is_prepared_anew_when_there_is_some() -> None:
    shelf = Shelf()
    with running(shelf, SIZE, MemoryPolicy.AVAILABILITY) as pipeline:
        want(pipeline, "1", "2")
        eventually(lambda: states(pipeline) == {"1": "warm", "2": "E_BUDGET"})
        want(pipeline, "2", "1")
        eventually(lambda: states(pipeline) == {"2": "warm", "1": "E_BUDGET"})


def test_what_waits_for_its_time_is_probed_and_swapped_in_when_it_comes() -> None:
    shelf = Shelf()

    def want_due(due: str, *names: str) -> None:
        versions = tuple(version(name) for name in names)
        pipeline.want(Wants(versions, state_of(*names), frozenset({version(due)})))

    with running(shelf, SIZE, MemoryPolicy.RESOURCE) as pipeline:
        want_due("1", "1", "2")
        eventually(lambda: states(pipeline) == {"1": "warm", "2": "probed"})
        want_due("2", "2", "1")
        eventually(lambda: states(pipeline) == {"2": "warm", "1": "probed"})
        want_due("1", "1", "2")
        eventually(lambda: states(pipeline) == {"1": "warm", "2": "probed"})
        both = frozenset({version("1"), version("2")})
        pipeline.want(Wants((version("1"), version("2")), state_of("1", "2"), both))
        eventually(lambda: states(pipeline) == {"1": "warm", "2": "E_BUDGET"})
        want_due("1", "1", "2")
        eventually(lambda: states(pipeline) == {"1": "warm", "2": "probed"})
    assert shelf.nacks == [("2", "E_BUDGET")]


class Slow(Shelf):
    """Halts in the middle of a fetch until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.halted, self.go_on = threading.Event(), threading.Event()

    def prepare(self, release: Release, told: Told) -> Callable[[], int]:
        del release
        told(VersionState.FETCHING)
        told(VersionState.FETCHING, "62 %")
        self.halted.set()
        assert self.go_on.wait(10)
        told(VersionState.VERIFIED)
        told(VersionState.PROBED)
        return lambda: SIZE


def test_the_fleet_is_told_how_far_a_fetch_is() -> None:
    shelf = Slow()
    with running(shelf, 2 * SIZE, MemoryPolicy.AVAILABILITY) as pipeline:
        want(pipeline, "1")
        assert shelf.halted.wait(10)
        (report,) = pipeline.reports(frozenset())
        assert (report.state, report.detail, report.code) == ("fetching", "62 %", "")
        shelf.go_on.set()
        eventually(lambda: not pipeline.reports(frozenset())[0].detail)


def test_it_is_tidied_once_after_work_and_at_the_end() -> None:
    shelf = Shelf()
    with running(shelf, 3 * SIZE, MemoryPolicy.AVAILABILITY) as pipeline:
        want(pipeline, "1", "2")
        eventually(lambda: shelf.tidied == 1)
        assert states(pipeline) == {"1": "warm", "2": "warm"}
        want(pipeline, "2", "1")
        want(pipeline, "3", "2", "1")
        eventually(lambda: states(pipeline).get("3") == "warm")
    assert shelf.tidied == 2
