"""Times and durations as people write them (pure)."""

import re
from datetime import datetime

from modelwire.control.telling import told_time
from modelwire_schemas.errors import Rejected

LONGEST = 366 * 86_400_000
"""ms; more than a year is a slip of the pen."""

_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII)


def duration(text: str) -> int:
    """Return a duration, as 10m or 1h30m, in ms; raises Rejected `E_DURATION`."""
    found = _DURATION.fullmatch(text)
    if found is None or not text:
        raise Rejected(
            "E_DURATION", f"{text!r} is no duration", expected="10m, 1h30m, 500ms: largest first"
        )
    counts = zip(found.groups(default="0"), _UNITS.values(), strict=True)
    ms = sum(int(count) * unit for count, unit in counts)
    if ms > LONGEST:
        raise Rejected("E_DURATION", f"{text} is more than a year", expected="366d at most")
    return ms


def moment(text: str) -> int:
    """Return an ISO 8601 time with a zone in ms since 1970 UTC; raises Rejected `E_TIME`."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Rejected(
            "E_TIME",
            f"{text!r} is no time",
            expected="2026-12-01T00:00:00Z, or ms since 1970 UTC",
        ) from None
    if found.tzinfo is None:
        raise Rejected("E_TIME", f"{text!r} has no zone", expected=f"{found.isoformat()}Z")
    return int(found.timestamp() * 1000)


def show_time(ms: int) -> str:
    """Return a time for people: UTC to the second."""
    if ms <= 0:
        return "always"
    return told_time(ms - ms % 1000)
