"""The sample of its inputs that a release carries: who needs it, and what is on the log."""

from collections.abc import Iterator, Sequence

from modelwire.control.reading import read_entries
from modelwire.control.state import Release
from modelwire_log.contract import Log
from modelwire_router.rollout.plan import OF_INPUTS, Measure, Metric, Plan, Query
from modelwire_schemas.control import ControlRecord
from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import ReleasePublished
from modelwire_schemas.telemetry import Output


def by_sample(plan: Plan) -> tuple[tuple[Metric, Query], ...]:
    """Return the metrics of a plan that hold events against the sample of its candidate."""
    found = ((metric, metric.source) for metric in plan.metrics if isinstance(metric.source, Query))
    return tuple((metric, query) for metric, query in found if query.measure in OF_INPUTS)


def read_sample(log: Log, namespace: str, release: Release) -> tuple[Output, ...]:
    """Return what a release says of its inputs; the folded state does not hold it."""
    for entry in read_entries(log, namespace, release.offset - 1, 1):
        if isinstance(entry.record, ControlRecord):
            body = entry.record.body
            return body.sample if isinstance(body, ReleasePublished) else ()
    return ()


def check_sample(plan: Plan, sample: Sequence[Output], where: str) -> None:
    """Raise Rejected `E_NO_SAMPLE` unless a candidate's sample has what its metrics need."""
    faults = list(_faults(plan, sample))
    if faults:
        raise Rejected(
            "E_NO_SAMPLE",
            f"the release of {plan.model} {plan.candidate} {'; '.join(faults)}",
            where=where,
            expected="a sample of the fields that metrics name, each of minSamples values",
            todo="publish it as another version with --sample EVENTS, or take these metrics out",
        )


def _faults(plan: Plan, sample: Sequence[Output]) -> Iterator[str]:
    counts = {one.name: one.sketch.moments.count + one.sketch.moments.odd for one in sample}
    for metric, query in by_sample(plan):
        if not counts:
            yield f"has no sample for {metric.name}"
        elif query.output and query.output not in counts:
            yield f"has a sample of {', '.join(counts)}, not of {query.output} for {metric.name}"
        elif query.measure is Measure.INPUT_DRIFT and max(counts.values()) < metric.min_samples:
            most = max(counts.values())
            yield f"has a sample of {most} events, {metric.name} needs {metric.min_samples}"
