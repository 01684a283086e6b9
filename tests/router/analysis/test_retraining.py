"""Training anew is wanted where quality or drift is beyond its limit, and for nothing else."""

from dataclasses import replace

import pytest

from modelwire_router.analysis.retraining import retraining
from modelwire_router.rollout.plan import Measure, Metric, Plan, Prometheus, Query, Source, Template
from modelwire_schemas.rollout import Finding, Judgement, Phase, Rollout
from modelwire_schemas.routing import Split

LOSS = Metric("found", Query(Measure.LOG_LOSS), relative=True, most=1.1)
WORSE = Finding("found", Judgement.FAIL, 1, measured=0.9, reference=0.5, limit=0.55)


def wanted(metric: Metric, found: Finding, phase: Phase = Phase.ROLLED_BACK) -> bool:
    templates = (Template("all", (metric,)),)
    plan = Plan("late", "late", "1", "2", "canary", Split(), (), templates=templates)
    return retraining(plan, Rollout("r", "", 1, 0, 0, phase, findings=(found,))) == (found,)


def limited(source: Source) -> Metric:
    return replace(LOSS, source=source, relative=False, most=0.6)


@pytest.mark.parametrize("phase", [Phase.ROLLED_BACK, Phase.PAUSED])
@pytest.mark.parametrize("judgement", [Judgement.FAIL, Judgement.INCONCLUSIVE])
def test_a_quality_beyond_its_limit_asks_for_training(phase: Phase, judgement: Judgement) -> None:
    assert wanted(LOSS, replace(WORSE, judgement=judgement), phase)


@pytest.mark.parametrize(
    "measure",
    ["psi", "ks", "input_drift", "outliers", "log_loss", "auc", "brier", "calibration", "mae"],
)
def test_quality_and_drift_ask_for_training(measure: str) -> None:
    assert wanted(limited(Query(Measure(measure))), WORSE)


@pytest.mark.parametrize(
    "source",
    [
        Query(Measure.ERROR_RATE),
        Query(Measure.LATENCY),
        Query(Measure.EVENT_RATE),
        Query(Measure.DISAGREEMENT),
        Query(Measure.MEAN_DIFFERENCE),
        Prometheus("http://prometheus:9090", "sum(x)"),
    ],
    ids=str,
)
def test_other_failures_ask_for_no_training(source: Source) -> None:
    assert not wanted(limited(source), WORSE)


@pytest.mark.parametrize(
    "found",
    [
        replace(WORSE, measured=None),
        replace(WORSE, reference=None),
        replace(WORSE, measured=0.5),
        replace(WORSE, judgement=Judgement.TOO_FEW),
        replace(WORSE, judgement=Judgement.NO_DATA),
        replace(WORSE, judgement=Judgement.PASS),
        replace(WORSE, metric="other: found"),
    ],
    ids=["no value", "no reference", "within", "too few", "no data", "pass", "of another route"],
)
def test_what_shows_nothing_of_the_model_asks_for_no_training(found: Finding) -> None:
    assert not wanted(LOSS, found)


@pytest.mark.parametrize("phase", [Phase.PROGRESSING, Phase.COMPLETED, Phase.ABORTED])
def test_a_rollout_that_was_not_stopped_asks_for_no_training(phase: Phase) -> None:
    assert not wanted(LOSS, WORSE, phase)
