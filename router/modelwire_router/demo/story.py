"""The demo's story: what the operator and the publisher do, and when."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from modelwire.control.commands import By, submit
from modelwire.control.history import read_past
from modelwire.control.reading import fold_log
from modelwire.control.state import State
from modelwire_log.contract import Log
from modelwire_publisher.calls import publish
from modelwire_router.changes import flip, replace_document, split, undo
from modelwire_router.demo.bomb import bomb_release
from modelwire_router.demo.files import flights, model
from modelwire_router.demo.stage import NAMESPACE, ROUTE
from modelwire_schemas.control import Body
from modelwire_schemas.errors import ModelwireError

BY = By("demo", source="modelwire demo")


@dataclass(frozen=True, slots=True)
class Act:
    """Something that is done once so much more of the stream (0 to 1) has been scored."""

    after: float
    shown: str
    why: str
    do: Callable[[], str]


class Story:
    """Everything that is done to the route while events flow; each act returns what came of it."""

    def __init__(self, log: Log, sample: Path) -> None:
        self._log = log
        self._sample = sample

    def opening(self) -> tuple[Act, ...]:
        """Return what happens before the first event."""
        return (
            self._publishing(0, "v1", "1", "a first model: timetable only"),
            Act(0, f"flip {ROUTE} 1", "it gets every event", self._flip("1")),
        )

    def acts(self) -> tuple[Act, ...]:
        """Return what happens under the running stream, in order."""
        return (
            self._publishing(0.06, "v2", "2", "a better one: delay, route, weather"),
            Act(0.03, f"split {ROUTE} 1=90 2=10", "canary", self._split("1", "90", "2", "10")),
            Act(0.14, f"split {ROUTE} 1=50 2=50", "half", self._split("1", "50", "2", "50")),
            Act(0.14, f"flip {ROUTE} 2", "all", self._flip("2")),
            self._publishing(0.12, "v3", "3", "passes every check, and is broken"),
            Act(0.04, f"split {ROUTE} 2=90 3=10", "canary", self._split("2", "90", "3", "10")),
            Act(0.14, f"undo {ROUTE}", "its scores are off: back, at once", self._undo),
            self._publishing(0.06, "not_a_model", "4", "a web page instead of a model"),
            self._publishing(0.03, "bomb", "5", "a file that kills whoever loads it"),
            Act(0.03, "(released past the publisher)", "consumers probe it", self._plant_bomb),
        )

    def _publishing(self, after: float, name: str, version: str, why: str) -> Act:
        def do() -> str:
            try:
                release = publish(
                    model(name),
                    model=ROUTE,
                    version=version,
                    log=self._log,
                    namespace=NAMESPACE,
                    sample=self._sample,
                    author="demo",
                )
            except ModelwireError as error:
                return f"refused: {error.code}"
            return f"released, {release.size:,} bytes, {release.where}"

        return Act(after, f"publish {ROUTE} {name}.onnx --version {version}", why, do)

    def _flip(self, version: str) -> Callable[[], str]:
        return lambda: self._submit(flip(self._state(), ROUTE, version))

    def _split(self, a: str, share_a: str, b: str, share_b: str) -> Callable[[], str]:
        return lambda: self._submit(split(self._state(), ROUTE, {a: share_a, b: share_b}))

    def _undo(self) -> str:
        return self._submit(undo(self._state(), read_past(self._log, NAMESPACE), ROUTE))

    def _plant_bomb(self) -> str:
        """Release the bomb as a hostile publisher would, and have every consumer want it."""
        state = self._state()
        good = state.releases[ROUTE]["2"]
        self._submit(bomb_release(model("bomb"), ROUTE, "6", good.contract))
        state = self._state()
        document = replace(state.routes[ROUTE].head.document, keep_warm=("6",))
        return self._submit(replace_document(state, document)) + ", 6 is to be kept warm"

    def _state(self) -> State:
        return fold_log(self._log, NAMESPACE)

    def _submit(self, body: Body) -> str:
        outcome = submit(self._log, NAMESPACE, body, BY)
        outcome.verdict.check()
        revisions = [f"revision {r.revision}" for r in outcome.verdict.revisions]
        return ", ".join(revisions) or "released"


def sample_of(folder: Path, count: int = 2000) -> Path:
    """Write the first events as a sample for the publisher; they are checked against contracts."""
    import gzip
    from itertools import islice

    target = folder / "sample.csv"
    with gzip.open(flights(), "rt", encoding="utf-8") as source:
        target.write_text("".join(islice(source, count + 1)), encoding="utf-8")
    return target
