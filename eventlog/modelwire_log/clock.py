"""The time by which a log that lies on this machine says when it took a record."""

import time


def wall_ms() -> int:
    """Return the wall clock in ms since 1970."""
    return time.time_ns() // 1_000_000
