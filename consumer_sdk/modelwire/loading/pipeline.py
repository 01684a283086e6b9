"""The thread that brings wanted versions from their release to warm, and lets others go."""

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from modelwire.clock import Clock
from modelwire.control.state import Release, State
from modelwire.loading.policy import Drop, Held, Load, MemoryPolicy, NoRoom, Prepare, plan
from modelwire.loading.states import Told, VersionState, follows
from modelwire_schemas.errors import ModelwireError, Unavailable
from modelwire_schemas.fleet import RUN_OUT, VersionReport
from modelwire_schemas.routing import ModelVersion

logger = logging.getLogger("modelwire.loading")

RETRY = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Seconds before the first, second, … retry of what may heal by itself: a log, a store, a disk."""

REST = 0.1
"""Seconds without work after which it is time to tidy up; other processes still swap meanwhile."""


@dataclass(slots=True)
class Progress:
    """How far one version is, and why it is no further.

    `no_room` is what was wanted, and what of it was due, when there was no room for this one.
    """

    state: VersionState = VersionState.WANTED
    code: str = ""
    detail: str = ""
    failures: int = 0
    retry_ns: int | None = None
    no_room: tuple[Collection[ModelVersion], ...] = ()


@dataclass(frozen=True, slots=True)
class Wants:
    """What is wanted, most urgent first, the state that says so, and what of it is in force."""

    versions: tuple[ModelVersion, ...] = ()
    state: State = field(default_factory=State)
    due: frozenset[ModelVersion] = frozenset()

    @property
    def told(self) -> tuple[Collection[ModelVersion], ...]:
        """All that decides about room."""
        return (self.versions, self.due)


class Pipeline:
    """Carries out what `policy.plan` decides, one step after the other, in a thread of its own.

    `prepare(release, told)` blocks and returns what loads the version; that blocks, too, and
    returns the bytes that it keeps once it is warm and on the shelf. Both call `told` with every
    state on the way. `drop` takes a version off the shelf. `changed` is called when one came or
    went, `refused` with each NACK, `tidy` after work, once nothing is left to do.
    """

    def __init__(
        self,
        prepare: Callable[[Release, Told], Callable[[], int]],
        drop: Callable[[ModelVersion], None],
        changed: Callable[[], None],
        refused: Callable[[ModelVersion, str, str], None],
        tidy: Callable[[], None],
        *,
        budget: int,
        policy: MemoryPolicy,
        clock: Clock,
    ) -> None:
        self._prepare = prepare
        self._drop = drop
        self._changed = changed
        self._refused = refused
        self._tidy = tidy
        self._budget = budget
        self._policy = policy
        self._clock = clock
        self._wants = Wants()
        self._prepared: dict[ModelVersion, Callable[[], int]] = {}
        self._resident: dict[ModelVersion, int] = {}
        self._progress: dict[ModelVersion, Progress] = {}
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="modelwire-loader", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Stop after the step that is under way; waits up to `timeout` seconds."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def want(self, wants: Wants) -> None:
        """Say what is wanted now; returns at once."""
        self._wants = wants
        self._wake.set()

    def progress(self) -> Mapping[ModelVersion, Progress]:
        """Return how far every version is."""
        return dict(self._progress)

    def reports(
        self, serving: frozenset[ModelVersion], run_out: Collection[ModelVersion] = ()
    ) -> tuple[VersionReport, ...]:
        """Return what the fleet is told of every version; `serving` are those in force.

        `run_out` are those of them whose releases have run out.
        """
        return tuple(
            self._report(version, progress, serving, run_out)
            for version, progress in sorted(
                self._progress.items(), key=lambda item: (item[0].model, item[0].version)
            )
        )

    def _report(
        self,
        version: ModelVersion,
        progress: Progress,
        serving: frozenset[ModelVersion],
        run_out: Collection[ModelVersion],
    ) -> VersionReport:
        release = self._wants.state.release(version.model, version.version)
        state = progress.state
        if version in serving and follows(state, VersionState.SERVING):
            state = VersionState.SERVING
        return VersionReport(
            model=version.model,
            version=version.version,
            digest=release.artifact.digest if release else "",
            state=str(state),
            code=progress.code or (RUN_OUT if version in run_out else ""),
            detail=progress.detail,
            resident=self._resident.get(version, 0),
        )

    def _run(self) -> None:
        worked = False
        while not self._stop.is_set():
            self._wake.clear()
            try:
                while not self._stop.is_set() and self._step():
                    worked = True
                if worked and not self._wake.wait(REST):
                    worked = False
                    self._tidy()
            except Exception:
                logger.exception("the loader goes on after a fault of its own")
            self._wake.wait(self._seconds_to_retry())
        if worked:
            self._tidy()

    def _step(self) -> bool:
        wants = self._wants
        self._forget(wants)
        step = plan(
            [v for v in wants.versions if self._may_try(v)],
            [Held(v, size) for v, size in self._resident.items()],
            self._prepared,
            {v: r.artifact.size for v in wants.versions if (r := _release(wants, v))},
            self._budget,
            self._policy,
            wants.due,
        )
        if isinstance(step, Prepare):
            self._attempt(step.version, partial(self._make_ready, step.version, wants))
        elif isinstance(step, Load):
            self._attempt(step.version, partial(self._load, step.version))
        elif isinstance(step, Drop):
            self._let_go(step.version)
        elif isinstance(step, NoRoom):
            text = f"{step.short} bytes more than the budget of {self._budget} bytes allows"
            self._refuse(step.version, "E_BUDGET", text, retry=False)
            self._progress[step.version].no_room = wants.told
        return step is not None

    def _make_ready(self, version: ModelVersion, wants: Wants) -> None:
        release = wants.state.releases[version.model][version.version]
        known = self._progress.get(version, Progress())
        code = "" if known.no_room else known.code  # there is room now, or time to wait for it
        again = replace(known, state=VersionState.WANTED, code=code, no_room=())
        progress = self._progress[version] = again

        def told(state: VersionState, detail: str = "") -> None:
            progress.detail = detail
            if state is progress.state:
                return
            assert follows(progress.state, state), (progress.state, state)  # noqa: S101
            progress.state = state

        self._prepared[version] = self._prepare(release, told)

    def _load(self, version: ModelVersion) -> None:
        self._resident[version] = self._prepared.pop(version)()
        progress = self._progress[version]
        progress.code = progress.detail = ""
        progress.failures = 0
        progress.retry_ns = None
        self._changed()

    def _attempt(self, version: ModelVersion, step: Callable[[], None]) -> None:
        try:
            step()
        except ModelwireError as error:
            text = str(error).removeprefix(f"{error.code}: ")
            self._refuse(version, error.code, text, retry=isinstance(error, Unavailable))
        except Exception as error:  # whatever a format plug-in raises, the process goes on
            logger.exception("loading %s %s failed", version.model, version.version)
            self._refuse(version, "E_LOAD", f"{type(error).__name__}: {error}", retry=False)

    def _let_go(self, version: ModelVersion) -> None:
        progress = self._progress[version]
        progress.state = VersionState.RETIRED
        self._resident.pop(version)
        self._drop(version)
        progress.state = VersionState.FREED
        self._changed()

    def _refuse(self, version: ModelVersion, code: str, detail: str, *, retry: bool) -> None:
        self._prepared.pop(version, None)
        progress = self._progress.setdefault(version, Progress())
        told_before = progress.code == code
        progress.state, progress.code, progress.detail = VersionState.FAILED, code, detail
        seconds = RETRY[min(progress.failures, len(RETRY) - 1)]
        progress.failures += 1
        now = self._clock.monotonic_ns()
        progress.retry_ns = now + int(seconds * 1e9) if retry else None
        if not told_before:
            logger.warning("%s %s refused: %s: %s", version.model, version.version, code, detail)
            self._refused(version, code, detail)

    def _may_try(self, version: ModelVersion) -> bool:
        progress = self._progress.get(version)
        if version in self._resident or progress is None or progress.state != VersionState.FAILED:
            return True
        if progress.no_room:
            return progress.no_room != self._wants.told
        due = progress.retry_ns
        return due is not None and due <= self._clock.monotonic_ns()

    def _forget(self, wants: Wants) -> None:
        """A version that nobody wants any more may be tried again when somebody does."""
        gone = [v for v in self._progress if v not in wants.versions and v not in self._resident]
        for version in gone:
            del self._progress[version]
            self._prepared.pop(version, None)

    def _seconds_to_retry(self) -> float | None:
        due = [p.retry_ns for p in self._progress.values() if p.retry_ns is not None]
        if not due:
            return None
        return max(0.0, (min(due) - self._clock.monotonic_ns()) / 1e9)


def _release(wants: Wants, version: ModelVersion) -> Release | None:
    return wants.state.release(version.model, version.version)
