"""Times of the log in words, the same at every reader (pure)."""

from datetime import UTC, datetime

LATEST = 253_402_300_800_000
"""ms since 1970 of the year 10000, which no calendar here knows."""


def told_time(ms: int) -> str:
    """Return a time as UTC, to the second where it is a whole one; another number as it is."""
    if not 0 <= ms < LATEST:
        return f"{ms} ms"
    told = datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{told}.{ms % 1000:03}Z" if ms % 1000 else f"{told}Z"
