"""One rollout in virtual time, from its beginning to its end (pure)."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from modelwire.control.state import RouteState, State
from modelwire.control.timeline import boundaries, in_force
from modelwire_router.analysis.samples import Samples
from modelwire_router.changes import flip, together
from modelwire_router.decide import World, decide
from modelwire_router.outside.words import Answer, Question
from modelwire_router.reports import Reports
from modelwire_router.rollout.documents import candidates_weight
from modelwire_router.rollout.machine import advance, begin, judged
from modelwire_router.rollout.plan import Analyse, Exposure, Hook, Metric, Pause, Plan
from modelwire_router.simulation.behaviour import Behaviour, Beside, Version, sample, wanted
from modelwire_router.simulation.streams import Stream
from modelwire_router.virtual import folded
from modelwire_schemas.fleet import FleetReport, VersionReport
from modelwire_schemas.release import (
    Artifact,
    ArtifactFile,
    Column,
    Contract,
    Feed,
    ReleasePublished,
    Tensor,
)
from modelwire_schemas.rollout import Phase, Rollout
from modelwire_schemas.routing import BUCKETS, ModelVersion, RoutingChanged
from modelwire_schemas.telemetry import Role, Telemetry, Window

START = 1_800_000_000_000
"""When every run begins (ms); it can be divided by every span in use."""

SPAN = 60_000
"""Length of windows (ms) where no metric says how often it looks."""

SHORTEST = 1000
"""No window is shorter (ms), whatever intervals have in common."""

SPARSE = 100
"""After so many looks at the metrics they are rarer: a decision is late by 1 % of its time."""

DAY = 24 * 3600 * 1000


class Outcome(StrEnum):
    """How a rollout ends: `completed` has its end, but the candidate not every event."""

    PROMOTED = "promoted"
    COMPLETED = "completed"
    ROLLED_BACK = "rolled back"
    PAUSED = "paused"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Case:
    """What is played: rollouts that begin together, how their two sides behave, on which stream.

    `rate` is in events a second, for each route. The fleet has what is named warm `ready_after` ms
    after the beginning; a pause without an end is ended `operator_after` ms after it began. A run
    ends as `undecided` after `at_most` ms.
    """

    plans: tuple[Plan, ...]
    stable: Behaviour
    candidate: Behaviour
    stream: Stream
    rate: float = 500.0
    ready_after: int = 0
    operator_after: int = 60_000
    at_most: int = DAY


class Run(NamedTuple):
    """What became of one rollout: after how many ms, events, and events of the candidate.

    `why` are the metrics that did not pass, where it was rolled back or paused. `weights` are the
    candidate's buckets on the first route, since how many ms.
    """

    outcome: Outcome
    ms: int
    events: int
    exposed: int
    why: tuple[str, ...]
    weights: tuple[tuple[int, int], ...] = ()


def play(case: Case, seed: Sequence[int]) -> Run:
    """Run a rollout once; the same seed gives the same run.

    Raises Conflict or Rejected where the fold would not take the rollout.
    """
    world = _Virtual(case, np.random.default_rng(seed))
    while not (ended := world.outcome()) and world.now < START + case.at_most:
        if not world.act():
            world.wait()
    found = world.rollout(case.plans[0])
    why = tuple(dict.fromkeys(f.metric for f in found.findings)) if ended in _WHY else ()
    outcome = ended or Outcome.UNDECIDED
    weights = tuple(world.weights)
    return Run(outcome, world.now - START, world.events, world.exposed, why, weights)


_WHY = {Outcome.ROLLED_BACK, Outcome.PAUSED}


def begun(plans: Sequence[Plan]) -> State:
    """Return a log's state with these rollouts at their beginning, and what they need released."""
    state = State()
    for plan in plans:
        state = _released(state, plan.model, (plan.stable,))
        state = folded(state, flip(state, plan.route, plan.stable, model=plan.model), START)
    changes = [begin(plan, state.routes[plan.route], "simulated", START) for plan in plans]
    for plan, change in zip(plans, changes, strict=True):
        state = _released(state, plan.model, change.changes[0].document.versions())
    return folded(state, together(changes), START)


def tick(plans: Sequence[Plan]) -> int:
    """Return how long windows are, and how often the metrics are looked at (ms)."""
    together = math.gcd(*(metric.interval for plan in plans for metric in plan.metrics))
    return max(together, SHORTEST) if together else SPAN


class _Virtual:
    """A namespace that nobody but the simulation sees."""

    def __init__(self, case: Case, rng: np.random.Generator) -> None:
        self.now = START
        self.events = self.exposed = 0
        self.weights: list[tuple[int, int]] = [(0, 0)]
        self._case = case
        self._rng = rng
        self._state = begun(case.plans)
        self._samples = Samples()
        self._answers: dict[Question, Answer] = {}
        self._span = tick(case.plans)
        self._measured = START
        looked = wanted(case.plans)
        self._stable = Version(case.stable, looked)
        self._candidate = Version(case.candidate, looked)
        known = sample(looked)
        self._references = {ModelVersion(p.model, p.candidate): known for p in case.plans}

    def outcome(self) -> Outcome | None:
        """Return how the rollouts ended; None while they go on."""
        phases = {self.rollout(plan).phase for plan in self._case.plans}
        if phases == {Phase.COMPLETED}:
            whole = all(self._gets_all(plan) for plan in self._case.plans)
            return Outcome.PROMOTED if whole else Outcome.COMPLETED
        if Phase.PAUSED in phases:
            return Outcome.PAUSED
        return Outcome.ROLLED_BACK if Phase.ROLLED_BACK in phases else None

    def rollout(self, plan: Plan) -> Rollout:
        """Return where a plan stands."""
        found = self._route(plan).rollout
        assert found is not None  # noqa: S101 - every run begins with one
        return found

    def act(self) -> bool:
        """Do what follows now: as the controller decides, as others answer, as an operator ends."""
        self._measure()
        reports, now = self._reports(), self.now
        world = World(self._state, reports, self._samples, self._answers, now, self._references)
        decision = decide(world)
        for _, fault in decision.faults:
            raise fault
        asked = decision.questions - self._answers.keys()
        if asked:  # outside answers take no time, so what was decided without them does not count
            self._answers.update((question, self._answer(question)) for question in asked)
            return True
        changes = [send.change for send in decision.sends] or self._promoted()
        for change in changes:
            self._state = folded(self._state, change, self.now)
        self._weigh()
        return bool(changes)

    def wait(self) -> None:
        """Go to the next time at which something may follow."""
        self.now = min(t for plan in self._case.plans for t in self._times(plan) if t > self.now)

    def _weigh(self) -> None:
        """Write down the candidate's share where it has changed."""
        head = self._route(self._case.plans[0]).head.document
        weight = BUCKETS if self._gets_all(self._case.plans[0]) else candidates_weight(head)
        if weight != self.weights[-1][1]:
            self.weights.append((self.now - START, weight))

    def _times(self, plan: Plan) -> Iterator[int]:
        rollout = self.rollout(plan)
        step = plan.steps[rollout.step]
        own = (step.ms or 0) if isinstance(step, Analyse | Pause | Exposure) else 0
        yield rollout.since + own
        yield rollout.since + own + plan.ready_deadline
        yield rollout.since + self._case.operator_after
        yield START + self._case.ready_after
        yield START + self._case.at_most
        if judged(plan, rollout) or isinstance(step, Exposure):
            ticks = max(1, (self.now - START) // (SPARSE * self._span))
            yield (self.now // self._span + ticks) * self._span

    def _promoted(self) -> list[RoutingChanged]:
        """Return an operator's promotion where that is what all wait for."""
        standing = [(plan, self.rollout(plan)) for plan in self._case.plans]
        due = all(
            isinstance(step := plan.steps[rollout.step], Pause | Exposure)
            and step.ms is None
            and self.now >= rollout.since + self._case.operator_after
            for plan, rollout in standing
        )
        made = [advance(plan, self._route(plan), self.now).change for plan, _ in standing if due]
        return [together(made)] if made else []

    def _answer(self, question: Question) -> Answer:
        """Let the world outside agree, and measure what the limits allow."""
        if isinstance(question.source, Hook):
            return Answer(self.now, agreed=True)
        metric = next(self._named(question))
        limits = [limit for limit in (metric.most, metric.least) if limit is not None]
        return Answer(self.now, value=limits[0] if limits else 0.0)

    def _named(self, question: Question) -> Iterator[Metric]:
        for plan in self._case.plans:
            if plan.route == question.route:
                yield from (m for m in plan.metrics if m.name == question.name)

    def _reports(self) -> Reports:
        """Return what the one instance says that stands for all."""
        ready = self.now >= START + self._case.ready_after
        versions = tuple(
            VersionReport(plan.model, version, "", "warm" if ready else "fetching")
            for plan in self._case.plans
            for version in self._route(plan).head.document.versions()
        )
        routes = tuple(plan.route for plan in self._case.plans)
        return Reports([(_report(self._state.offset, routes, versions), self.now)])

    def _measure(self) -> None:
        """Report every window that is over."""
        windows: list[Window] = []
        while self._measured + self._span <= self.now:
            end = self._measured + self._span
            for plan in self._case.plans:
                windows += self._windows(plan, self._measured, end)
            self._measured = end
        if windows:
            told = Telemetry("virtual", "1", "simulation", self._state.offset, tuple(windows))
            self._samples.add(told, self.now)

    def _windows(self, plan: Plan, start: int, end: int) -> Iterator[Window]:
        """Yield what the versions did from `start` to `end`, by the documents then in force."""
        route = self._route(plan)
        cuts = [start, *(t for t in boundaries(route) if start < t < end), end]
        for first, last in pairwise(cuts):
            accepted = in_force(route, first, first)
            assert accepted is not None  # noqa: S101 - the first document holds from always
            events = int(self._rng.poisson(self._case.rate * (last - first) / 1000))
            self.events += events
            for found in self._case.stream.routed(accepted.document, events, self._rng):
                ours = found.version == plan.candidate
                if ours and found.role is Role.LIVE:
                    self.exposed += found.events
                version, other = self._sides(plan, ours=ours)
                empty = Window(
                    *(route.route, plan.model, found.version, found.variant, found.role),
                    *(accepted.revision, start, end - start),
                )
                if found.events:
                    yield version.window(self._rng, empty, found.events, other)

    def _sides(self, plan: Plan, *, ours: bool) -> tuple[Version, Beside]:
        """Return a version, and the other one that its shadow is held against."""
        changed = self._case.candidate.changed
        if ours:
            return self._candidate, Beside(self._stable, plan.stable, changed)
        return self._stable, Beside(self._candidate, plan.candidate, changed)

    def _route(self, plan: Plan) -> RouteState:
        return self._state.routes[plan.route]

    def _gets_all(self, plan: Plan) -> bool:
        return self._route(plan).head.document.sole_version() == plan.candidate


def _report(
    offset: int, routes: tuple[str, ...], versions: tuple[VersionReport, ...]
) -> FleetReport:
    return FleetReport(
        instance="virtual",
        incarnation="1",
        application="simulation",
        namespace="virtual",
        host="",
        pid=0,
        sdk="",
        fold=1,
        offset=offset,
        state_hash="",
        horizon=0,
        stale_since=0,
        routes=routes,
        versions=versions,
    )


def _released(state: State, model: str, versions: Sequence[str]) -> State:
    for version in versions:
        if state.release(model, version) is None:
            state = folded(state, _release(model, version), START)
    return state


def _release(model: str, version: str) -> ReleasePublished:
    contract = Contract(
        (Tensor("x", "float32", (None, 1)),),
        (Tensor("score", "float32", (None, 1)),),
        (Feed("x", (Column("x"),)),),
    )
    artifact = Artifact("onnx", "packed", version, (ArtifactFile("model.onnx", 1, ""),))
    return ReleasePublished(model, version, artifact, contract)
