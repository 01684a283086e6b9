"""Tensors by value, as arrays and back, and the first place where answers differ."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import TensorValue

Array: TypeAlias = npt.NDArray[Any]

DTYPES = frozenset(
    ["bool", "float16", "float32", "float64"]
    + [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
)
"""The types whose bytes may travel; beside them there is `string`."""


def to_array(value: TensorValue) -> Array:
    """Return the array that `value` describes, read-only; strings become objects.

    Raises Rejected `E_TENSOR` when type, shape and content do not fit each other.
    """
    if value.dtype != "string" and value.dtype not in DTYPES:
        raise _unfit(value, f"type {value.dtype!r} is unknown", "a number type, bool or string")
    count = math.prod(value.shape)
    if min(value.shape, default=0) < 0:
        raise _unfit(value, f"shape {value.shape} has a negative axis", "axes of 0 and more")
    if value.dtype == "string":
        if value.data or len(value.strings) != count:
            raise _unfit(value, f"{len(value.strings)} strings", f"{count} strings and no bytes")
        return np.array(value.strings, dtype=object).reshape(value.shape)
    kind = np.dtype(value.dtype).newbyteorder("<")
    if value.strings or len(value.data) != count * kind.itemsize:
        raise _unfit(value, f"{len(value.data)} bytes", f"{count * kind.itemsize} bytes")
    array = np.frombuffer(value.data, dtype=kind).reshape(value.shape)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def from_array(name: str, array: npt.ArrayLike) -> TensorValue:
    """Return `array` by value, little-endian; text of any kind becomes strings.

    Raises Rejected `E_TENSOR` for a type that does not travel.
    """
    given = np.asarray(array)
    if given.dtype.kind in "OUST":
        texts = tuple(_text(name, item) for item in given.ravel().tolist())
        return TensorValue(name, "string", given.shape, strings=texts)
    if given.dtype.name not in DTYPES:
        raise Rejected(
            "E_TENSOR",
            f"type {given.dtype.name} does not travel",
            where=f"tensor {name!r}",
            expected="numbers, bool or text",
        )
    little = given.astype(given.dtype.newbyteorder("<"), copy=False)
    return TensorValue(name, given.dtype.name, given.shape, data=little.tobytes())


def feed(values: Sequence[TensorValue]) -> dict[str, Array]:
    """Return arrays by name, as a model takes them."""
    return {value.name: to_array(value) for value in values}


def compare(
    outputs: Mapping[str, Array], wanted: Sequence[TensorValue], tolerance: float
) -> str | None:
    """Return the first difference between `outputs` and `wanted`; None if there is none.

    Numbers may be off by `tolerance`, absolute plus relative to the wanted value; integers, bool
    and text not at all. NaN equals only NaN, and an infinity only itself.
    """
    for value in wanted:
        if value.name not in outputs:
            return f"output {value.name!r} is missing"
        found = _difference(outputs[value.name], to_array(value), tolerance)
        if found is not None:
            return f"output {value.name!r} {found}"
    return None


def first_nan(outputs: Mapping[str, Array]) -> str | None:
    """Return where the first NaN stands; None if there is none."""
    for name, array in outputs.items():
        if array.dtype.kind == "f":
            places = np.argwhere(np.isnan(array))
            if len(places):
                return f"output {name!r} is NaN at {_index(places[0])}"
    return None


def _difference(got: Array, wanted: Array, tolerance: float) -> str | None:
    if got.shape != wanted.shape:
        return f"has shape {got.shape}, expected {wanted.shape}"
    if got.dtype.kind == "f" and wanted.dtype.kind == "f":
        same = np.isclose(got, wanted, rtol=tolerance, atol=tolerance, equal_nan=True)
    elif got.dtype != wanted.dtype and "O" not in (got.dtype.kind + wanted.dtype.kind):
        return f"is {got.dtype.name}, expected {wanted.dtype.name}"
    else:
        same = np.asarray(got == wanted)
    places = np.argwhere(~same)
    if not len(places):
        return None
    at = tuple(places[0])
    return f"is {got[at]!r} at {_index(places[0])}, expected {wanted[at]!r} within {tolerance:g}"


def _index(place: npt.NDArray[np.intp]) -> str:
    return "[" + ", ".join(str(int(axis)) for axis in place) + "]"


def _text(name: str, item: object) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item, bytes):
        return item.decode("utf-8", "replace")
    raise Rejected("E_TENSOR", f"{item!r} is no text", where=f"tensor {name!r}", expected="strings")


def _unfit(value: TensorValue, what: str, expected: str) -> Rejected:
    return Rejected("E_TENSOR", what, where=f"tensor {value.name!r}", expected=expected)
