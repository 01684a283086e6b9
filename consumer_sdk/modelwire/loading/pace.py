"""How long a fetch may take, and how slow it may be."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from modelwire_schemas.errors import TimedOut


@dataclass(frozen=True, slots=True)
class Patience:
    """Bounds of a fetch: bytes/s that must come in over a window (s), seconds for a whole file.

    The whole file may take `base` seconds and one more for each `rate` bytes. A fault that may
    pass is tried `attempts` times, after pauses from `pause` seconds on, each twice as long.
    """

    floor: int = 10_000
    window: float = 30.0
    base: float = 600.0
    rate: int = 1_000_000
    attempts: int = 5
    pause: float = 1.0
    longest_pause: float = 60.0

    def total(self, size: int) -> float:
        """Return the seconds that `size` bytes may take."""
        return self.base + size / self.rate


class Pace:
    """Watches one download by a monotonic clock (s); raises TimedOut `E_SLOW`."""

    def __init__(
        self, patience: Patience, size: int, where: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._patience = patience
        self._where = where
        self._clock = clock
        self._window_start = clock()
        self._end = self._window_start + patience.total(size)
        self._in_window = 0

    def got(self, count: int) -> None:
        """Take note of `count` bytes that have come in."""
        now = self._clock()
        self._in_window += count
        if now > self._end:
            raise self.too_slow("it takes longer than it may")
        took = now - self._window_start
        if took >= self._patience.window:
            if self._in_window < self._patience.floor * took:
                raise self.too_slow(f"{self._in_window:,} bytes came in {took:.0f} s")
            self._window_start, self._in_window = now, 0

    def left(self) -> float:
        """Return the seconds that one more read may take."""
        return max(0.001, min(self._patience.window, self._end - self._clock()))

    def left_in_all(self) -> float:
        """Return the seconds until the whole must be done."""
        return max(0.001, self._end - self._clock())

    def too_slow(self, what: str) -> TimedOut:
        """Return the error for a source that keeps us waiting."""
        return TimedOut(
            "E_SLOW", what, where=self._where, expected=f"{self._patience.floor:,} bytes/s or more"
        )
