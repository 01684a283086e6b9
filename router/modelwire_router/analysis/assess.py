"""Judges a candidate by the metrics of a template: every look so far, recomputed from telemetry.

Findings follow from the evidence alone, so any controller comes to the same ones, and data that
arrives late only makes a look better. What was found is kept only to find it sooner again.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np

from modelwire.reporting.spans import SPANS
from modelwire_router.analysis.arithmetic import Places, upto
from modelwire_router.analysis.evidence import Evidence, Reading, Side, Standing
from modelwire_router.analysis.measured import (
    JUDGEMENTS,
    Codes,
    Measured,
    bound,
    verdicts,
    within,
)
from modelwire_router.analysis.measuring import Look, measure
from modelwire_router.analysis.settle import settle
from modelwire_router.analysis.srm import sample_ratio
from modelwire_router.analysis.strata import Strata, align, align_pairs
from modelwire_router.rollout.plan import (
    OF_INPUTS,
    OF_LABELS,
    OF_PAIRS,
    Measure,
    Metric,
    Query,
    Template,
)
from modelwire_schemas.rollout import Finding, Judgement

ALPHA = 0.01
"""How often a template may fail a candidate that keeps all its limits, ever."""

QUIET = 30_000
"""How long nothing may be heard (ms, the log's clock) before a look has no data."""

MISSED = 100
"""A candidate that should have had so many events since its newest one has fallen silent."""

REMEMBERED = 4096
"""Of so many templates of routes the newest looks are kept at most."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What looks at windows are made of; `now` stands still as long as no look can be added."""

    template: Template
    candidate: Side
    stable: Side
    evidence: Evidence
    now: int

    @classmethod
    def of(
        cls, template: Template, candidate: Side, stable: Side, evidence: Evidence, now: int
    ) -> Self:
        """Return what is asked, without what windows do not depend on."""
        beat = math.gcd(SPANS[0], *(metric.interval for metric in template.metrics))
        bare = replace(evidence, heard=None, readings=())
        return cls(template, candidate, stable, bare, now - now % beat)


class _Seen(NamedTuple):
    """The looks at windows of each metric (none of one that others measure), the sample ratio."""

    looks: tuple[tuple[Finding, ...], ...]
    ratio: Finding | None


_newest: dict[tuple[str, str], tuple[_Asked, _Seen]] = {}
"""What was asked last for each route and template, and the answer."""


def assess(
    template: Template, candidate: Side, stable: Side, evidence: Evidence, since: int, now: int
) -> tuple[Standing, ...]:
    """Return how each metric stands at `now`, and the sample ratio where shares are planned.

    `since` is when looking began, `now` is now (ms, the log's clock). Only `pass` goes on; see
    `settle.settle` for the others, and `settle.overall` for all together.
    """
    seen = _seen(_Asked.of(template, candidate, stable, evidence, now))
    found = _with_silence(template, seen, evidence, since, now)
    standings = [
        Standing(settle(metric, looks), looks[-1])
        for metric, looks in zip(template.metrics, found, strict=True)
    ]
    if seen.ratio is not None:
        # Too few events are no doubt of the split; whoever needs events waits for them anyway
        waived = seen.ratio.judgement is Judgement.TOO_FEW
        standings.append(Standing(Judgement.PASS if waived else seen.ratio.judgement, seen.ratio))
    return tuple(standings)


def judge(
    template: Template, candidate: Side, stable: Side, evidence: Evidence, since: int, now: int
) -> tuple[tuple[Finding, ...], ...]:
    """Return the findings of every look at each metric, oldest first, at least one each."""
    seen = _seen(_Asked.of(template, candidate, stable, evidence, now))
    return _with_silence(template, seen, evidence, since, now)


def _seen(asked: _Asked) -> _Seen:
    """Return what windows say; who asks for a route's the same again gets the answer again."""
    if not asked.evidence.windows:
        return _look_at(asked)
    name = asked.evidence.windows[0].route, asked.template.name
    known = _newest.get(name)
    if known is None or known[0] != asked:
        if len(_newest) >= REMEMBERED:
            _newest.clear()
        known = _newest[name] = (asked, _look_at(asked))
    return known[1]


def _look_at(asked: _Asked) -> _Seen:
    template, evidence, now = asked.template, asked.evidence, asked.now
    plain = align(evidence.windows, asked.candidate, asked.stable, now)
    pairs = align_pairs(evidence.windows, asked.candidate, asked.stable, now)
    alpha = level(template)
    found: list[tuple[Finding, ...]] = []
    for metric in template.metrics:
        query = metric.source
        if isinstance(query, Query):
            strata = pairs if query.measure in OF_PAIRS else plain
            times, at = _times(metric, query, strata, now)
            look = Look(metric, query, strata, at, alpha, evidence, asked.stable.version)
            found.append(_looked(look, times))
        else:
            found.append(())
    planned = evidence.planned
    ratio = sample_ratio(plain, planned, evidence.keys, now) if planned else None
    return _Seen(tuple(found), ratio)


def _with_silence(
    template: Template, seen: _Seen, evidence: Evidence, since: int, now: int
) -> tuple[tuple[Finding, ...], ...]:
    """Return all looks: at windows, at what a system outside answered, and those at nothing."""
    found: list[tuple[Finding, ...]] = []
    for metric, looks in zip(template.metrics, seen.looks, strict=True):
        heard = evidence.heard
        if not isinstance(metric.source, Query):
            readings = _readings(metric, evidence, since, now)
            looks = tuple(_read(metric, reading) for reading in readings)  # noqa: PLW2901
            # An answer takes a while: the look under way is not silence
            heard = readings[-1].at + metric.interval if readings else None
        silence = _silence(metric, since if heard is None else max(heard, since), now)
        detail = f"no look yet, there is one each {metric.interval / 1000:g} s of events"
        nothing = _unheard(metric, Judgement.TOO_FEW, now, detail)
        found.append((*looks, *silence) or (nothing,))
    return tuple(found)


def level(template: Template) -> float:
    """Return the share of ALPHA that each metric of a template may use up."""
    deciding = [m for m in template.metrics if isinstance(m.source, Query) and not m.dry_run]
    return ALPHA / max(len(deciding), 1)


def _looked(look: Look, times: Sequence[int]) -> tuple[Finding, ...]:
    """Return the finding of every look; of a candidate that has fallen silent none is a pass."""
    if not times:
        return ()
    found, lacking = measure(look)
    codes = verdicts(look.metric, found, lacking)
    looks = [
        _finding(look.metric, found, codes, place, time, look.alpha)
        for place, time in enumerate(times)
    ]
    return tuple(
        replace(one, judgement=Judgement.TOO_FEW, detail=f"{lost:.0f} events of it are missing")
        if one.judgement is Judgement.PASS and lost > MISSED
        else one
        for one, lost in zip(looks, _missed(look), strict=True)
    )


def _missed(look: Look) -> list[float]:
    """Return how many events the candidate should have had since its newest ones, at each look.

    Stable's events since then say so, by what both had until then.
    """
    ours, theirs = look.strata.counts(lambda window: window.routed)
    ends = np.array(look.strata.ends)
    newest_end = np.maximum.accumulate(np.append(0, np.where(ours > 0, ends, 0)))[look.at]
    newest = np.searchsorted(ends, newest_end, side="right")
    mine, other, others = upto(ours, newest), upto(theirs, newest), upto(theirs, look.at)
    missed = np.divide(mine * (others - other), other, where=other > 0, out=np.zeros_like(mine))
    found: list[float] = missed.tolist()
    return found


def _times(metric: Metric, query: Query, strata: Strata, now: int) -> tuple[list[int], Places]:
    """Return when looks were, one an interval that brought something, and how many strata each saw.

    A window is seen when it is over; one that is longer than the interval while it lasts, too, but
    for a pace, of which half a window says nothing. A label is mature when the stream itself has
    gone on for so long.
    """
    if not strata.ends:
        return [], np.zeros(0, dtype=np.intp)
    interval, begin, last = metric.interval, min(strata.starts), max(strata.ends)
    maturity = metric.maturity if query.measure in OF_LABELS else 0
    now_seen = begin + (now - begin) // interval * interval
    lasting = query.measure is not Measure.EVENT_RATE
    ends = [
        (now_seen if lasting and end > now and end - start > interval else end) + maturity
        for start, end in zip(strata.starts, strata.ends, strict=True)
    ]
    # Strata stand by their ends: what comes before one that is seen is seen with it
    seen = np.minimum.accumulate(np.array(ends, dtype=np.int64)[::-1])[::-1]
    slots = sorted({-(-(end - begin) // interval) for end in (*strata.ends, *seen.tolist())})
    until = min(now, begin - (begin - last) // interval * interval)
    times = [begin + slot * interval for slot in slots if begin + slot * interval <= until]
    return times, np.searchsorted(seen, np.array(times, dtype=np.int64), side="right")


def _finding(
    metric: Metric, found: Measured, codes: Codes, place: int, at: int, alpha: float
) -> Finding:
    value, reference = float(found.value[place]), float(found.reference[place])
    judgement = JUDGEMENTS[int(codes[place])]
    samples = int(found.samples[place])
    detail = _detail(metric, judgement, samples, alpha)
    return Finding(
        metric.name,
        judgement,
        at,
        measured=value if math.isfinite(value) else None,
        reference=reference if math.isfinite(reference) else None,
        limit=_limit(metric, value, reference),
        samples=samples,
        reference_samples=int(found.reference_samples[place]),
        detail=": ".join(filter(None, (*found.of[place : place + 1], detail))),
        dry_run=metric.dry_run,
    )


def _limit(metric: Metric, value: float, reference: float) -> float | None:
    """Return the limit that a value is beyond or, where it is within, one that it keeps."""
    given = [limit for limit in (metric.most, metric.least) if limit is not None]
    limits = [float(bound(metric, limit, np.asarray(reference))) for limit in given]
    if not limits or not math.isfinite(limits[0]):
        return None
    low = metric.least is not None and value < limits[-1]
    return limits[-1] if low else limits[0]


def _detail(metric: Metric, judgement: Judgement, samples: int, alpha: float) -> str:
    if judgement is Judgement.FAIL:
        return f"{100 * (1 - alpha):.4g} % sure, at whichever look"
    if judgement is Judgement.INCONCLUSIVE:
        return "worse than stable, but not surely beyond the limit"
    if judgement is Judgement.NO_DATA and metric.measure in OF_INPUTS:
        return "no values of it, or none in the sample: is it watched (modelwire score --watch)?"
    if judgement is Judgement.NO_DATA:
        return "the values are missing, NaN or infinite, or others answered"
    if judgement is Judgement.PASS:
        return ""
    few = samples < metric.min_samples
    return f"needs {metric.min_samples} samples" if few else "beyond the limit, maybe by chance"


def _readings(metric: Metric, evidence: Evidence, since: int, now: int) -> list[Reading]:
    """Return the readings of a metric, oldest first."""
    mine = [r for r in evidence.readings if r.metric == metric.name and since <= r.at <= now]
    return sorted(mine, key=lambda reading: reading.at)


def _read(metric: Metric, reading: Reading) -> Finding:
    """Judge what a source outside has answered; its own noise is the operator's to limit."""
    value = reading.value
    if value is None or not math.isfinite(value):
        detail = reading.error or f"it answered {value}"
        return _unheard(metric, Judgement.NO_DATA, reading.at, detail)
    kept = bool(within(metric, np.asarray(value), np.asarray(np.nan)))
    return Finding(
        metric.name,
        Judgement.PASS if kept else Judgement.FAIL,
        reading.at,
        measured=value,
        limit=_limit(metric, value, math.nan),
        dry_run=metric.dry_run,
    )


def _silence(metric: Metric, heard: int, now: int) -> Sequence[Finding]:
    """Return the looks since anything was heard, as many as can matter."""
    every = max(metric.interval, QUIET)
    missed = min((now - heard) // every, metric.error_limit + 1)
    detail = f"nothing was heard for {(now - heard) / 1000:.0f} s"
    times = (heard + look * every for look in range(1, missed + 1))
    return [_unheard(metric, Judgement.NO_DATA, time, detail) for time in times]


def _unheard(metric: Metric, judgement: Judgement, at: int, detail: str) -> Finding:
    return Finding(metric.name, judgement, at, detail=detail, dry_run=metric.dry_run)
