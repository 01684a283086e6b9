"""What runs beside the event path: follower, loader, reporter, and the snapshots that they make."""

import hashlib
import logging
import math
import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import TypeAlias

from modelwire.clock import Clock
from modelwire.config import Config
from modelwire.control.follower import Control, Follower
from modelwire.control.horizon import Reading
from modelwire.control.policy import run_out, told_run_out
from modelwire.control.saved import dump, load, state_hash
from modelwire.control.state import Release, State
from modelwire.hooks import Hooks
from modelwire.loading.bring import Bringer
from modelwire.loading.cache import Cache, Hold
from modelwire.loading.formats import LoadOptions
from modelwire.loading.limits import memory_limit
from modelwire.loading.pipeline import Pipeline, Wants
from modelwire.loading.policy import MemoryPolicy, in_force, wanted
from modelwire.loading.probe import Prober
from modelwire.loading.states import Told
from modelwire.reporting.reporter import Occasion, Reporter
from modelwire.reporting.telemetry import TelemetryReporter
from modelwire.serving.live import Live
from modelwire.serving.plan import Marks, RoutePlan
from modelwire.serving.servable import Servable, servable_of
from modelwire.serving.shelf import Shelf
from modelwire.serving.snapshot import Snapshot
from modelwire.version import VERSION
from modelwire_log.contract import Log
from modelwire_schemas.control import FOLD_VERSION
from modelwire_schemas.errors import ModelwireError
from modelwire_schemas.fleet import RESOURCE_FIRST, FleetReport
from modelwire_schemas.routing import ModelVersion
from modelwire_schemas.telemetry import Telemetry, Window

logger = logging.getLogger("modelwire")

REST_S = 1.0
"""A state that has rested for so long is kept for a start without the log; swaps come first."""

KEEP_WITHIN_S = 60.0
"""A state that never rests is kept after so long."""

UNBOUND = 1 << 62

Bring: TypeAlias = Callable[[Release, Told], Callable[[], Servable]]
"""Prepares a released version and returns what loads it; both block, and tell of every state."""


class Runtime:
    """The threads of one process that embeds the SDK, and the snapshot that they keep fresh."""

    def __init__(
        self,
        config: Config,
        log: Log,
        live: Live,
        clock: Clock,
        hooks: Hooks,
        bring: Bring | None = None,
    ) -> None:
        self.live = live
        self._config = config
        self._clock = clock
        self._hooks = hooks
        resource = config.memory_policy is MemoryPolicy.RESOURCE
        self._capabilities = (RESOURCE_FIRST,) if resource else ()
        self._instance = f"{config.application}-{config.host}-{secrets.token_hex(4)}"
        self._routes: frozenset[str] = frozenset()
        self._building = threading.RLock()
        self._cache = Cache(config.cache)
        self._prober = Prober(config.cache)
        self._shelf = Shelf()
        self._holds: dict[ModelVersion, Hold] = {}
        self._told: dict[str, str] = {}
        self._told_run_out: set[ModelVersion] = set()
        self._hash = (-2, "")
        self._kept_name = f"{config.namespace}-{hashlib.sha256(log.url.encode()).hexdigest()[:16]}"
        self._kept_s = self._changed_s = -math.inf  # the first one is kept at once
        self._bring = bring or self._from_release
        options = LoadOptions(config.threads, config.allowed_models)
        self._bringer = Bringer(log, config.namespace, self._cache, self._prober, options)
        self._follower = Follower(
            log, config.namespace, self._on_control, clock=clock, kept=self._kept_state
        )
        self._control = self._follower.control
        self._kept = self._control.state
        self._pipeline = Pipeline(
            self._prepare,
            self._drop,
            self._rebuild,
            self._on_nack,
            self._tidy,
            budget=config.memory or (memory_limit() or UNBOUND) // 2,
            policy=config.memory_policy,
            clock=clock,
        )
        self._reporter = Reporter(
            log, config.namespace, self.report, self._follower.note, clock=clock
        )
        self._telemetry = TelemetryReporter(
            log, config.namespace, live.recorder, self.measured, live.collect
        )

    def start(self) -> None:
        """Start the threads; returns at once."""
        if self._bring == self._from_release:
            self._prober.start()
        self._reporter.start()
        self._follower.start()
        self._pipeline.start()
        if self._config.telemetry:
            self._telemetry.start()

    def stop(self, timeout: float) -> None:
        """Stop the threads, say goodbye to the fleet, give the memory back."""
        deadline = time.monotonic() + timeout

        def left() -> float:
            return max(0.0, deadline - time.monotonic())

        self._follower.stop(left())
        if not self._control.stale_since:
            self._keep_state(self._control.state)
        self._pipeline.stop(left())
        self.live.shadows.close(left())
        self._telemetry.stop(left())
        self._reporter.stop(left())
        with self._building:
            self.live.replace(replace(self.live.snapshot, warm={}, plans={}))
        self._shelf.close(left())
        for hold in self._holds.values():
            hold.close()
        self._prober.close()

    def open_route(self, name: str) -> None:
        """Follow one more route: its versions are loaded from now on."""
        with self._building:
            self._routes |= {name}
        self._rebuild()
        self._reporter.wake()

    def why_not(self, route: str) -> str:
        """Say why a route cannot answer."""
        control = self._control
        state = control.state.routes.get(route)
        trouble = control.error or self._follower.trouble
        said = [str(trouble)] if trouble else []
        if state is None:
            return said[0] if said else f"modelwire flip {route} VERSION makes a document"
        named = set(wanted([state], control.state.earliest))
        said += [
            f"{r.version} is {r.state} {r.code} {r.detail}".strip()
            for r in self._pipeline.reports(frozenset())
            if ModelVersion(r.model, r.version) in named
        ]
        return "; ".join(said)

    def report(self, occasion: Occasion = Occasion.ROUTINE) -> FleetReport:
        """Return what this instance says of itself.

        The state is hashed when nothing is urgent: of a long history that takes milliseconds.
        """
        snapshot, control = self.live.snapshot, self._control
        served = {s.version: s.predictions() for s in snapshot.warm.values()}
        return FleetReport(
            instance=self._instance,
            incarnation=self._instance.rpartition("-")[2],
            application=self._config.application,
            namespace=self._config.namespace,
            host=self._config.host,
            pid=os.getpid(),
            sdk=VERSION,
            fold=FOLD_VERSION,
            offset=control.state.offset,
            state_hash=self._state_hash(control.state) if occasion is Occasion.ROUTINE else "",
            horizon=control.horizon,
            stale_since=control.stale_since,
            routes=tuple(sorted(self._routes)),
            versions=self._pipeline.reports(self._serving(snapshot), self._run_out()),
            group=self._config.group,
            capabilities=self._capabilities,
            errors=self._counted(snapshot),
            predictions=sum(served.values()),
            resident=sum(s.model.resident for s in snapshot.warm.values()),
            goodbye=occasion is Occasion.GOODBYE,
        )

    def _run_out(self) -> frozenset[ModelVersion]:
        """Return the versions that answer although their releases ran out; each is told of once."""
        control = self._control
        opened = [r for n, r in control.state.routes.items() if n in self._routes]
        now = max(control.state.now, self._present(control.reading))
        found = {
            ModelVersion(release.model, release.version): told_run_out(route, release)
            for route, release in run_out(control.state, opened, now)
        }
        with self._building:
            new = found.keys() - self._told_run_out
            self._told_run_out |= new
        for version in new:
            logger.warning("%s", found[version])
        return frozenset(found)

    def measured(self, windows: Sequence[Window]) -> Telemetry:
        """Return what this instance says of windows of one route."""
        config, offset = self._config, self._control.state.offset
        incarnation = self._instance.rpartition("-")[2]
        told = tuple(windows)
        dropped = self.live.recorder.dropped(told[0].route)
        return Telemetry(self._instance, incarnation, config.application, offset, told, dropped)

    def _counted(self, snapshot: Snapshot) -> tuple[tuple[str, int], ...]:
        """Return what went wrong, or by another way than meant, by word, with its count."""
        counted = Counter(dict(self.live.tally.values()))
        counted["telemetry_lost"] = self.live.recorder.lost
        for servable in snapshot.warm.values():
            counted.update(dict(servable.errors.values()))
        for plan in snapshot.plans.values():
            counted.update(asdict(plan.counts))
        return tuple(sorted((word, count) for word, count in counted.items() if count))

    def _prepare(self, release: Release, told: Told) -> Callable[[], int]:
        return partial(self._put, self._bring(release, told))

    def _put(self, load: Callable[[], Servable]) -> int:
        servable = load()
        self._shelf.put(servable)
        self._reporter.wake()  # a flip may wait for this version
        self._holds[servable.version] = self._cache.hold(servable.digest)
        return servable.model.resident

    def _drop(self, version: ModelVersion) -> None:
        self.live.collect()  # what the version has answered goes with it
        self._shelf.drop(version)
        self._holds.pop(version).close()

    def _tidy(self) -> None:
        """Keep releases for a start without the log, and the cache within its budget.

        What anybody on this host holds, stays.
        """
        self._bringer.keep()
        self._cache.force()
        try:
            self._cache.prune(self._config.disk, {s.digest for s in self._shelf.warm.values()})
        except ModelwireError as error:
            logger.warning("the cache could not be pruned: %s", error)

    def _from_release(self, release: Release, told: Told) -> Callable[[], Servable]:
        load = self._bringer.prepare(release, told)
        return lambda: servable_of(release, *load())

    def _on_control(self, control: Control) -> None:
        before = self._control
        self._control = control
        went_stale = bool(control.stale_since) != bool(before.stale_since)
        if control.state is not before.state or went_stale or self._at_a_boundary(control):
            self._rebuild()
        else:
            self._move_horizon(control)
        if any(before.state.routes.get(n) is not control.state.routes.get(n) for n in self._routes):
            self._reporter.wake()  # who changed a route waits for its readers
        if not control.stale_since:
            self._keep_in_time(control.state, news=control.state is not before.state)
        if went_stale:
            why = str(control.error) if control.error else ""
            self._tell(lambda: self._hooks.on_stale(stale=bool(control.stale_since), why=why))
            self._reporter.wake()

    def _at_a_boundary(self, control: Control) -> bool:
        present = self._present(control.reading)
        return any(plan.until <= present for plan in self.live.snapshot.plans.values())

    def _move_horizon(self, control: Control) -> None:
        with self._building:
            skew = self._skew(control.reading)
            moved = replace(self.live.snapshot, horizon=control.horizon, skew_ns=skew)
            self.live.replace(moved)

    def _rebuild(self) -> None:
        """Make the next snapshot from what is known and what is warm."""
        with self._building:
            control, warm, before = self._control, self._shelf.warm, self.live.snapshot
            skew = self._skew(control.reading)
            marks = Marks(control.state.offset, stale=bool(control.stale_since))
            present = self._present(control.reading)
            plans = {
                name: RoutePlan(name, control.state, warm, marks, present, before.plans.get(name))
                for name in self._routes
            }
            snapshot = Snapshot(
                control.state,
                control.horizon,
                warm,
                plans,
                skew,
                control.stale_since,
                control.error,
            )
            self.live.replace(snapshot)
            opened = [r for n, r in control.state.routes.items() if n in self._routes]
        now = max(control.state.now, present)
        self._pipeline.want(Wants(wanted(opened, now), control.state, in_force(opened, now)))
        self._tell_swaps(snapshot)

    def _present(self, reading: Reading | None) -> int:
        return (self._clock.monotonic_ns() + self._skew(reading)) // 1_000_000

    def _skew(self, reading: Reading | None) -> int:
        if reading is None:
            return self._clock.now() * 1_000_000 - self._clock.monotonic_ns()
        return reading.appended * 1_000_000 - reading.at_ns

    def _tell_swaps(self, after: Snapshot) -> None:
        for name, plan in after.plans.items():
            was, now = self._told.get(name), plan.serving
            if now and now != was:
                self._told[name] = now
                logger.info("%s: %s serves (control offset %d)", name, now, after.offset)
                self._tell(partial(self._hooks.after_swap, name, was, now))
                self._reporter.wake()

    def _on_nack(self, version: ModelVersion, code: str, detail: str) -> None:
        self._reporter.wake()
        self._tell(lambda: self._hooks.on_nack(version, code, detail))

    def _tell(self, hook: Callable[[], None]) -> None:
        try:
            hook()
        except Exception:
            logger.exception("a hook failed")

    def _serving(self, snapshot: Snapshot) -> frozenset[ModelVersion]:
        heads = [p.route.timeline[-1] for p in snapshot.plans.values() if p.route is not None]
        return frozenset(
            ModelVersion(a.document.model, v) for a in heads for v in a.document.weighted()
        )

    def _state_hash(self, state: State) -> str:
        offset, known = self._hash
        if offset != state.offset:
            known = state_hash(state)
            self._hash = (state.offset, known)
        return known

    def _kept_state(self) -> State | None:
        content = self._cache.states.load(self._kept_name)
        try:
            return None if content is None else load(content)
        except ModelwireError as error:
            logger.warning("the kept state is not used: %s", error)
            return None

    def _keep_in_time(self, state: State, *, news: bool) -> None:
        now = time.monotonic()
        if state is self._kept:
            self._kept_s = now
        if news:
            self._changed_s = now
        elif now - self._changed_s >= REST_S or now - self._kept_s >= KEEP_WITHIN_S:
            self._keep_state(state)

    def _keep_state(self, state: State) -> None:
        if state is not self._kept:
            self._kept = state
            self._cache.states.save(self._kept_name, dump(state))
