"""Which findings call for training: quality and drift beyond their limits (pure)."""

from collections.abc import Iterator

import numpy as np

from modelwire_router.analysis.measured import is_relative, within
from modelwire_router.rollout.plan import Measure, Metric, Plan, Query
from modelwire_schemas.rollout import Finding, Judgement, Phase, Rollout

_CAUSES = {
    Measure.PSI,
    Measure.KS,
    Measure.INPUT_DRIFT,
    Measure.OUTLIERS,
    Measure.LOG_LOSS,
    Measure.AUC,
    Measure.BRIER,
    Measure.CALIBRATION,
    Measure.MAE,
}
"""What data and labels say of a model; errors and latency say something of its code."""


def retraining(plan: Plan, rollout: Rollout) -> tuple[Finding, ...]:
    """Return the findings of quality and drift for which a candidate was taken back or paused.

    One whose values are missing says nothing of the model, so it is not among them.
    """
    if rollout.phase not in {Phase.ROLLED_BACK, Phase.PAUSED}:
        return ()
    metrics = list(_metrics(plan))
    return tuple(
        found
        for found in rollout.findings
        if found.judgement in {Judgement.FAIL, Judgement.INCONCLUSIVE}
        and any(metric.name == found.metric and _beyond(metric, found) for metric in metrics)
    )


def _metrics(plan: Plan) -> Iterator[Metric]:
    for template in plan.templates:
        for metric in template.metrics:
            if isinstance(metric.source, Query) and metric.source.measure in _CAUSES:
                yield metric


def _beyond(metric: Metric, found: Finding) -> bool:
    if found.measured is None or (found.reference is None and is_relative(metric)):
        return False
    reference = np.nan if found.reference is None else found.reference
    return not within(metric, np.asarray(found.measured), np.asarray(reference))
