"""Drift: how far the distribution of outputs or inputs is from another, by PSI or KS.

Each is known within an interval at every look; it is beyond a limit when the whole interval is.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from modelwire_router.analysis.arithmetic import Array, Flags, Places, matching, summed, upto
from modelwire_router.analysis.measured import Known, Measured, differs, proven
from modelwire_router.analysis.sequential import band, share_error
from modelwire_router.analysis.strata import Bins
from modelwire_router.rollout.plan import Measure, Metric

GROUPS = 10
"""PSI is taken over so many quantiles of the other side."""


@dataclass(frozen=True, slots=True)
class Held:
    """Values of two sides by look and bin, (..., looks, bins), and what they are worth.

    `samples` are counted values, `worth` as many as would be known as well if all weighed the same.
    """

    ours: Array
    theirs: Array
    samples: tuple[Array, Array]
    worth: tuple[Array, Array]


def concurrent(table: Bins, at: Places) -> Held:
    """Hold the first `at` strata; stable's are weighted as the candidate's are filled.

    So the course of a day, or a share that grows, is no drift.
    """
    n, m = table.candidate.sum(-1), table.stable.sum(-1)
    both, scale = (n > 0) & (m > 0), matching(n, m)
    total = upto(n * both, at)
    worth = np.divide(total**2, upto(n * scale, at), where=total > 0, out=np.zeros_like(total))
    return Held(
        summed(table.candidate * both[..., None], at),
        summed(table.stable * scale[..., None], at),
        (upto(n, at), upto(m, at)),
        (total, worth),
    )


def against(table: Bins, at: Places) -> Held:
    """Hold the first `at` strata of the candidate against one fixed sample, stable's only row."""
    ours = summed(table.candidate, at)
    theirs = np.broadcast_to(table.stable, ours.shape)
    samples = ours.sum(-1), theirs.sum(-1)
    return Held(ours, theirs, samples, samples)


def drift(metric: Metric, held: Held, alpha: float, measure: Measure) -> Measured:
    """Measure how far the candidate's values are from the other side's, by PSI or KS."""
    known_at = _ks(held) if measure is Measure.KS else _psi(held)

    def compared(limit: float, up: bool, level: float) -> Flags:  # noqa: FBT001
        known = known_at(level)
        return known.low > limit if up else known.high < limit

    def moved(_: float, up: bool, level: float) -> Flags:  # noqa: FBT001
        return compared(0.0, up, level)

    value = known_at(alpha).value
    return Measured(
        value,
        np.full(value.shape, np.nan),
        *held.samples,
        proven(metric, alpha, compared),
        differs(metric, alpha, moved),
    )


def _psi(held: Held) -> Callable[[float], Known]:
    """Return how well the population stability index over stable's deciles is known, by level.

    Each decile's two shares are known within an interval; the index is at least what the nearest
    shares in them would make it, which takes no more than that all intervals hold at once.
    """
    n, m = (worth[..., None] for worth in held.worth)
    ours, theirs = _deciles(held)
    p, q = _smoothed(ours, n), _smoothed(theirs, m)
    value = np.where(held.worth[0] > 0, _term(p, q).sum(-1), np.nan)

    def known(alpha: float) -> Known:
        each = alpha / (4 * GROUPS)
        p_off, q_off = (share_error(share, c, each) for share, c in ((p, n), (q, m)))
        clear = np.abs(p - q) - p_off - q_off
        lower, upper = np.minimum(p, q), np.maximum(p, q)
        lower_off, upper_off = np.where(p < q, (p_off, q_off), (q_off, p_off))
        nearest = np.where(clear > 0, _term(upper - upper_off, lower + lower_off), 0.0)
        return Known(value, nearest.sum(-1), np.full(value.shape, np.inf))

    return known


def _ks(held: Held) -> Callable[[float], Known]:
    """Return how well the largest distance of the two distribution functions is known, by level."""
    first, second = (_running(side) for side in (held.ours, held.theirs))
    apart = np.abs(first - second).max(-1, initial=0.0)
    value = np.where(held.worth[0] > 0, apart, np.nan)

    def known(alpha: float) -> Known:
        off = band(held.worth[0], alpha / 2) + band(held.worth[1], alpha / 2)
        return Known(value, apart - off, apart + off)

    return known


def _running(held: Array) -> Array:
    return np.asarray(np.cumsum(held, -1) / np.maximum(held.sum(-1, keepdims=True), 1e-9))


def _deciles(held: Held) -> tuple[Array, Array]:
    """Return how many of both sides' values lie in each decile of theirs, as bins allow."""
    if not held.theirs.shape[-1]:
        nothing = np.zeros((*held.theirs.shape[:-1], GROUPS))
        return nothing, nothing
    parts = np.arange(1, GROUPS) / GROUPS - 1e-9
    place = (_running(held.theirs)[..., None, :] >= parts[:, None]).argmax(-1)
    return _between(held.ours, place), _between(held.theirs, place)


def _between(side: Array, place: Places) -> Array:
    """Return how many of a side's values lie between the bins in which its parts end."""
    nothing, every = np.zeros((*side.shape[:-1], 1)), side.sum(-1, keepdims=True)
    edges = np.take_along_axis(np.cumsum(side, -1), place, -1)
    return np.diff(np.concatenate([nothing, edges, every], -1), axis=-1)


def _smoothed(count: Array, worth: Array) -> Array:
    """Return shares of groups, none of them 0; all equal where there is nothing."""
    share = count / np.maximum(count.sum(-1, keepdims=True), 1e-9)
    return np.asarray((share * worth + 0.5) / (worth + 0.5 * GROUPS))


def _term(p: Array, q: Array) -> Array:
    """Return one group's part of the index."""
    return np.asarray((p - q) * np.log(np.maximum(p, 1e-12) / np.maximum(q, 1e-12)))
