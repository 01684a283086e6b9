"""What every word is held against: printable words, bounded texts, numbers in range."""

import math
from collections.abc import Iterable

from modelwire_schemas import names
from modelwire_schemas.errors import Rejected
from modelwire_schemas.limits import MAX_TEXT, MAX_WORD
from modelwire_schemas.release import Scalar


def word(kind: str, value: str, *, least: int = 0) -> None:
    """Require one short printable line."""
    if not least <= len(value) <= MAX_WORD or not names.printable(value):
        raise Rejected(
            "E_WORD",
            f"{kind} {value!r:.80} is no valid word",
            expected=f"{least} to {MAX_WORD} printable characters",
        )


def text(kind: str, value: str, *, most: int = MAX_TEXT) -> None:
    """Require a text of bounded length without NUL."""
    if len(value) > most or "\0" in value:
        raise Rejected(
            "E_TEXT",
            f"{kind} {value!r:.80} is no valid text",
            expected=f"at most {most} characters, none of them NUL",
        )


def at_least(least: int, kind: str, *values: int) -> None:
    """Require numbers from `least` on."""
    for value in values:
        if value < least:
            raise Rejected("E_RANGE", f"{kind} is {value}", expected=f"{least} or more")


def finite(kind: str, values: Iterable[Scalar | None]) -> None:
    """Require that no number is NaN or infinite."""
    for value in values:
        if isinstance(value, float) and not math.isfinite(value):
            raise Rejected("E_RANGE", f"{kind} is {value}", expected="a finite number")
