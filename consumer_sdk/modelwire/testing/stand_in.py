"""The SDK over a log in memory: real fold, real routing, real swap; functions instead of files."""

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from modelwire.clock import Clock, ManualClock, SystemClock
from modelwire.config import Config
from modelwire.control.commands import By, submit
from modelwire.control.follower import STALE_AFTER_NS
from modelwire.control.reading import fold_log
from modelwire.control.state import Release
from modelwire.hooks import Hooks
from modelwire.loading.states import Told, VersionState
from modelwire.models import Models
from modelwire.routing.ranges import from_percent, reweigh
from modelwire.serving.servable import Servable
from modelwire.serving.snapshot import Snapshot
from modelwire.testing.functions import Function, FunctionModel, WholeEvents
from modelwire_log.memory.log import MemoryLog
from modelwire_schemas.control import Body
from modelwire_schemas.errors import NotFound, TimedOut
from modelwire_schemas.release import (
    Artifact,
    ArtifactFile,
    Contract,
    ReleasePublished,
    Tensor,
    manifest_digest,
)
from modelwire_schemas.routing import (
    Change,
    ModelVersion,
    RoutingChanged,
    RoutingDocument,
    Rule,
    Split,
)

NAMESPACE = "test"
PATIENCE = 10.0
"""Seconds that a step of a test may take before it fails."""


def models(
    versions: Mapping[str, Mapping[str, Function]],
    *,
    clock: Clock | None = None,
    hooks: Hooks | None = None,
    outputs: tuple[str, ...] = ("value",),
) -> "StandIn":
    """Return an SDK whose versions are functions, ready to predict; use it as a context manager.

    `versions` maps a model to its versions, each a function of an event. Every model has a route
    of its own name, which gives its first version everything. `outputs` are the names of what the
    functions return, one value for one name. With a ManualClock time stands still between two
    `advance`s.
    """
    return StandIn(versions, clock or SystemClock(), hooks or Hooks(), outputs)


class StandIn(Models):
    """Models for tests: `flip`, `fail`, `go_stale`, and a clock that can be turned."""

    def __init__(
        self,
        versions: Mapping[str, Mapping[str, Function]],
        clock: Clock,
        hooks: Hooks,
        outputs: tuple[str, ...],
    ) -> None:
        self.clock = clock
        self._memory = MemoryLog(clock=clock.now)
        self._functions = {
            ModelVersion(model, version): FunctionModel(function, outputs)
            for model, known in versions.items()
            for version, function in known.items()
        }
        self._folder = tempfile.TemporaryDirectory(prefix="modelwire-test-")
        config = Config(
            log=self._memory.url,
            namespace=NAMESPACE,
            application="test",
            cache=Path(self._folder.name),
        )
        for version in self._functions:
            self._submit(_release(version, outputs))
        for model, known in versions.items():
            self._submit(_document(model, model, {next(iter(known)): "100"}, None))
        super().__init__(config, self._memory, clock=clock, hooks=hooks, bring=self._bring)
        for model in versions:
            self.route(model).wait_until_ready(PATIENCE)

    def flip(self, route: str, version: str | Mapping[str, str]) -> None:
        """Give a version everything, or several their weights in percent; waits until it holds.

        It holds for every event from then on, also for those of an earlier time (`at_once`).
        """
        weights = {version: "100"} if isinstance(version, str) else version
        state = fold_log(self._memory, NAMESPACE)
        head = state.routes[route].head if route in state.routes else None
        document = head.document if head else None
        model = document.model if document else route
        self._change(_document(route, model, weights, document, head.revision if head else 0))

    def change(self, document: RoutingDocument, *, at_once: bool = True) -> None:
        """Set a route's whole document; waits until it is read and its versions are warm.

        Without `at_once` it holds for events from now on, half a second ahead.
        """
        route = fold_log(self._memory, NAMESPACE).routes.get(document.route)
        change = Change(document, route.head.revision if route else 0)
        self._change(RoutingChanged((change,), at_once=at_once and route is not None))

    def go_stale(self) -> None:
        """Take the control log away; returns when answers are marked stale.

        That takes two seconds; a ManualClock is turned on by them.
        """
        self._memory.away = True
        self.advance(STALE_AFTER_NS // 1_000_000 + 1)
        self._until(lambda s: bool(s.stale_since))

    def come_back(self) -> None:
        """Bring the control log back; returns when answers are fresh again."""
        self._memory.away = False
        self._until(lambda s: not s.stale_since)

    def fail(self, model: str, version: str, error: Exception | None) -> None:
        """Let a version raise from now on; None lets it answer again."""
        found = self._functions.get(ModelVersion(model, version))
        if found is None:
            raise NotFound("E_UNKNOWN_VERSION", f"there is no {model} {version}")
        found.error = error

    def advance(self, ms: int) -> None:
        """Turn a manual clock on by so many ms."""
        if isinstance(self.clock, ManualClock):
            self.clock.advance(ms)

    def close(self, timeout: float = 5.0) -> None:
        """Stop, and remove what was on disk; idempotent."""
        super().close(timeout)
        self._folder.cleanup()

    def _until(self, reached: Callable[[Snapshot], bool]) -> None:
        if not self.live.wait_for(reached, PATIENCE):
            raise TimedOut("E_TIMEOUT", f"it did not happen within {PATIENCE:g} s")

    def _change(self, change: RoutingChanged) -> None:
        offset = self._submit(change)
        document = change.changes[0].document
        wanted = [ModelVersion(document.model, version) for version in document.versions()]
        self._until(lambda s: s.offset >= offset and all(v in s.warm for v in wanted))

    def _submit(self, body: Body) -> int:
        outcome = submit(self._memory, NAMESPACE, body, By("test"), clock=self.clock)
        outcome.verdict.check()
        return outcome.verdict.offset

    def _bring(self, release: Release, told: Told) -> Callable[[], Servable]:
        for state in (VersionState.FETCHING, VersionState.VERIFIED, VersionState.PROBED):
            told(state)
        return partial(self._servable, release, told)

    def _servable(self, release: Release, told: Told) -> Servable:
        version = ModelVersion(release.model, release.version)
        for state in (VersionState.LOADED, VersionState.WARM):
            told(state)
        return Servable(
            version,
            release.artifact.digest,
            release.contract,
            self._functions[version],
            WholeEvents(),
        )


def _release(version: ModelVersion, outputs: tuple[str, ...]) -> ReleasePublished:
    named = hashlib.sha256(f"{version.model} {version.version}".encode()).hexdigest()
    file = ArtifactFile("function", 0, named)
    artifact = Artifact(
        "function", "packed", manifest_digest("function", "packed", (file,)), (file,)
    )
    tensors = tuple(Tensor(name, "float64", (None,)) for name in outputs)
    return ReleasePublished(version.model, version.version, artifact, Contract((), tensors, ()))


def _document(
    route: str,
    model: str,
    weights: Mapping[str, str],
    before: RoutingDocument | None,
    revision: int = 0,
) -> RoutingChanged:
    counts = from_percent(weights)
    old = before.rules[-1].variants if before else ()
    variants = reweigh(old, [(v, v, count) for v, count in counts.items()])
    rule = Rule("all", variants, Split(salt=route))
    return RoutingChanged(
        (Change(RoutingDocument(route, model, (rule,)), revision),), at_once=revision > 0
    )
