"""From an array to the only input of a model."""

from collections.abc import Callable
from typing import Any

import numpy as np

from modelwire.loading.tensors import Array
from modelwire.serving.faults import empty, is_a
from modelwire.serving.kinds import Kind
from modelwire.serving.slots import Group, Inputs
from modelwire_schemas.errors import Rejected


def array_taker(group: Group) -> Callable[[Any], Inputs]:
    """Return what makes inputs of an array: one row or a batch, in the type or one that fits it.

    For an input with one axis it is a batch of values. What it returns raises Rejected `E_SHAPE`,
    `E_FIELD_TYPE`, `E_FIELD_RANGE` or `E_EMPTY_BATCH`, and does not look for NaN or infinities.
    """
    name, kind, width, tail = group.names[0], group.kind, group.width, group.tail
    own, dtype, axes = np.ndarray, kind.dtype, len(tail) + 1

    def take(given: Any) -> Inputs:  # noqa: ANN401
        if given.__class__ is own and given.dtype == dtype:
            shape = given.shape
            if len(shape) == axes == 2 and shape[1] == width and shape[0]:
                return {name: given}
        array = given if is_a(given, own) else np.empty(())
        if axes == 2 and array.shape == (width,):
            array = array.reshape(1, width)
        if array.ndim != axes or array.shape[1:] != tail:
            raise _misshapen(given, width, axes)
        if not len(array):
            raise empty()
        return {name: array if array.dtype == dtype else _cast(kind, name, array)}

    return take


def no_array(given: Any) -> Inputs:  # noqa: ANN401
    """Raise Rejected `E_SHAPE`: the model takes several inputs, or text."""
    raise Rejected(
        "E_SHAPE",
        f"the event is a {type(given).__name__}",
        expected="a mapping of field names to values, since the model takes several inputs or text",
    )


def several_rows(count: int) -> Rejected:
    """Return the error for a batch in the place of one event."""
    return Rejected(
        "E_SHAPE", f"the event is {count} rows", expected="one row", todo="give predict_batch many"
    )


def _cast(kind: Kind, name: str, array: Array) -> Array:
    cast = kind.cast(array)
    if cast is None:
        raise Rejected("E_FIELD_TYPE", f"input {name!r} is {array.dtype}", expected=str(kind.dtype))
    made, right = cast
    if not (right | ~np.isfinite(array)).all():
        raise Rejected(
            "E_FIELD_RANGE",
            f"input {name!r} holds a number that is too large",
            expected=f"numbers that {kind.dtype} can hold",
        )
    return made


def _misshapen(given: Any, width: int, axes: int) -> Rejected:  # noqa: ANN401
    found = (
        f"an array of shape {list(given.shape)}"
        if is_a(given, np.ndarray)
        else type(given).__name__
    )
    rows = f"shape [{width}] for one row or [n, {width}] for many" if axes == 2 else "shape [n]"
    return Rejected(
        "E_SHAPE", f"the event is {found}", expected=f"a mapping, or an array of {rows}"
    )
