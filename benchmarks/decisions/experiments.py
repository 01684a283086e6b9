"""The experiments: false rollbacks, detection, paired against unpaired, and the sample ratio."""

import math
from dataclasses import dataclass

import numpy as np

from benchmarks.decisions.judging import failed, first, judged, template
from benchmarks.decisions.streams import SPAN, normal, pairs, simulate
from modelwire_router.analysis import srm
from modelwire_router.analysis.arithmetic import Array
from modelwire_router.analysis.assess import level
from modelwire_router.analysis.means import means
from modelwire_router.analysis.paired import paired
from modelwire_router.rollout.plan import Measure, Metric, Query

CANARY = np.repeat([0.01, 0.05, 0.25], 60)
"""Half an hour in windows of 10 s: the share of the candidate."""

_AT_ONCE = 250


@dataclass(frozen=True, slots=True)
class Rollbacks:
    """The share of rollouts that had failed by each window, all together and by metric."""

    together: Array
    by_metric: dict[str, float]
    naive: Array


def rollbacks(rollouts: int, slack: float, seed: int, alpha: float | None = None) -> Rollbacks:
    """Roll out candidates that are as good as stable, and look after every window.

    `naive` is what a z-test of the error rate alone would do, at 1 %, looked at as often.
    """
    chance, metrics = np.random.default_rng(seed), template(slack)
    total, naive = np.zeros(len(CANARY)), np.zeros(len(CANARY))
    each = {metric.name: 0 for metric in metrics.metrics}
    for start in range(0, rollouts, _AT_ONCE):
        streams = simulate(chance, min(_AT_ONCE, rollouts - start), CANARY, worse=1.0, swing=0.5)
        codes = judged(metrics, streams, alpha)
        total += failed(codes).sum(0)
        for name, code in codes.items():
            each[name] += int(failed({name: code})[:, -1].sum())
        naive += _peeked(streams.errors.hits, streams.errors.events).sum(0)
    shares = {name: count / rollouts for name, count in each.items()}
    return Rollbacks(total / rollouts, shares, naive / rollouts)


def detection(rollouts: int, slack: float, seed: int) -> Array:
    """Return after how many seconds a rise of errors from 0.1 % to 0.5 % is found, or infinity.

    At 5 % of 2,000 events/s, with all metrics of the template sharing the 1 %, for ten minutes.
    """
    chance = np.random.default_rng(seed)
    shares = np.full(60, 0.05)
    streams = simulate(chance, rollouts, shares, worse=5.0, swing=0.0)
    return np.asarray(first(failed(judged(template(slack), streams))) * SPAN)


@dataclass(frozen=True, slots=True)
class Arms:
    """After how many candidate's samples a difference was found, by design and run."""

    paired: Array
    equal: Array
    unequal: Array


def arms(runs: int, seed: int, shift: float = 0.1, correlation: float = 0.75) -> Arms:
    """Find a shift of 0.1 deviations by pairs, by two equal arms, and by 5 % against 95 %."""
    chance = np.random.default_rng(seed)
    one_by_one = Metric("shift", Query(Measure.MEAN_DIFFERENCE), most=0.0, min_samples=200)
    two_arms = Metric("shift", Query(Measure.MAE), relative=True, most=1.0, min_samples=200)
    alpha, batch = level(template(0.0)), 20
    at = np.arange(1, 401)
    count = np.full((runs, len(at)), float(batch))
    found = paired(one_by_one, pairs(chance, count, shift, correlation), at, alpha).beyond
    two = []
    for times in (1, 19):
        ours = normal(chance, count, 10.0 + shift, 1.0)
        theirs = normal(chance, count * times, 10.0, 1.0)
        two.append(means(two_arms, ours, theirs, at, alpha).beyond)
    samples = [first(beyond & (at * batch >= 200)) * batch for beyond in (found, *two)]
    return Arms(*samples)


def ratios(runs: int, planned: float, real: float, seed: int) -> Array:
    """Return after how many events, of 100,000, a sample ratio is found wrong, or infinity."""
    chance = np.random.default_rng(seed)
    total = np.full((runs, 200), 500.0)
    ours = chance.binomial(500, real, total.shape).astype(float)
    log_e = srm.mismatch(ours, total, np.full(200, planned))
    return np.asarray(first(log_e >= -math.log(srm.ALPHA)) * 500)


def _peeked(hits: tuple[Array, Array], events: tuple[Array, Array]) -> Array:
    mine, theirs = np.cumsum(hits[0], -1), np.cumsum(hits[1], -1)
    n, m = np.cumsum(events[0], -1), np.cumsum(events[1], -1)
    pooled = (mine + theirs) / (n + m)
    z = (mine / n - theirs / m) / np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return np.logical_or.accumulate(z > 2.326, axis=-1)
