"""Options that several verbs share, and how their values are read."""

import math
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from modelwire_router.changes import When
from modelwire_router.times import duration, moment
from modelwire_schemas.errors import Rejected


class Finite(click.FloatRange):
    """A number within bounds; neither NaN nor infinity is one."""

    def convert(
        self, value: float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number, or fail as click does."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is no finite number.", param, ctx)
        return number


SECONDS = Finite(min=0)

POSITIVE = Finite(min=0, min_open=True)

F = TypeVar("F", bound=Callable[..., Any])


def reason(command: F) -> F:
    """Add --reason."""
    return click.option("--reason", default="", help="Why; it stays in the history.")(command)


def yaml_file(what: str) -> Callable[[F], F]:
    """Add -f; the command gets it as `path`."""
    taken = click.Path(path_type=Path)
    return click.option("-f", "--file", "path", required=True, type=taken, help=what)


def when(command: Callable[..., object]) -> Callable[..., object]:
    """Add --at, --at-once and --cancel; the command gets them as `when`."""

    @wraps(command)
    def called(
        *words: object, at: str | None, at_once: bool, cancel: bool, **others: object
    ) -> object:
        if at is not None and at_once:
            raise click.UsageError("--at and --at-once exclude each other")
        made = When(None if at is None else read_time(at), at_once, cancel)
        return command(*words, when=made, **others)

    for option in (
        click.option(
            "--at",
            metavar="TIME",
            help="Event time from which it holds: ISO 8601, or ms since 1970.",
        ),
        click.option(
            "--at-once", is_flag=True, help="For every event that is not scored yet, of any time."
        ),
        click.option(
            "--cancel", is_flag=True, help="Cancel what is scheduled for that time or later."
        ),
    ):
        called = option(called)
    return called


def read_duration(_context: click.Context, _: click.Parameter, value: str | None) -> int:
    """Return an option's duration in ms, 0 without one; raises Rejected `E_DURATION`."""
    if value is None:
        return 0
    ms = duration(value)
    if not ms:
        raise Rejected("E_DURATION", f"{value} is no time at all", expected="15m, or another")
    return ms


def read_time(text: str) -> int:
    """Return a time in ms since 1970 UTC; raises Rejected `E_TIME`."""
    if text.isascii() and text.isdigit():
        return int(text)
    return moment(text)


def read_begin(text: str) -> str | int:
    """Return where a group without positions begins: `start`, `end`, or a time in ms."""
    if text in ("start", "end"):
        return text
    try:
        return read_time(text)
    except Rejected as error:
        raise click.UsageError(f"--from {text}: start, end, or a time ({error})") from None
