"""Where time comes from: the one clock that the SDK reads, so that tests can turn it."""

import time
from typing import Protocol


class Clock(Protocol):
    """Wall time and monotonic time."""

    def now(self) -> int:
        """Return the wall time in ms since 1970 UTC."""
        ...

    def monotonic_ns(self) -> int:
        """Return a time in ns that never falls."""
        ...


class SystemClock:
    """The machine's clock."""

    monotonic_ns = staticmethod(time.monotonic_ns)

    def now(self) -> int:
        """Return the wall time in ms since 1970 UTC."""
        return time.time_ns() // 1_000_000


class ManualClock:
    """A clock that stands still until a test turns it."""

    def __init__(self, now: int = 1_000_000_000_000) -> None:
        self._now = now

    def now(self) -> int:
        """Return the time (ms) that was set."""
        return self._now

    def monotonic_ns(self) -> int:
        """Return the same time in ns."""
        return self._now * 1_000_000

    def advance(self, ms: int) -> None:
        """Turn the clock on by so many ms."""
        self._now += ms
