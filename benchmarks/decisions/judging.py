"""Judges simulated rollouts window by window, as the controller judges one."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from benchmarks.decisions.streams import Streams
from modelwire_router.analysis.arithmetic import Flags, Places
from modelwire_router.analysis.assess import level
from modelwire_router.analysis.counts import proportions, quantiles
from modelwire_router.analysis.drift import concurrent, drift
from modelwire_router.analysis.means import means
from modelwire_router.analysis.measured import JUDGEMENTS, Codes, Measured, verdicts
from modelwire_router.analysis.paired import paired
from modelwire_router.rollout.plan import Measure, Metric, Query, Template
from modelwire_schemas.rollout import Judgement

FAIL = JUDGEMENTS.index(Judgement.FAIL)


def template(slack: float) -> Template:
    """Return the metrics; a relative limit is 1 + `slack`, so 0 is the hardest for a good one."""
    worst = 1.0 + slack

    def metric(name: str, measure: Measure, most: float, *, relative: bool = False) -> Metric:
        query = Query(measure, "score", 0.99)
        return Metric(name, query, relative=relative, most=most, interval=10_000)

    return Template(
        "guardrails",
        (
            metric("error rate", Measure.ERROR_RATE, worst, relative=True),
            metric("p99 latency", Measure.LATENCY, worst, relative=True),
            metric("score PSI", Measure.PSI, 0.1),
            metric("score KS", Measure.KS, 0.1),
            metric("log loss", Measure.LOG_LOSS, worst, relative=True),
            metric("paired difference", Measure.MEAN_DIFFERENCE, slack / 10),
        ),
    )


def judged(template: Template, streams: Streams, alpha: float | None = None) -> dict[str, Codes]:
    """Return every metric's judgement (its place in JUDGEMENTS) of each rollout at each window."""
    windows = streams.errors.events[0].shape[-1]
    at = np.arange(1, windows + 1)
    each = level(template) if alpha is None else alpha / len(template.metrics)
    found: dict[str, Codes] = {}
    for metric in template.metrics:
        measured = _measured(metric, streams, at, each)
        found[metric.name] = verdicts(metric, measured, np.zeros(measured.value.shape, np.bool_))
    return found


def failed(codes: Mapping[str, Codes]) -> Flags:
    """Return by rollout and window whether any metric has failed until then."""
    ever = [np.logical_or.accumulate(code == FAIL, axis=-1) for code in codes.values()]
    return np.asarray(np.logical_or.reduce(ever))


def first(failed: Flags) -> npt.NDArray[np.float64]:
    """Return the number of the window (from 1) at which each rollout failed, or infinity."""
    return np.where(failed.any(-1), failed.argmax(-1) + 1.0, np.inf)


def _measured(metric: Metric, streams: Streams, at: Places, alpha: float) -> Measured:
    query = metric.source
    if not isinstance(query, Query):
        raise TypeError(f"{metric.name} is not measured by consumers")
    if query.measure is Measure.ERROR_RATE:
        return proportions(metric, streams.errors, at, alpha)
    if query.measure is Measure.LATENCY:
        return quantiles(metric, streams.latency, query.quantile, at, alpha)
    if query.measure is Measure.LOG_LOSS:
        return means(metric, *streams.loss, at, alpha)
    if query.measure is Measure.MEAN_DIFFERENCE:
        return paired(metric, streams.pairs, at, alpha)
    return drift(metric, concurrent(streams.score, at), alpha, query.measure)
