"""Times on the event path: what an event's time is, and when it is settled (R5, R10)."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime

from modelwire_schemas.errors import Rejected


def event_time(at: object, present: int) -> int:
    """Return an event's time in ms: a number, an aware datetime; the present for what is none."""
    if at is None:
        return present
    if isinstance(at, datetime):
        return _of_datetime(at)
    if isinstance(at, int | float) and not isinstance(at, bool):
        return int(at) if 0 <= at < math.inf else present
    raise Rejected(
        "E_TIME", f"at={at!r} is no time", expected="ms since 1970 UTC or an aware datetime"
    )


def business_time(fields: Mapping[str, object], name: str, ts: int) -> int:
    """Return the time (ms) in an event's field `name`; `ts` where it is missing or no time.

    Reads ms since 1970 UTC, an aware datetime, or ISO 8601 text with a zone.
    """
    value = fields.get(name)
    if isinstance(value, str):
        value = _parsed(value)
    if isinstance(value, datetime):
        return _of_datetime(value) if value.tzinfo else ts
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value) if 0 <= value < math.inf else ts
    return ts


def _parsed(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _of_datetime(at: datetime) -> int:
    if at.tzinfo is None:
        raise Rejected(
            "E_TIME", f"at={at!r} has no zone", expected="an aware datetime", todo="add tzinfo"
        )
    delta = at - datetime(1970, 1, 1, tzinfo=UTC)
    return delta.days * 86_400_000 + delta.seconds * 1000 + delta.microseconds // 1000
