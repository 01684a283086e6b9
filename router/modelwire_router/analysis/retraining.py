"""Which findings call for training: quality and drift beyond their limits (pure)."""

import numpy as np

from modelwire_router.analysis.measured import is_relative, within
from modelwire_router.rollout.plan import OF_INPUTS, OF_LABELS, OF_OUTPUTS, Metric, Plan
from modelwire_schemas.rollout import Finding, Judgement, Phase, Rollout

_CAUSES = OF_INPUTS | OF_LABELS | OF_OUTPUTS
"""What data and labels say of a model; errors and latency say something of its code."""


def retraining(plan: Plan, rollout: Rollout) -> tuple[Finding, ...]:
    """Return the findings of quality and drift for which a candidate was taken back or paused.

    One whose values are missing says nothing of the model, so it is not among them.
    """
    if rollout.phase not in {Phase.ROLLED_BACK, Phase.PAUSED}:
        return ()
    metrics = [metric for metric in plan.metrics if metric.measure in _CAUSES]
    return tuple(
        found
        for found in rollout.findings
        if found.judgement in {Judgement.FAIL, Judgement.INCONCLUSIVE}
        and any(metric.name == found.metric and _beyond(metric, found) for metric in metrics)
    )


def _beyond(metric: Metric, found: Finding) -> bool:
    if found.measured is None or (found.reference is None and is_relative(metric)):
        return False
    reference = np.nan if found.reference is None else found.reference
    return not within(metric, np.asarray(found.measured), np.asarray(reference))
