"""Which numbers of the windows a query measures: one way for each measure."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from modelwire_router.analysis import sequential
from modelwire_router.analysis.arithmetic import Array, Flags, Places, upto
from modelwire_router.analysis.counts import Counts, proportions, quantiles, rates
from modelwire_router.analysis.drift import against, concurrent, drift
from modelwire_router.analysis.evidence import Evidence
from modelwire_router.analysis.inputs import Field, outside, unlike
from modelwire_router.analysis.means import means
from modelwire_router.analysis.measured import Measured
from modelwire_router.analysis.paired import Paired, paired
from modelwire_router.analysis.quality import halves, scores
from modelwire_router.analysis.srm import drawn
from modelwire_router.analysis.strata import Bins, Strata, bins, sums
from modelwire_router.analysis.worst import Found, worst
from modelwire_router.rollout.plan import Measure, Metric, Query
from modelwire_schemas.telemetry import Moments, Outcome, Output, Pair, Role, Sketch, Window

_ODD = 1e-6
"""NaN and infinity make numbers unusable where they are surely more frequent than stable's."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a metric is measured on: strata, how many of them each look sees, and the level.

    `stable` is the version that a shadow's pairs are against.
    """

    metric: Metric
    query: Query
    strata: Strata
    at: Places
    alpha: float
    evidence: Evidence
    stable: str


def measure(look: Look) -> Found:
    """Return what was measured at each look, and the looks at which its numbers are unusable."""
    return _WAYS[look.query.measure](look)


def answered(window: Window) -> int:
    """Return how many events a version got and either answered or failed on."""
    return window.predictions + _failed(window)


def _error_rate(look: Look) -> Found:
    counts = Counts(look.strata.counts(_failed), look.strata.counts(answered))
    return proportions(look.metric, counts, look.at, look.alpha), _silent(look)


def _event_rate(look: Look) -> Found:
    strata = look.strata
    routed = np.add(*strata.counts(_routed))
    share = drawn(strata, look.evidence.planned, look.evidence.keys)
    # The first window began before its revision, perhaps; those of labels lie anywhere
    ends = np.array(strata.ends) / 1000
    first = ends[routed > 0].min(initial=ends[-1])
    reached = np.maximum.accumulate(np.where(routed > 0, ends, first))
    ours, theirs = (side * (ends > first) for side in strata.counts(answered))
    counts = Counts((ours, theirs), (share, 1 - share))
    seconds = np.diff(reached, prepend=first)
    return rates(look.metric, counts, seconds, look.at, look.alpha), _silent(look)


def _latency(look: Look) -> Found:
    table = _table(look.strata, _latencies)
    found = quantiles(look.metric, table, look.query.quantile, look.at, look.alpha)
    return found, _unusable(look, found, _latencies)


def _output_drift(look: Look) -> Found:
    found = _names(look, lambda window: window.outputs)
    return worst({name: _drift_of(look, name, look.alpha / len(found)) for name in found})


def _drift_of(look: Look, name: str, alpha: float) -> Found:
    def pick(window: Window) -> Sketch:
        return _named(window.outputs, name)

    held = concurrent(_table(look.strata, pick), look.at)
    found = drift(look.metric, held, alpha, look.query.measure)
    return found, _unusable(look, found, pick)


def _of_inputs(way: Callable[[Look, Field, float], Measured]) -> Callable[[Look], Found]:
    """Measure every field that consumers tell of and the release has a sample of."""

    def measured(look: Look) -> Found:
        told = {field.name for window in _fed(look.strata) if window for field in window.inputs}
        names = [look.query.output] if look.query.output else sorted(told) or [""]
        known = [name for name in names if _named(look.evidence.references, name).bins]
        share = look.alpha / max(len(known), 1)
        return worst({name: _input(look, name, share, way) for name in known or names[:1]})

    return measured


def _fed(strata: Strata) -> Sequence[Window | None]:
    """Return the windows that tell of the candidate's events; a shadow sees those of stable."""
    shadows = any(window and window.role is Role.SHADOW for window in strata.candidate)
    return strata.stable if shadows else strata.candidate


def _input(
    look: Look, name: str, alpha: float, way: Callable[[Look, Field, float], Measured]
) -> Found:
    events = _fed(look.strata)
    candidate, stable = (
        [_named(window.inputs, name) if window else Sketch() for window in side]
        for side in (events, look.strata.stable)
    )
    sample = _named(look.evidence.references, name)
    found = way(look, Field(candidate, stable, sample), alpha)
    got = np.array([answered(window) if window else 0 for window in events], dtype=np.float64)
    due = upto(got, look.at) >= look.metric.min_samples
    none = not look.evidence.references or (bool(name) and not sample.bins)
    return found, np.asarray((found.samples == 0) & due) | _silent(look) | none


def _input_drift(look: Look, field: Field, alpha: float) -> Measured:
    return drift(look.metric, against(unlike(field), look.at), alpha, Measure.PSI)


def _outliers(look: Look, field: Field, alpha: float) -> Measured:
    return proportions(look.metric, outside(field), look.at, alpha)


def _disagreement(look: Look) -> Found:
    strata, name = look.strata, _name_of_pairs(look)

    def pairs(window: Window) -> int:
        pair = _pair(window, name, look.stable)
        moments = pair.difference.moments
        # Texts have no differences to count: each event of the shadow is a pair
        return moments.count + moments.odd or (window.predictions if pair in window.pairs else 0)

    events = strata.counts(pairs)
    counts = Counts(strata.counts(lambda window: _pair(window, name, look.stable).unequal), events)
    found = proportions(look.metric, counts, look.at, look.alpha)
    return found, _silent(look)


def _mean_difference(look: Look) -> Found:
    name = _name_of_pairs(look)
    none = Pair(name, look.stable, Sketch(), Sketch(), Sketch())
    pairs = [_pair(w, name, look.stable) if w else none for w in look.strata.candidate]
    between, live, shadow = (
        [pair.difference.moments for pair in pairs],
        [pair.live.moments for pair in pairs],
        [pair.shadow.moments for pair in pairs],
    )
    found = paired(
        look.metric, Paired(sums(between), sums(live), sums(shadow)), look.at, look.alpha
    )
    missing = _unusable(look, found, lambda window: _pair(window, name, look.stable).difference)
    return found, missing | _more_odd(look, shadow, live)


def _mean(pick: Callable[[Outcome], Moments]) -> Callable[[Look], Found]:
    def way(look: Look) -> Found:
        ours, theirs = (_outcomes(look, side) for side in _sides(look.strata))
        mine, other = sums([pick(o) for o in ours]), sums([pick(o) for o in theirs])
        found = means(look.metric, mine, other, look.at, look.alpha)
        return found, _misfits(look, (ours, theirs), (mine.count, other.count))

    return way


def _scores(look: Look) -> Found:
    ours, theirs = (_outcomes(look, side) for side in _sides(look.strata))
    both = bins(_both_labels(ours), _both_labels(theirs))
    half = len(ours)
    positives = Bins(both.low, both.high, both.candidate[:half], both.stable[:half])
    negatives = Bins(both.low, both.high, both.candidate[half:], both.stable[half:])
    measure = look.query.measure
    found = scores(look.metric, positives, negatives, look.at, look.alpha, measure)
    counted = [(p + n).sum(-1) for p, n in zip(halves(positives), halves(negatives), strict=True)]
    return found, _misfits(look, (ours, theirs), (counted[0], counted[1]))


def _both_labels(outcomes: Sequence[Outcome]) -> Sequence[Sketch]:
    """Return rows of one table for both labels, so that both have the same bins."""
    sides = (*(one.positives for one in outcomes), *(one.negatives for one in outcomes))
    return [Sketch(bins=side) for side in sides]


_WAYS: Mapping[Measure, Callable[[Look], Found]] = {
    Measure.ERROR_RATE: _error_rate,
    Measure.LATENCY: _latency,
    Measure.PSI: _output_drift,
    Measure.KS: _output_drift,
    Measure.DISAGREEMENT: _disagreement,
    Measure.MEAN_DIFFERENCE: _mean_difference,
    Measure.LOG_LOSS: _mean(lambda outcome: outcome.log_loss),
    Measure.AUC: _scores,
    Measure.BRIER: _mean(lambda outcome: outcome.squared_error),
    Measure.CALIBRATION: _scores,
    Measure.MAE: _mean(lambda outcome: outcome.absolute_error),
    Measure.EVENT_RATE: _event_rate,
    Measure.INPUT_DRIFT: _of_inputs(_input_drift),
    Measure.OUTLIERS: _of_inputs(_outliers),
}


def _failed(window: Window) -> int:
    return sum(count for _, count in window.errors)


def _latencies(window: Window) -> Sketch:
    return window.latency


def _silent(look: Look) -> Flags:
    """Return the looks at which others have answered all that was routed to the candidate."""
    got = upto(look.strata.counts(answered)[0], look.at)
    return np.asarray((got == 0) & (upto(look.strata.counts(_routed)[0], look.at) > 0))


def _unusable(look: Look, found: Measured, pick: Callable[[Window], Sketch]) -> Flags:
    """Return the looks without the values that should be there, or with too many NaN among them."""
    rotten, odd = _rotten(look, pick), look.strata.counts(lambda w: pick(w).moments.odd)
    due = upto(look.strata.counts(answered)[0], look.at) >= look.metric.min_samples
    rotten |= (found.samples == 0) & (due | (upto(odd[0], look.at) > 0))
    return np.asarray(rotten | _silent(look))


def _misfits(
    look: Look, outcomes: tuple[Sequence[Outcome], ...], counted: tuple[Array, Array]
) -> Flags:
    """Return the looks at which labels say nothing of too many answers: NaN, or no probability.

    A single score or label that is none takes its window with it, so windows are counted there.
    """
    ours, theirs = (np.array([one.labels > 0 for one in side], np.float64) for side in outcomes)
    empty = ours * (counted[0] == 0), theirs * (counted[1] == 0)
    name = outcomes[0][0].output
    rotten = _rotten(look, lambda window: _named(window.outputs, name))
    return rotten | _more(look, empty, (ours, theirs))


def _rotten(look: Look, pick: Callable[[Window], Sketch]) -> Flags:
    """Return the looks at which surely more of the candidate's values are NaN than of stable's."""
    ours, theirs = (
        [pick(window).moments if window else Moments() for window in side]
        for side in _sides(look.strata)
    )
    return _more_odd(look, ours, theirs)


def _more_odd(look: Look, ours: Sequence[Moments], theirs: Sequence[Moments]) -> Flags:
    odd = [np.array([one.odd for one in side], np.float64) for side in (ours, theirs)]
    whole = [sums(side).count + bad for side, bad in zip((ours, theirs), odd, strict=True)]
    return _more(look, (odd[0], odd[1]), (whole[0], whole[1]))


def _more(look: Look, hits: tuple[Array, Array], events: tuple[Array, Array]) -> Flags:
    return sequential.ratio(hits, events, 1.0, look.at, up=True) >= -math.log(_ODD)


def _routed(window: Window) -> int:
    return window.routed


def _sides(strata: Strata) -> tuple[Sequence[Window | None], Sequence[Window | None]]:
    return strata.candidate, strata.stable


def _table(strata: Strata, pick: Callable[[Window], Sketch]) -> Bins:
    ours, theirs = _sides(strata)
    rows = [[pick(window) if window else Sketch() for window in side] for side in (ours, theirs)]
    return bins(*rows)


def _names(look: Look, pick: Callable[[Window], Sequence[Output]]) -> Sequence[str]:
    """Return the output that is asked for, or else all that the candidate has."""
    present = (window for window in look.strata.candidate if window)
    named = {output.name for window in present for output in pick(window)}
    return [look.query.output] if look.query.output else sorted(named) or [""]


def _name_of_pairs(look: Look) -> str:
    present = (window for window in look.strata.candidate if window)
    return look.query.output or _first(pair.output for w in present for pair in w.pairs)


def _outcomes(look: Look, side: Sequence[Window | None]) -> Sequence[Outcome]:
    """Return the outcomes of the output that is asked for, or else of the first that has any."""
    present = [one for window in side if window for one in window.outcomes]
    name = look.query.output or _first(one.output for one in present)
    nothing = Outcome(name)
    return [
        next((one for one in window.outcomes if one.output == name), nothing) if window else nothing
        for window in side
    ]


def _first(names: Iterable[str]) -> str:
    return min(names, default="")


def _named(outputs: Sequence[Output], name: str) -> Sketch:
    return next((output.sketch for output in outputs if output.name == name), Sketch())


def _pair(window: Window, name: str, against: str) -> Pair:
    nothing = Pair(name, against, Sketch(), Sketch(), Sketch())
    of = (name, against)
    return next((pair for pair in window.pairs if (pair.output, pair.against) == of), nothing)
