"""How many decisions a candidate changes: what an exposure budget is held against (pure)."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TypeAlias

import numpy as np

from modelwire_router.analysis.sequential import proportion
from modelwire_schemas.telemetry import Role, Window

HOUR = 3_600_000
"""The span of a budget (ms)."""

LONGEST = 6 * HOUR
"""What is older tells nothing of the present (ms), and is not looked at, however long it lasts."""

RISING = tuple(10_000 << doubled for doubled in range(9))
"""In so many newest ms a rise of the stream is looked for: 10 s to 43 min."""

ENOUGH = 2_000
"""So many pairs are enough; where the newest hour has fewer, older ones count, too."""

SURE = 0.01
"""How often the bound on the share of changed decisions may be too low."""


@dataclass(frozen=True, slots=True)
class Exposed:
    """What is known of a route, in event time.

    `rate` is in events an hour. Of the `compared` pairs `changed` were decided otherwise; `chance`
    is surely no less than the share of the decisions that the candidate changes. `spent` is how
    many it has changed in the newest hour: those that were compared as counted, the others by
    `chance`. `seen` (ms) is when the newest window began that is over, `heard` (ms, the log's
    clock) when the last one came; None where there is none.
    """

    rate: float = 0.0
    compared: int = 0
    changed: int = 0
    chance: float = 1.0
    spent: float = 0.0
    seen: int | None = None
    heard: int | None = None


_Side: TypeAlias = tuple[str, str]
"""A shadow's version, and the version whose answers it is compared with."""


def exposed(
    windows: Sequence[Window], output: str, candidate: str, stable: str, heard: int | None
) -> Exposed:
    """Return what windows say, of the decisions that one output makes.

    Where stable answers, the candidate is its shadow, and where the candidate answers, stable is:
    so every event may be a pair, and what the candidate changed is counted and not inferred.
    """
    live = [window for window in windows if window.role is Role.LIVE and window.routed]
    if not live:
        return Exposed(heard=heard)
    newest = max(window.start for window in live)
    hour = newest - HOUR
    sides = (candidate, stable), (stable, candidate)
    compared, changed = _newest(windows, output, sides, hour)
    chance = bound(changed, compared)
    over = [window for window in live if window.start + window.span <= newest]
    near = [window for window in windows if window.start + window.span > hour]
    return Exposed(
        _rate(over, hour),
        compared,
        changed,
        chance,
        _spent(near, output, sides, chance),
        max((window.start for window in over), default=None),
        heard,
    )


def bound(changed: int, compared: int) -> float:
    """Return what the share of changed decisions surely stays below, at whichever look.

    The least limit below which the share is proven to lie by an e-value (see `sequential`).
    """
    low, high = changed / max(compared, 1), 1.0
    hits, events = np.array(float(changed)), np.array(float(compared))
    for _ in range(20):
        middle = (low + high) / 2
        proven = proportion(hits, events, middle, up=False) >= -math.log(SURE)
        low, high = (low, middle) if proven else (middle, high)
    return high


def _newest(
    windows: Sequence[Window], output: str, sides: Sequence[_Side], hour: int
) -> tuple[int, int]:
    """Add up the pairs of the newest hour, or of longer where that has not enough."""
    compared = changed = 0
    for window in reversed(windows):
        if window.start + window.span <= hour and compared >= ENOUGH:
            break
        for side in sides:
            more, differ = _pairs(window, output, side)
            compared, changed = compared + more, changed + differ
    return compared, changed


def _pairs(window: Window, output: str, side: _Side) -> tuple[int, int]:
    """Return a shadow's pairs; an event that it fails on would be decided otherwise."""
    shadow, against = side
    if window.role is not Role.SHADOW or window.version != shadow:
        return 0, 0
    failed = sum(count for _, count in window.errors)
    found = [p for p in window.pairs if (p.output, p.against) == (output, against)]
    compared, changed = sum(p.compared for p in found), sum(p.changed for p in found)
    return compared + failed, changed + failed


def _spent(near: Iterable[Window], output: str, sides: Sequence[_Side], chance: float) -> float:
    """Return the decisions that the candidate changed; a longer window counts for its hour."""
    candidate, back = sides[0][0], sides[1]
    answered = known = changed = 0.0
    for window in near:
        part = min(1.0, HOUR / window.span)
        compared, differ = _pairs(window, output, back)
        known, changed = known + part * compared, changed + part * differ
        if window.role is Role.LIVE and window.version == candidate:
            answered += part * (window.routed - window.substituted)
    return changed + chance * max(0.0, answered - known)


def _rate(over: Sequence[Window], hour: int) -> float:
    """Return the events an hour: of the newest hour, or of its end where that surely has more."""
    near = [window for window in over if window.start + window.span > hour]
    if not near:
        return 0.0
    begun = min(window.start for window in over)
    starts, spans, events = (
        np.array([each(w) for w in near], np.float64)
        for each in (attrgetter("start"), attrgetter("span"), attrgetter("routed"))
    )
    end = float((starts + spans).max())
    lengths = [end - max(begun, end - HOUR), *(each for each in RISING if end - each >= begun)]
    # Events of a window are spread evenly over it
    counted = [
        float(events @ np.clip((starts + spans - end + length) / spans, 0, 1)) for length in lengths
    ]
    sure = [counted[0], *(count - 3 * math.sqrt(count) for count in counted[1:])]
    return HOUR * max(count / length for count, length in zip(sure, lengths, strict=True))
