"""What a rehearsal's windows come to: both sides compared, and judged by a template (pure)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from modelwire_router.analysis.adding import add_windows
from modelwire_router.analysis.assess import ALPHA, judge
from modelwire_router.analysis.evidence import Evidence, Side, Standing
from modelwire_router.analysis.paired import lies_within
from modelwire_router.reference import by_sample
from modelwire_router.rollout.documents import STABLE
from modelwire_router.rollout.plan import Measure, Metric, Plan, Query, Template
from modelwire_schemas.rollout import Finding
from modelwire_schemas.telemetry import Output, Role, Window

_OF_NUMBERS = (Measure.PSI, Measure.KS, Measure.DISAGREEMENT, Measure.MEAN_DIFFERENCE)
_OF_CHANCES = (Measure.LOG_LOSS, Measure.BRIER, Measure.AUC, Measure.CALIBRATION)
"""What is compared of outputs that are numbers, and of those that are probabilities."""


class Compared(NamedTuple):
    """A measure of both sides; of a mean difference, where it lies (ALPHA may be wrong)."""

    measure: str
    output: str
    finding: Finding
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Sides:
    """A rehearsal's windows, of which two versions, and the inputs that the candidate expects."""

    windows: tuple[Window, ...]
    candidate: str
    stable: str
    sample: tuple[Output, ...] = ()

    def whole(self, role: Role) -> Window:
        """Return what one side did over all events."""
        return add_windows([window for window in self.windows if window.role is role])


def compared(sides: Sides) -> tuple[Compared, ...]:
    """Return every measure that both sides have numbers for."""
    both = sides.whole(Role.SHADOW)
    asked = list(_asked(both))
    metrics = [Metric(str(number), query, min_samples=1) for number, (_, query) in enumerate(asked)]
    found = _judged(Template("compared", tuple(metrics)), sides)
    rows = zip(asked, found, strict=True)
    return tuple(
        Compared(told, query.output, finding, *_interval(query, both))
        for (told, query), finding in rows
        if finding.measured is not None
    )


def judged(plan: Plan, sides: Sides) -> tuple[Standing, ...]:
    """Return how the metrics of a plan's templates stand, in one look at all events.

    What only live traffic can show is left out; see `unseen`.
    """
    left_out = set(unseen(plan))
    return tuple(
        Standing(finding.judgement, finding)
        for template in plan.templates
        for finding in _judged(template, sides)
        if finding.metric not in left_out
    )


def unseen(plan: Plan) -> tuple[str, ...]:
    """Return the metrics that a rehearsal says nothing about."""
    return tuple(dict.fromkeys(m.name for m in plan.metrics if not _is_seen(m)))


def watched(plan: Plan, sample: Sequence[Output]) -> tuple[str, ...]:
    """Return the fields of events that a plan holds against a sample, those it names first."""
    found = by_sample(plan)
    named = [query.output for _, query in found if query.output]
    return tuple(dict.fromkeys([*named, *(one.name for one in sample if found)]))


def maturity(plan: Plan) -> int:
    """Return how old (ms) an event must be before its label counts for every metric."""
    return max((metric.maturity for metric in plan.metrics), default=0)


def _asked(both: Window) -> Iterator[tuple[str, Query]]:
    for name, quantile in (("p50", 0.5), ("p99", 0.99)):
        yield f"{name}(latency)", Query(Measure.LATENCY, quantile=quantile)
    yield str(Measure.ERROR_RATE), Query(Measure.ERROR_RATE)
    for pair in both.pairs:
        numbers = pair.live.moments.count and pair.shadow.moments.count
        for measure in _OF_NUMBERS if numbers else (Measure.DISAGREEMENT,):
            yield str(measure), Query(measure, pair.output)
    for outcome in both.outcomes:
        for measure in _OF_CHANCES if outcome.log_loss.count else (Measure.MAE,):
            yield str(measure), Query(measure, outcome.output)


def _judged(template: Template, sides: Sides) -> Sequence[Finding]:
    """Return a finding a metric: one look at the end of everything, whatever its patience."""
    first = min(window.start for window in sides.windows)
    last = max(window.start + window.span for window in sides.windows)
    metrics = tuple(replace(m, interval=last - first, maturity=0) for m in template.metrics)
    candidate, stable = Side(sides.candidate), Side(sides.stable, STABLE)
    evidence = Evidence(sides.windows, heard=last, references=sides.sample)
    found = judge(replace(template, metrics=metrics), candidate, stable, evidence, first, last)
    return [looks[-1] for looks in found]


def _interval(query: Query, both: Window) -> tuple[float | None, float | None]:
    if query.measure is not Measure.MEAN_DIFFERENCE:
        return None, None
    pair = next(pair for pair in both.pairs if pair.output == query.output)
    return lies_within(pair.difference.moments, ALPHA)


def _is_seen(metric: Metric) -> bool:
    """Whether events that were show it: they do not show how many come."""
    return metric.measure not in {None, Measure.EVENT_RATE}
