"""The demo's rollouts, as the routing documents on the log tell them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from modelwire.control.history import Past
from modelwire.control.reading import control_place, read_past
from modelwire.control.state import Accepted
from modelwire_log.contract import Log
from modelwire_router.analysis.srm import NAME as SAMPLE_RATIO
from modelwire_router.demo.stage import NAMESPACE, ROUTE
from modelwire_router.rollout import plan_text
from modelwire_router.rollout.plan import Metric, Plan
from modelwire_router.rollout.telling import named
from modelwire_schemas.rollout import Finding, Judgement, Phase, Rollout

PASS = Judgement.PASS


@dataclass(frozen=True, slots=True)
class Said:
    """A document of a rollout, and when (ms) the log took it."""

    accepted: Accepted
    rollout: Rollout
    plan: Plan
    at: int

    @property
    def step(self) -> str:
        """What it did, in a few words."""
        if self.rollout.phase in {Phase.ROLLED_BACK, Phase.PAUSED, Phase.ABORTED}:
            return f"{self.rollout.phase}: {self.rollout.note}".replace("_", " ")
        if self.rollout.step == 0:
            return "begun"
        done = named(self.plan, self.rollout.step - 1)
        return f"step {self.rollout.step} of {len(self.plan.steps)}, {done}"

    @property
    def evidence(self) -> tuple[str, ...]:
        """What it came for: a line a metric."""
        findings = (f for f in self.rollout.findings if f.samples or f.judgement is not PASS)
        return tuple(told(finding, self.plan) for finding in findings)


@dataclass(frozen=True, slots=True)
class Run:
    """One rollout from its beginning to its end."""

    plan: Plan
    said: tuple[Said, ...]

    @property
    def phase(self) -> Phase:
        """How it stands."""
        return self.said[-1].rollout.phase

    @property
    def looked(self) -> Said:
        """Return the newest document that came with findings, else the newest."""
        return next((s for s in reversed(self.said) if s.rollout.findings), self.said[-1])

    @property
    def seconds(self) -> float:
        """From the first step, which gave the candidate events to score, to the last."""
        first = next((s for s in self.said if s.rollout.step), self.said[-1])
        return (self.said[-1].at - first.at) / 1000

    @property
    def revisions(self) -> frozenset[int]:
        """The revisions of its documents."""
        return frozenset(s.accepted.revision for s in self.said)


def documents_said(past: Iterable[Past]) -> Iterator[Said]:
    """Yield the documents of the route's rollouts, oldest first."""
    for step in past:
        for accepted in step.documents:
            rollout = accepted.document.rollout
            if accepted.document.route == ROUTE and rollout is not None:
                yield Said(accepted, rollout, plan_text.load(rollout.plan), step.entry.appended)


def runs(past: Iterable[Past]) -> list[Run]:
    """Return the rollouts of the route, oldest first; what came behind its end is not of it."""
    found: dict[str, list[Said]] = {}
    for one in documents_said(past):
        mine = found.setdefault(one.rollout.id, [])
        if not mine or not mine[-1].rollout.phase.over:
            mine.append(one)
    return [Run(said[0].plan, tuple(said)) for said in found.values()]


class Watch:
    """Tells what the controller has done since it was asked last."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._end = -1

    def news(self) -> list[Said]:
        """Return the controller's documents that have come, oldest first."""
        end = self._log.end(control_place(NAMESPACE))
        if end == self._end:
            return []
        found = [s for s in documents_said(read_past(self._log, NAMESPACE, last=end))
                 if s.accepted.offset > self._end and s.accepted.automatic]  # fmt: skip
        self._end = end
        return found


def told(finding: Finding, plan: Plan) -> str:
    """Return a finding with the numbers behind it, in one line."""
    metric = _metric(finding.metric, plan)
    said = [f"{finding.metric} {finding.judgement}:"]
    if finding.measured is not None:
        said.append(f"{finding.measured:.3g}")
    if finding.reference is not None:
        of = "planned" if finding.metric == SAMPLE_RATIO else f"of version {plan.stable}"
        said.append(f"against {finding.reference:.3g} {of},")
    if finding.limit is not None:
        times = f" ({metric.most} times)" if metric is not None and metric.relative else ""
        said.append(f"limit {finding.limit:.3g}{times},")
    if finding.samples:
        beside = f" beside {finding.reference_samples:,}" if finding.reference_samples else ""
        said.append(f"{finding.samples:,} flights{beside},")
    said.append(f"{finding.detail}," if finding.detail else "")
    return " ".join(word for word in said if word).rstrip(",:")


def _metric(name: str, plan: Plan) -> Metric | None:
    return next((metric for metric in plan.metrics if metric.name == name), None)
