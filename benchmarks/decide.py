"""A controller's look at a large fleet: what deciding costs, and the reading before it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from time import process_time_ns

import numpy as np

from benchmarks.bed import made
from benchmarks.measure import Figure, of
from benchmarks.predict import NUMERIC
from modelwire.clock import ManualClock
from modelwire.control.fold import fold
from modelwire.control.reading import control_place
from modelwire.control.state import Entry, State
from modelwire_log.envelope import seal
from modelwire_log.sqlite.log import SqliteLog
from modelwire_router.changes import flip
from modelwire_router.decide import decide
from modelwire_router.observer import Observer
from modelwire_router.rollout.machine import advance, begin
from modelwire_router.rollout.plan import (
    Analyse,
    Measure,
    Metric,
    Pause,
    Plan,
    Query,
    SetWeight,
    Step,
    Template,
)
from modelwire_router.simulation.behaviour import Behaviour, Beside, Version, wanted
from modelwire_schemas.codec import content_digest
from modelwire_schemas.control import Body, Command, ControlRecord, fold_of
from modelwire_schemas.fleet import FleetReport, VersionReport
from modelwire_schemas.names import topic
from modelwire_schemas.release import ReleasePublished
from modelwire_schemas.routing import BUCKETS, Split
from modelwire_schemas.telemetry import Role, Telemetry, Window

NAMESPACE, BEGUN = "large", 1_800_000_000_000
ROUTES, INSTANCES, OPENED, REPORTERS = 1_000, 10_000, 10, 2
"""Every instance opens so many routes; so many instances of a judged route have events."""

LOOKS, LOOK_MS, TELL_MS, SPAN, AGED = 24, 500, 2_000, 10_000, 60_000
"""How often the controller looks, instances tell, windows end, and since when rollouts go on."""

KINDS = ["waiting"] * 6 + ["paused"] * 5 + ["judged"] * 4 + ["behind"] * 3 + ["finished"] * 2
"""How the rollouts of twenty routes stand: one in five waits at an analysis."""

HOUR, GOAL, READING, WHOLE = 3_600_000, 100, 0.5, 1.0

DRAWN, KINDS_OF_EVENTS = 20, 10
"""How often a window is told as it fills, and how many differ; more would look alike."""


def figures() -> list[Figure]:
    """Look again and again at a fleet that goes on telling; processor time counts."""
    with made() as bed:
        bed.publish(NUMERIC, "0")
        large = Large(bed.folder, bed.releases()["0"])
        observer = Observer(large.log, NAMESPACE)
        deciding, reading, resting = list[float](), list[float](), list[float]()
        reports = 0
        for look in range(LOOKS + 1):
            started = process_time_ns()
            world = observer.world(large.clock.now(), {})
            read = process_time_ns()
            decide(world)
            decided = process_time_ns()
            observer.world(large.clock.now(), {})
            reading.append((read - started) / 1e6)
            deciding.append((decided - read) / 1e6)
            resting.append((process_time_ns() - decided) / 1e6)
            reports += large.go_on(look) if look < LOOKS else 0
        large.log.close()
    told = [ms / LOOK_MS for ms in reading[1:]]
    whole = (sum(reading[1:]) + sum(deciding[1:])) / (LOOKS * LOOK_MS)
    return [
        of("decide with 1,000 routes and 10,000 instances", "ms", deciding[1:], GOAL),
        Figure("  the longest of 24 looks, when windows have ended", "ms", max(deciding[1:])),
        Figure("  the first look", "ms", deciding[0]),
        of("reading what they tell, over the time in which they tell it", "x", told, READING),
        Figure("reading and deciding, over the time of all looks", "x", whole, WHOLE),
        of("  reading before a look what a quarter of them tell", "ms", reading[1:]),
        Figure("  reports read and merged in a second", "", 1000 * reports / sum(reading[1:])),
        of("  reading when nobody has told anything", "ms", resting),
    ]


def kind_of(route: int) -> str:
    """Return how a route's rollout stands."""
    return KINDS[route % len(KINDS)]


def plan_of(route: int) -> Plan:
    """Return the plan of a route's rollout."""
    kind = kind_of(route)
    held: Step = Analyse(("health",), HOUR) if kind == "judged" else Pause(HOUR)
    last = SetWeight(BUCKETS)
    limits = (
        Metric("errors", Query(Measure.ERROR_RATE), relative=True, most=2.0),
        Metric("latency", Query(Measure.LATENCY), relative=True, most=1.5),
        Metric("scores", Query(Measure.PSI, "score"), most=0.5),
    )
    borne = [replace(m, failure_limit=99, inconclusive_limit=99) for m in limits]
    return Plan(
        f"route-{route}",
        f"model-{route}",
        "1",
        "2",
        "canary",
        Split(salt=str(route)),
        (last,) if kind == "finished" else (SetWeight(500), held, last),
        templates=(Template("health", tuple(borne)),) if kind in {"judged", "behind"} else (),
        background=("health",) if kind == "behind" else (),
        background_from=1,
        keep_warm=HOUR,
        ready_deadline=HOUR,
    )


class Large:
    """A log with a rollout on each of many routes, and the instances that tell of them."""

    def __init__(self, folder: Path, release: ReleasePublished) -> None:
        self.clock = ManualClock(BEGUN)
        self.log = SqliteLog(folder / "large.db", clock=self.clock.now)
        self._state = State()
        plans = [plan_of(number) for number in range(ROUTES)]
        self._drawn = [
            [list(_drawn(plans, *side, seed)) for side in (("1", 4_750), ("2", 250))]
            for seed in range(KINDS_OF_EVENTS)
        ]
        self._append([replace(release, model=p.model, version=v) for p in plans for v in "12"])
        self._append([flip(self._state, p.route, "1", model=p.model) for p in plans])
        self.clock.advance(SPAN)
        routes, now = self._state.routes, self.clock.now()
        self._append([begin(p, routes[p.route], p.route, now) for p in plans])
        routes = self._state.routes
        begun = [p for number, p in enumerate(plans) if kind_of(number) != "waiting"]
        self._append([advance(p, routes[p.route], now).change for p in begun])
        self._judged = [n for n in range(ROUTES) if kind_of(n) in {"judged", "behind"}]
        for _ in range(AGED // SPAN):
            self.clock.advance(SPAN)
            self._tell(
                "telemetry", [self._measured(n, r) for n in self._judged for r in range(REPORTERS)]
            )
        self._reports = [seal(self._report(n), source="bench") for n in range(INSTANCES)]
        self.log.append_batch(topic(NAMESPACE, "fleet"), self._reports)

    def go_on(self, look: int) -> int:
        """Let time pass up to the next look; return how many have told how they do: a quarter."""
        turns = TELL_MS // LOOK_MS
        self.clock.advance(LOOK_MS)
        told = self._reports[look % turns :: turns]
        self.log.append_batch(topic(NAMESPACE, "fleet"), told)
        who = [
            (n, r) for n in self._judged for r in range(REPORTERS) if (n + r + look) % turns == 0
        ]
        self._tell("telemetry", [self._measured(*one) for one in who])
        return len(told) + len(who)

    def _append(self, bodies: Sequence[Body]) -> None:
        now = self.clock.now()
        records = [
            ControlRecord(
                Command(token_hex(16), content_digest(body), now + HOUR, fold_of(body)), body
            )
            for body in bodies
        ]
        messages = [seal(record, source="bench") for record in records]
        receipts = self.log.append_batch(control_place(NAMESPACE).stream, messages)
        entries = [
            Entry(receipt.offset, receipt.appended, record)
            for receipt, record in zip(receipts, records, strict=True)
        ]
        self._state, verdicts = fold(self._state, entries)
        for verdict in verdicts:
            verdict.check()

    def _tell(self, stream: str, told: Sequence[Telemetry]) -> None:
        messages = [seal(one, source="bench") for one in told]
        self.log.append_batch(topic(NAMESPACE, stream), messages)

    def _report(self, instance: int) -> FleetReport:
        opened = [(instance + 101 * place) % ROUTES for place in range(OPENED)]
        late = instance % 13 == 0
        states = (("1", "serving"), ("2", "fetching" if late else "warm"))
        return FleetReport(
            instance=f"app-{instance}",
            incarnation=f"{instance:08x}",
            application="app",
            namespace=NAMESPACE,
            host="host",
            pid=instance,
            sdk="1",
            fold=2,
            offset=self._state.offset,
            state_hash="0" * 32,
            horizon=self.clock.now(),
            stale_since=0,
            routes=tuple(sorted(f"route-{route}" for route in opened)),
            versions=tuple(
                VersionReport(f"model-{route}", version, "0" * 64, state)
                for route in opened
                for version, state in states
            ),
        )

    def _measured(self, route: int, reporter: int) -> Telemetry:
        """Return what came into the window that has just ended, and into the one under way."""
        name, now = f"route-{route}", self.clock.now()
        revision = self._state.routes[name].head.revision
        start = now // SPAN * SPAN
        windows = [
            replace(
                drawn[min(DRAWN - 1, (now - at) * DRAWN // SPAN)],
                route=name,
                model=f"model-{route}",
                revision=revision,
                start=at,
            )
            for at in (start - SPAN, start)
            for drawn in self._drawn[(route + reporter) % KINDS_OF_EVENTS]
        ]
        return Telemetry(f"app-{route}", str(reporter), "app", 0, tuple(windows))


def _drawn(plans: Sequence[Plan], version: str, events: int, seed: int) -> Iterator[Window]:
    """Yield one version's windows as they fill."""
    behaves, rng = Version(Behaviour(), wanted(plans)), np.random.default_rng(seed)
    variant = {"1": "stable", "2": "candidate"}[version]
    empty = Window("", "", version, variant, Role.LIVE, 0, 0, SPAN)
    for part in range(1, DRAWN + 1):
        window = behaves.window(rng, empty, events * part // DRAWN, Beside(behaves, "1", 0.0))
        yield replace(window, outcomes=())
