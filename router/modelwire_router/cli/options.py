"""Options that several verbs share, and how their values are read."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from modelwire_schemas.errors import Rejected

F = TypeVar("F", bound=Callable[..., Any])


def reason(command: F) -> F:
    """Add --reason."""
    return click.option("--reason", default="", help="Why; it stays in the history.")(command)


def when(command: F) -> F:
    """Add --at and --at-once."""
    command = click.option(
        "--at", metavar="TIME", help="Event time from which it holds: ISO 8601, or ms since 1970."
    )(command)
    return click.option(
        "--at-once", is_flag=True, help="For every event that is not scored yet, of any time."
    )(command)


def read_time(text: str) -> int:
    """Return a time in ms since 1970 UTC; raises Rejected `E_TIME`."""
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Rejected(
            "E_TIME",
            f"{text!r} is no time",
            expected="2026-12-01T00:00:00Z, or ms since 1970 UTC",
        ) from None
    if moment.tzinfo is None:
        raise Rejected("E_TIME", f"{text!r} has no zone", expected=f"{text}Z")
    return int(moment.timestamp() * 1000)


def show_time(ms: int) -> str:
    """Return a time for people: UTC to the second."""
    if ms <= 0:
        return "always"
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
