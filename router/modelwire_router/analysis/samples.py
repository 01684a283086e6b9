"""What consumers reported, merged: the newest of every incarnation's windows, added up."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple, TypeAlias

from modelwire_router.analysis.adding import add_windows
from modelwire_schemas.telemetry import Bin, Moments, Role, Sketch, Telemetry, Window, WindowKey

AHEAD = 60_000
"""How far ahead of the log's clock a window may start (ms) before it is refused."""

FOREVER = 2**62

_COUNT = attrgetter("count")
_Source: TypeAlias = tuple[str, str]
_Progress: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Refused:
    """A window that is not counted, of whom, and why."""

    instance: str
    start: int
    why: str


class _Answer(NamedTuple):
    """The windows that were asked for, and the times (ms) from which and before which they hold."""

    begin: int
    end: int
    windows: tuple[Window, ...]


class _Route:
    """What a route's consumers reported, by window, and each window added up once it was asked.

    An answer holds until one of its windows changes, or another one comes.
    """

    def __init__(self) -> None:
        self.parts: dict[WindowKey, dict[_Source, tuple[_Progress, Window]]] = {}
        self.added: dict[WindowKey, Window] = {}
        self.answers: dict[tuple[int, int], _Answer] = {}
        self.heard: int | None = None
        self.answered: int | None = None
        self.newest = 0

    def hold(self, source: _Source, window: Window) -> None:
        """Keep a window unless the same source has told of one that has come farther."""
        key, counted = window.key, _progress(window)
        new = key not in self.parts
        parts = self.parts.setdefault(key, {})
        kept = parts.get(source)
        if kept is None or counted > kept[0] or (counted == kept[0] and _above(window, kept[1])):
            parts[source] = (counted, window)
            if self.added.pop(key, None) is not None or new:
                self.answers.clear()

    def window(self, key: WindowKey) -> Window:
        """Return a window, added up over its sources."""
        added = self.added.get(key)
        if added is None:
            parts = [window for _, window in self.parts[key].values()]
            added = self.added[key] = add_windows(parts)
        return added

    def windows(self, since_revision: int, until: int, longer: int) -> tuple[Window, ...]:
        """Return what `Samples.windows` says."""
        answer = self.answers.get((since_revision, longer))
        if answer is None or not answer.begin <= until < answer.end:
            joins = {
                key: key.start + (0 if key.span > longer else key.span)
                for key in self.parts
                if key.revision >= since_revision
            }
            keys = sorted((key for key, at in joins.items() if at <= until), key=_by_start)
            answer = self.answers[since_revision, longer] = _Answer(
                max((joins[key] for key in keys), default=0),
                min((at for at in joins.values() if at > until), default=FOREVER + 1),
                tuple(self.window(key) for key in keys),
            )
        return answer.windows

    def forget(self, before: int) -> None:
        """Drop windows that ended at or before `before` (ms of event time)."""
        for key in [key for key in self.parts if key.start + key.span <= before]:
            del self.parts[key]
            self.added.pop(key, None)
            self.answers.clear()


class Samples:
    """The windows that were reported, by whom; order and repetition of reports make no difference.

    Reports are cumulative: of two on one window of one incarnation the one that counted more holds.
    """

    def __init__(self) -> None:
        self._routes: dict[str, _Route] = {}

    def add(self, report: Telemetry, at: int) -> tuple[Refused, ...]:
        """Count a report that came at `at` (ms, the log's clock); return what is refused of it."""
        refused: list[Refused] = []
        for window in report.windows:
            why = fault(window, at)
            if why:
                refused.append(Refused(report.instance, window.start, why))
            else:
                route = self._routes.setdefault(window.route, _Route())
                route.hold((report.instance, report.incarnation), window)
                route.heard = max(at, route.heard or 0)
                if window.role is Role.LIVE and window.routed:
                    route.answered = max(at, route.answered or 0)
                    route.newest = max(window.start, route.newest)
        return tuple(refused)

    def heard(self, route: str) -> int | None:
        """Return when (ms, the log's clock) a usable window of a route last came."""
        return self._routes[route].heard if route in self._routes else None

    def answered(self, route: str) -> int | None:
        """Return when (ms, the log's clock) one last came with events that were answered.

        Who joins labels tells of none, so nothing follows from him about the events.
        """
        return self._routes[route].answered if route in self._routes else None

    def latest(self, route: str, since_revision: int, ms: int) -> tuple[Window, ...]:
        """Return those `windows` that end no more than so many ms before the newest answers."""
        held = self._routes.get(route, _Route())
        after = held.newest - ms
        keys = [k for k in held.parts if k.revision >= since_revision and k.start + k.span > after]
        return tuple(held.window(key) for key in sorted(keys, key=_by_start))

    def windows(
        self, route: str, since_revision: int = 0, until: int = FOREVER, longer: int = FOREVER
    ) -> tuple[Window, ...]:
        """Return a route's windows of a revision and later, added up over instances, by start.

        Of those that end after `until` (ms of event time) only the ones that are `longer` than so
        many ms and have begun by then. What has not changed is the same object as before.
        """
        held = self._routes.get(route)
        return held.windows(since_revision, until, longer) if held else ()

    def forget(self, before: int) -> None:
        """Drop windows that ended at or before `before` (ms of event time)."""
        for route in self._routes.values():
            route.forget(before)


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


def _bins(window: Window) -> Iterator[Sequence[Bin]]:
    for sketch in _sketches(window):
        yield sketch.bins
    for outcome in window.outcomes:
        yield from (outcome.positives, outcome.negatives)


def _counts(window: Window) -> Iterator[int]:
    yield from (window.routed, window.predictions, window.substituted)
    yield from (count for _, count in window.errors)
    for pair in window.pairs:
        yield from (pair.unequal, pair.compared, pair.changed)
    yield from (outcome.labels for outcome in window.outcomes)
    for bins in _bins(window):
        yield from map(_COUNT, bins)
    for moments in _moments(window):
        yield from (moments.count, moments.odd)


def _by_start(key: WindowKey) -> tuple[int, WindowKey]:
    return key.start, key
