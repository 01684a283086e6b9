"""Measures that count: error rate, disagreement, event rate, and a quantile of latency."""

import math
from dataclasses import dataclass

import numpy as np

from modelwire_router.analysis import sequential
from modelwire_router.analysis.arithmetic import (
    Array,
    Flags,
    Places,
    divide,
    matching,
    summed,
    upto,
)
from modelwire_router.analysis.measured import Measured, differs, is_relative, proven
from modelwire_router.analysis.strata import Bins
from modelwire_router.rollout.plan import Metric


@dataclass(frozen=True, slots=True)
class Counts:
    """Hits among events, candidate's and stable's, by stratum: (..., strata) each."""

    hits: tuple[Array, Array]
    events: tuple[Array, Array]


def proportions(metric: Metric, counts: Counts, at: Places, alpha: float) -> Measured:
    """Measure hits an event (error rate, disagreement) after the first `at` strata."""
    hits, events = upto(counts.hits[0], at), upto(counts.events[0], at)

    def compared(limit: float, up: bool, level: float) -> Flags:  # noqa: FBT001
        log_e = sequential.ratio(counts.hits, counts.events, limit, at, up=up)
        return log_e >= -math.log(level)

    def limited(limit: float, up: bool, level: float) -> Flags:  # noqa: FBT001
        if not 0 <= limit <= 1:
            return np.full(hits.shape, (limit < 0) == up) & (events > 0)
        return sequential.proportion(hits, events, limit, up=up) >= -math.log(level)

    value, reference = _shares(counts, at, relative=is_relative(metric))
    return Measured(
        value,
        reference,
        events,
        upto(counts.events[1], at),
        proven(metric, alpha, compared if is_relative(metric) else limited),
        differs(metric, alpha, compared),
        exact=True,
    )


def rates(metric: Metric, counts: Counts, seconds: Array, at: Places, alpha: float) -> Measured:
    """Measure events a second; relative: over the stable side's, by planned share.

    The hits of `counts` are answered events, and its events the planned shares; `seconds` are
    those that a stratum lasts.
    """
    hits, time = upto(counts.hits[0], at), upto(seconds, at)

    def compared(limit: float, up: bool, level: float) -> Flags:  # noqa: FBT001
        log_e = sequential.ratio(counts.hits, counts.events, limit, at, up=up)
        return log_e >= -math.log(level)

    def limited(limit: float, up: bool, level: float) -> Flags:  # noqa: FBT001
        return sequential.rate(hits, time, limit, up=up) >= -math.log(level)

    relative = is_relative(metric)
    expected = matching(*counts.events)
    return Measured(
        divide(hits, time),
        divide(upto(counts.hits[1] * expected, at), time),
        hits if not relative else upto(counts.hits[0] * (expected > 0), at),
        upto(counts.hits[1], at),
        proven(metric, alpha, compared if relative else limited),
        differs(metric, alpha, compared),
    )


def quantiles(metric: Metric, table: Bins, quantile: float, at: Places, alpha: float) -> Measured:
    """Measure a quantile of latency, known within a bin (3 %).

    A quantile is above a limit when more than its share of values is (Howard and Ramdas, Bernoulli
    2022, test quantiles so), which is a proportion. Against stable: values above `limit` times a
    threshold are counted on our side, those above the threshold on theirs; the threshold is
    stable's own quantile in the strata before, so that nothing is judged by what it has set.

    Rows of one batch share their latency, so the windows have to prove it as well as the rows.
    """

    def compared(limit: float, up: bool, level: float) -> Flags:  # noqa: FBT001
        counts = _above_stable(table, quantile, limit, up=up)
        log_e = sequential.ratio(counts.hits, counts.events, 1.0, at, up=up)
        (hits, others), (n, m) = counts.hits, counts.events
        both = (n > 0) & (m > 0)
        excess = divide(hits * m - others * n, np.where(both, n + m, np.inf))
        steady = sequential.steadily(excess if up else -excess, both, at, level)
        return (log_e >= -math.log(level)) & steady

    def limited(limit: float, up: bool, level: float) -> Flags:  # noqa: FBT001
        above = table.low >= limit if up else table.high >= limit
        hits, n = table.candidate @ above.astype(np.float64), table.candidate.sum(-1)
        log_e = sequential.proportion(upto(hits, at), samples, 1 - quantile, up=up)
        excess = hits - (1 - quantile) * n
        steady = sequential.steadily(excess if up else -excess, n > 0, at, level)
        return (log_e >= -math.log(level)) & steady

    ours, theirs = table.candidate, table.stable
    samples = upto(ours.sum(-1), at)
    relative = is_relative(metric)
    scale = matching(ours.sum(-1), theirs.sum(-1))
    mine = ours * (scale > 0)[..., None] if relative else ours
    return Measured(
        _quantile(table, summed(mine, at), quantile),
        _quantile(table, summed(theirs * scale[..., None], at), quantile),
        samples,
        upto(theirs.sum(-1), at),
        proven(metric, alpha, compared if relative else limited),
        differs(metric, alpha, compared),
    )


def _shares(counts: Counts, at: Places, *, relative: bool) -> tuple[Array, Array]:
    """Return both sides' hits an event; stable's as it would be with the candidate's windows."""
    scale = matching(*counts.events)
    ours = (scale > 0) if relative else np.ones_like(scale)
    value = divide(upto(counts.hits[0] * ours, at), upto(counts.events[0] * ours, at))
    theirs = upto(counts.hits[1] * scale, at), upto(counts.events[1] * scale, at)
    return value, divide(*theirs)


def _quantile(table: Bins, held: Array, quantile: float) -> Array:
    """Return the middle of the bin that a quantile falls in; NaN without values."""
    total: Array = held.sum(-1)
    if not len(table.low):
        return np.full(total.shape, np.nan)
    place = (np.cumsum(held, -1) >= quantile * total[..., None]).argmax(-1)
    middle = (table.low + table.high) / 2
    return np.asarray(np.where(total > 0, middle[place], np.nan))


def _above_stable(table: Bins, quantile: float, limit: float, *, up: bool) -> Counts:
    """Count values above the threshold (theirs) and above `limit` times the threshold (ours).

    A bin that the latter divides counts for the side that keeps the limit.
    """
    ours, theirs = table.candidate, table.stable
    if not len(table.low):
        nothing = np.zeros(ours.shape[:-1])
        return Counts((nothing, nothing), (nothing, nothing))
    before = np.cumsum(theirs, -2) - theirs
    known = before.sum(-1)
    place = (np.cumsum(before, -1) >= quantile * known[..., None]).argmax(-1)
    scaled = np.searchsorted(table.low if up else table.high, limit * table.high[place])
    events = ours.sum(-1) * (known > 0), theirs.sum(-1) * (known > 0)
    hits = _from(ours, scaled) * (known > 0), _from(theirs, place + 1) * (known > 0)
    return Counts(hits, events)


def _from(table: Array, place: Places) -> Array:
    """Return how many values of (..., strata, bins) lie in the bins from `place` on."""
    ends = np.concatenate([np.zeros((*table.shape[:-1], 1)), np.cumsum(table, -1)], -1)
    below = np.take_along_axis(ends, place[..., None], -1)[..., 0]
    return np.asarray(ends[..., -1] - below)
