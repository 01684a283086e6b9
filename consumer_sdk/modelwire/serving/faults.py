"""What may be wrong with an event or a batch, and how it is said."""

import reprlib
from typing import Any

import numpy as np

from modelwire_schemas.errors import Rejected

_NULLS = frozenset({"NoneType", "NAType", "NaTType"})


def is_a(value: object, *kinds: type[Any]) -> bool:
    """Tell what `isinstance` tells, where a type checker would only learn half a type by it."""
    return isinstance(value, kinds)


def is_null(value: object) -> bool:
    """Tell whether a value says that there is none: None, a missing mark of pandas, or NaN."""
    return _is_nan(value) or type(value).__name__ in _NULLS


def refuse_null(field: str, value: object, expected: str) -> None:
    """Raise Rejected `E_FIELD_NAN` or `E_FIELD_NULL` when a value says that there is none."""
    if is_null(value):
        code, word = ("E_FIELD_NAN", "NaN") if _is_nan(value) else ("E_FIELD_NULL", "null")
        raise Rejected(
            code,
            f"field {field!r} is {word}",
            expected=expected,
            todo="send it, or make the column nullable in the contract",
        )


def missing(field: str) -> Rejected:
    """Return the error for a field that is not there."""
    return Rejected(
        "E_FIELD_MISSING",
        f"field {field!r} is missing",
        todo="send it, or make the column nullable in the contract",
    )


def mistyped(field: str, value: Any, expected: str) -> Rejected:  # noqa: ANN401
    """Return the error for a value of another type, or for several values in one field."""
    if is_a(value, list, tuple, set, frozenset, dict) or (is_a(value, np.ndarray) and value.ndim):
        what = f"field {field!r} holds a {type(value).__name__} of {len(value)}"
        return Rejected("E_SHAPE", what, expected=f"one value, {expected}")
    return Rejected("E_FIELD_TYPE", f"field {field!r} is {_shown(value)}", expected=expected)


def out_of_range(field: str, value: object, expected: str) -> Rejected:
    """Return the error for a number that is too large, or too far below zero."""
    return Rejected("E_FIELD_RANGE", f"field {field!r} is {_shown(value)}", expected=expected)


def empty() -> Rejected:
    """Return the error for a batch without rows."""
    return Rejected("E_EMPTY_BATCH", "the batch has no rows", expected="at least one")


def _is_nan(value: Any) -> bool:  # noqa: ANN401
    return is_a(value, float, np.floating) and bool(value != value)


def _shown(value: object) -> str:
    # A hostile integer has more digits than Python is willing to print.
    if isinstance(value, int) and value.bit_length() > 256:
        return f"an int of {value.bit_length()} bits"
    return f"{reprlib.repr(value)} ({type(value).__name__})"
