"""What a process measures: noted on the event path in one step, added up beside it."""

import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from modelwire.reporting.measured import Measured
from modelwire_schemas.telemetry import Window, WindowKey

WAITING = 50_000
"""Events that may wait to be added up before the one who notes them does it himself."""

KEPT_S = 600.0
"""Seconds that a window is kept after its last event."""

MOST_WINDOWS = 512
"""Windows that are kept; four times as many while they cannot be reported."""

MOST_GONE = 20_000
"""Dropped windows that are known as such: what comes for them is lost, and is counted as that."""


class Windows:
    """The windows of this process, by key: `most` of them, each `kept_s` after its last event.

    Not for several threads.
    """

    def __init__(self, most: int = MOST_WINDOWS, kept_s: float = KEPT_S) -> None:
        self.lost = 0
        self._most = most
        self._kept_s = kept_s
        self._held: dict[WindowKey, Measured] = {}
        self._told: dict[WindowKey, int] = {}
        self._gone: dict[WindowKey, None] = {}
        self._dropped: dict[tuple[str, str], int] = {}

    def drop(self, route: str, version: str, events: int) -> None:
        """Count events that a shadow was spared."""
        key = (route, version)
        self._dropped[key] = self._dropped.get(key, 0) + events

    def dropped(self, route: str) -> tuple[tuple[str, int], ...]:
        """Return how many events each shadow of a route was spared."""
        return tuple((v, n) for (r, v), n in sorted(self._dropped.items()) if r == route)

    def window(self, key: WindowKey, events: int) -> Measured:
        """Return a window that some events are added to; of one that is gone, they are lost.

        Its counts were reported and cannot be continued: reports are cumulative.
        """
        if key in self._gone:
            self.lost += events
            return Measured()
        found = self._held.get(key)
        if found is None:
            found = self._held[key] = Measured()
        found.changes += 1
        found.touched_s = time.monotonic()
        return found

    def changed(self) -> "list[Changed]":
        """Return the windows that changed since they were told."""
        return [
            Changed(key, found.changes, found.window(key))
            for key, found in self._held.items()
            if self._told.get(key) != found.changes
        ]

    def tell(self, changed: "Iterable[Changed]") -> None:
        """Take note of what was reported, and drop what is long over."""
        self._told.update((one.key, one.changes) for one in changed if one.key in self._held)
        now = time.monotonic()
        by_age = sorted(self._held, key=lambda key: self._held[key].touched_s)
        spare, most = len(by_age) - self._most, len(by_age) - 4 * self._most
        for number, key in enumerate(by_age):
            is_told = self._told.get(key) == self._held[key].changes
            is_old = number < spare or now - self._held[key].touched_s > self._kept_s
            if number < most or (is_told and is_old):
                self._drop(key)

    def _drop(self, key: WindowKey) -> None:
        del self._held[key]
        self._told.pop(key, None)
        self._gone[key] = None
        if len(self._gone) > MOST_GONE:
            del self._gone[next(iter(self._gone))]

    def __len__(self) -> int:
        return len(self._held)


class Changed(NamedTuple):
    """A window as it stands, and after how many changes."""

    key: WindowKey
    changes: int
    window: Window


class Noted(Protocol):
    """Something that happened to a number of events, and how it is added up."""

    @property
    def size(self) -> int:
        """How many events it concerns."""
        ...

    def add_to(self, windows: Windows) -> None:
        """Add it to the windows that it belongs to."""
        ...


class Recorder:
    """Where everything is noted that telemetry tells. For any thread; `note` takes no lock."""

    def __init__(self, windows: Windows | None = None, *, on: bool = True) -> None:
        self.on = on
        self._noted: deque[Noted] = deque()
        self._waiting = 0
        self._windows = Windows() if windows is None else windows
        self._lock = threading.Lock()

    def anew(self) -> "Recorder":
        """Return an empty one, for the child of a fork."""
        return Recorder(on=self.on)

    def note(self, what: Noted) -> None:
        """Take note; it is added up later, and here only where too much waits."""
        if self.on:
            self._noted.append(what)
            self._waiting += what.size
            if self._waiting > WAITING:
                with self._lock:
                    self._add_up()

    def changed(self) -> list[Changed]:
        """Return the windows that changed since they were told."""
        with self._lock:
            self._add_up()
            return self._windows.changed()

    def tell(self, changed: Iterable[Changed]) -> None:
        """Take note of what was reported."""
        with self._lock:
            self._windows.tell(changed)

    def dropped(self, route: str) -> tuple[tuple[str, int], ...]:
        """Return how many events each shadow of a route was spared, as of the last `changed`."""
        with self._lock:
            return self._windows.dropped(route)

    @property
    def lost(self) -> int:
        """Events that came for a window that had been dropped."""
        return self._windows.lost

    def _add_up(self) -> None:
        self._waiting = 0
        while self._noted:
            self._noted.popleft().add_to(self._windows)
