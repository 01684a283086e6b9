"""What consumers reported, merged: the newest of every incarnation's windows, added up."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from modelwire_router.analysis.adding import add_windows
from modelwire_schemas.telemetry import Bin, Moments, Role, Sketch, Telemetry, Window

AHEAD = 60_000
"""How far ahead of the log's clock a window may start (ms) before it is refused."""

WindowKey: TypeAlias = tuple[str, str, str, str, Role, int, int, int]
_Key: TypeAlias = tuple[str, str, WindowKey]
_Progress: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Refused:
    """A window that is not counted, of whom, and why."""

    instance: str
    start: int
    why: str


class Samples:
    """The windows that were reported, by whom; order and repetition of reports make no difference.

    Reports are cumulative: of two on one window of one incarnation the one that counted more holds.
    """

    def __init__(self) -> None:
        self._held: dict[_Key, tuple[_Progress, Window]] = {}
        self._heard: dict[str, int] = {}

    def add(self, report: Telemetry, at: int) -> tuple[Refused, ...]:
        """Count a report that came at `at` (ms, the log's clock); return what is refused of it."""
        refused: list[Refused] = []
        for window in report.windows:
            why = fault(window, at)
            if why:
                refused.append(Refused(report.instance, window.start, why))
            else:
                self._hold((report.instance, report.incarnation, window.key), window)
                self._heard[window.route] = max(at, self._heard.get(window.route, at))
        return tuple(refused)

    def heard(self, route: str) -> int | None:
        """Return when (ms, the log's clock) a usable window of a route last came."""
        return self._heard.get(route)

    def windows(self, route: str, since_revision: int = 0) -> tuple[Window, ...]:
        """Return a route's windows of a revision and later, added up over instances, by start."""
        merged: dict[WindowKey, list[Window]] = {}
        for (_, _, name), (_, window) in self._held.items():
            if window.route == route and window.revision >= since_revision:
                merged.setdefault(name, []).append(window)
        return tuple(add_windows(merged[name]) for name in sorted(merged, key=_by_start))

    def forget(self, before: int) -> None:
        """Drop windows that ended at or before `before` (ms of event time)."""
        for name in [n for n, (_, w) in self._held.items() if w.start + w.span <= before]:
            del self._held[name]

    def _hold(self, name: _Key, window: Window) -> None:
        counted = _progress(window)
        kept = self._held.get(name)
        if kept is None or counted > kept[0] or (counted == kept[0] and _above(window, kept[1])):
            self._held[name] = (counted, window)


def fault(window: Window, now: int) -> str:
    """Return why a window cannot be counted at `now` (ms), or nothing."""
    if window.span <= 0:
        return f"its span is {window.span} ms"
    if window.start > now + AHEAD:
        return f"it starts {window.start - now} ms in the future"
    if any(count < 0 for count in _counts(window)):
        return "a count is negative"
    if any(pair.changed > pair.compared for pair in window.pairs):
        return "more decisions are changed than compared"
    for moments in _moments(window):
        if not math.isfinite(moments.mean) or not 0 <= moments.squares < math.inf:
            return "a moment is NaN, infinite, or a negative sum of squares"
    return ""


def _progress(window: Window) -> _Progress:
    """Return how far a cumulative window has come."""
    handled = window.routed + window.predictions + window.substituted
    labels = sum(outcome.labels for outcome in window.outcomes)
    return handled, labels, sum(_counts(window))


def _above(window: Window, kept: Window) -> bool:
    """Settle between two that came equally far, so that everyone keeps the same one."""
    return window != kept and repr(window) > repr(kept)


def _sketches(window: Window) -> Iterator[Sketch]:
    yield window.latency
    for output in (*window.outputs, *window.inputs):
        yield output.sketch
    for pair in window.pairs:
        yield from (pair.difference, pair.live, pair.shadow)


def _moments(window: Window) -> Iterator[Moments]:
    for sketch in _sketches(window):
        yield sketch.moments
    for outcome in window.outcomes:
        yield from (outcome.log_loss, outcome.squared_error, outcome.absolute_error)


def _bins(window: Window) -> Iterator[Bin]:
    for sketch in _sketches(window):
        yield from sketch.bins
    for outcome in window.outcomes:
        yield from (*outcome.positives, *outcome.negatives)


def _counts(window: Window) -> Iterator[int]:
    yield from (window.routed, window.predictions, window.substituted)
    yield from (count for _, count in window.errors)
    for pair in window.pairs:
        yield from (pair.unequal, pair.compared, pair.changed)
    yield from (outcome.labels for outcome in window.outcomes)
    yield from (found.count for found in _bins(window))
    for moments in _moments(window):
        yield from (moments.count, moments.odd)


def _by_start(name: WindowKey) -> tuple[int, WindowKey]:
    return name[6], name
