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

    def now(self) -> int:
        """Return the wall time in ms since 1970 UTC."""
        return time.time_ns() // 1_000_000

    def monotonic_ns(self) -> int:
        """Return a time in ns that never falls."""
        return time.monotonic_ns()
