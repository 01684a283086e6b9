"""Times as people write them (pure)."""

from datetime import datetime

from modelwire_schemas.errors import Rejected


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
        raise Rejected("E_TIME", f"{text!r} has no zone", expected=f"{text}Z")
    return int(found.timestamp() * 1000)
