"""The two sides side by side: one stratum a window of time and revision, so like meets like."""

import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from modelwire_router.analysis.adding import add_windows
from modelwire_router.analysis.arithmetic import Array
from modelwire_router.analysis.evidence import Side
from modelwire_schemas.telemetry import BINS, Moments, Role, Sketch, Window, bounds

_INDEX, _COUNT = attrgetter("index"), attrgetter("count")

_NEGATIVE = BINS // 2
"""Bins from here on are those of negative values: the farther, the lower."""

_RANKS = np.array(
    [BINS - 1 - i if i >= _NEGATIVE else _NEGATIVE + i for i in range(BINS)], dtype=np.int16
)
"""Which place a bin has by its values."""

_BOUNDS = np.array([sorted(bounds(i)) for i in np.argsort(_RANKS).tolist()]).T
"""The lowest and the highest values of bins, by rank."""


@dataclass(frozen=True, slots=True)
class Strata:
    """Windows of candidate and stable by stratum, oldest end first; None where a side has none."""

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    revisions: tuple[int, ...]
    candidate: tuple[Window | None, ...]
    stable: tuple[Window | None, ...]

    def counts(self, pick: Callable[[Window], float]) -> tuple[Array, Array]:
        """Return a count of both sides by stratum; 0 where a side has no window."""
        return _numbers(self.candidate, pick), _numbers(self.stable, pick)


@dataclass(frozen=True, slots=True)
class Bins:
    """Values of both sides by stratum and bin, (..., strata, bins); bins rise by value (bins)."""

    low: Array
    high: Array
    candidate: Array
    stable: Array


@dataclass(frozen=True, slots=True)
class Sums:
    """Count, mean and sum of squared deviations by stratum, (..., strata)."""

    count: Array
    mean: Array
    squares: Array


def align(windows: Iterable[Window], candidate: Side, stable: Side, now: int) -> Strata:
    """Put the windows that have begun at `now` (ms) side by side.

    Live windows count; a candidate that has answered nothing live is judged by its shadow's.
    """
    begun = [window for window in windows if window.start <= now]
    ours = [window for window in begun if candidate.holds(window)]
    live = [window for window in ours if window.role is Role.LIVE]
    if not any(window.routed for window in live):
        live = [window for window in ours if window.role is Role.SHADOW]
    theirs = [w for w in begun if stable.holds(w) and w.role is Role.LIVE]
    return _strata(live, theirs)


def align_pairs(windows: Iterable[Window], candidate: Side, stable: Side, now: int) -> Strata:
    """Put the candidate's windows with pairs beside stable's; both sides are within the pairs."""
    begun = [window for window in windows if window.start <= now]
    ours = [w for w in begun if candidate.holds(w) and w.role is Role.SHADOW]
    return _strata(ours, [w for w in begun if stable.holds(w) and w.role is Role.LIVE])


def bins(ours: Sequence[Sketch], theirs: Sequence[Sketch]) -> Bins:
    """Return a table of both sides' strata, with the bins that any of them has values in."""
    rows = [_row(sketch) for sketch in (*ours, *theirs)]
    ranks = np.concatenate([row.ranks for row in rows])
    counts = np.concatenate([row.counts for row in rows])
    present = np.flatnonzero(np.bincount(ranks, minlength=BINS))
    column = np.zeros(BINS, np.intp)
    column[present] = np.arange(len(present))
    first = np.repeat(np.arange(len(rows)) * len(present), [len(row.ranks) for row in rows])
    table = np.bincount(first + column[ranks], counts, len(rows) * len(present))
    both = table.astype(np.float64).reshape(len(rows), len(present))
    low, high = _BOUNDS[:, present]
    return Bins(low, high, both[: len(ours)], both[len(ours) :])


class _Row(NamedTuple):
    """The bins of a sketch as arrays; they go when the sketch goes."""

    ranks: npt.NDArray[np.int16]
    counts: Array
    of: weakref.ref[Sketch]


_rows: dict[int, _Row] = {}
"""The rows of sketches by id: windows that did not change are the same objects at every look."""


def _row(sketch: Sketch) -> _Row:
    key, many = id(sketch), len(sketch.bins)
    if key not in _rows:
        ranks = _RANKS[np.fromiter(map(_INDEX, sketch.bins), np.intp, many)]
        counts = np.fromiter(map(_COUNT, sketch.bins), np.float64, many)
        _rows[key] = _Row(ranks, counts, weakref.ref(sketch, lambda _: _rows.pop(key, None)))
    return _rows[key]


def sums(moments: Sequence[Moments]) -> Sums:
    """Return moments by stratum."""
    return Sums(
        np.array([one.count for one in moments], dtype=np.float64),
        np.array([one.mean for one in moments], dtype=np.float64),
        np.array([one.squares for one in moments], dtype=np.float64),
    )


def _strata(ours: Iterable[Window], theirs: Iterable[Window]) -> Strata:
    mine, other = _grouped(ours), _grouped(theirs)
    names = sorted(mine.keys() | other.keys())
    return Strata(
        tuple(start for _, start, _ in names),
        tuple(end for end, _, _ in names),
        tuple(revision for _, _, revision in names),
        tuple(mine.get(name) for name in names),
        tuple(other.get(name) for name in names),
    )


def _grouped(windows: Iterable[Window]) -> dict[tuple[int, int, int], Window]:
    grouped: dict[tuple[int, int, int], list[Window]] = {}
    for window in windows:
        name = (window.start + window.span, window.start, window.revision)
        grouped.setdefault(name, []).append(window)
    return {name: add_windows(members) for name, members in grouped.items()}


def _numbers(windows: Sequence[Window | None], pick: Callable[[Window], float]) -> Array:
    return np.array([pick(window) if window else 0.0 for window in windows], dtype=np.float64)
