"""Measures that are means: log loss, Brier score, absolute error."""

import numpy as np

from modelwire_router.analysis.arithmetic import (
    Array,
    Flags,
    Places,
    divide,
    matching,
    upto,
)
from modelwire_router.analysis.measured import Measured, differs, is_relative, proven
from modelwire_router.analysis.sequential import spread
from modelwire_router.analysis.strata import Sums
from modelwire_router.rollout.plan import Metric

_TUNED = 0.25
"""The tests are sharpest at some times this share of min_samples."""


def means(metric: Metric, ours: Sums, theirs: Sums, at: Places, alpha: float) -> Measured:
    """Measure a mean, by itself or over the stable side's, after the first `at` strata.

    Differences are taken within a stratum and weighted by what both sides know there, so means may
    change from window to window, and shares may be unequal. By asymptotic confidence sequences
    (`sequential.spread`): nothing is proven before min_samples.
    """

    def compared(limit: float, up: bool, level: float) -> Flags:  # noqa: FBT001
        off, known = _two_sided(ours, theirs, limit, at)
        return outwards(off, up=up) > spread(known, tuned(metric), level)

    def limited(limit: float, up: bool, level: float) -> Flags:  # noqa: FBT001
        error = np.sqrt(divide(variance(ours, at), samples))
        off = divide(value - limit, error)
        return outwards(off, up=up) > spread(samples, tuned(metric), level)

    samples, others = upto(ours.count, at), upto(theirs.count, at)
    value = divide(upto(ours.count * ours.mean, at), samples)
    relative = is_relative(metric)
    scale = matching(ours.count, theirs.count)
    matched = upto(ours.count * (scale > 0), at)
    like = divide(upto(ours.count * ours.mean * (scale > 0), at), matched)
    return Measured(
        like if relative else value,
        divide(upto(theirs.count * scale * theirs.mean, at), matched),
        samples,
        others,
        proven(metric, alpha, compared if relative else limited),
        differs(metric, alpha, compared) & enough(metric, samples, others),
    )


def _two_sided(ours: Sums, theirs: Sums, limit: float, at: Places) -> tuple[Array, Array]:
    """Return by how many standard errors our mean is above `limit` times theirs, and what is known.

    What is known of a stratum counts as samples: n m / (n + m). Both sides are taken to vary as the
    one that varies more does: few values with a long tail hardly show it, and their mean is low.
    """
    both = (ours.count > 0) & (theirs.count > 0)
    n, m = np.where(both, ours.count, 1.0), np.where(both, theirs.count, 1.0)
    known = np.where(both, n * m / (n + m), 0.0)
    distance = upto(known * (ours.mean - limit * theirs.mean), at)
    either = np.fmax(variance(ours, at), limit**2 * variance(theirs, at))
    error = np.sqrt(either * upto(known**2 / n + known**2 / m, at))
    return divide(distance, error), upto(known, at)


def variance(sums: Sums, at: Places) -> Array:
    """Return the variance within strata so far; NaN while it is not known."""
    degrees = upto(np.maximum(sums.count - 1, 0.0), at)
    return divide(upto(sums.squares, at), degrees)


def enough(metric: Metric, ours: Array, theirs: Array) -> Flags:
    """Return where both sides have min_samples; the normal law holds from there."""
    return np.asarray((ours >= metric.min_samples) & (theirs >= metric.min_samples))


def tuned(metric: Metric) -> float:
    """Return how many samples the tests are tuned to."""
    return max(_TUNED * metric.min_samples, 1.0)


def outwards(off: Array, *, up: bool) -> Array:
    """Return how far beyond the limit it is; what is not known is not beyond."""
    return np.nan_to_num(off if up else -off, nan=-np.inf)
