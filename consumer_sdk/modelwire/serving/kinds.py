"""What a value of an event must be for each type of input: quick checks, and one exact one.

The quick checks may turn a right value away, never let a wrong one through; what they turn away
goes to `settle`, which has the last word and says what is wrong.
"""

# ruff: noqa: D102 - what the methods promise stands once, in Kind

import math
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from modelwire.loading.tensors import DTYPES, Array
from modelwire.serving.faults import is_a, mistyped, out_of_range, refuse_null
from modelwire_schemas.errors import Rejected

Mask: TypeAlias = npt.NDArray[np.bool_]
Shape: TypeAlias = tuple[int, ...]

QUICK_ERRORS = (LookupError, TypeError, ValueError, ArithmeticError, struct.error)
"""What a quick check may raise on its way to saying no."""

_BOOLS: frozenset[type] = frozenset({bool, np.bool_})
_INTEGERS: frozenset[type] = frozenset({int, *(np.dtype(c).type for c in "bhilqBHILQ")})
_NUMBERS = _INTEGERS | {float, np.float16, np.float32, np.float64}
_NULLABLE = _NUMBERS | {type(None)}


class Kind(ABC):
    """The checks of one type.

    `null` stands for null where a column is nullable, if anything can. `blank` is a value that
    nobody reads.
    """

    dtype: np.dtype[Any]
    null: object = None
    blank: object = 0

    @abstractmethod
    def plain(self, values: Sequence[Any]) -> bool:
        """Tell quickly whether all values of a row are right; False or an error means: look."""

    @abstractmethod
    def maker(self, count: int, shape: Shape) -> Callable[[Sequence[Any]], Array]:
        """Return what turns `count` right values into a new array."""

    @abstractmethod
    def batch(self, flat: list[Any], fills: Sequence[object]) -> Array | None:
        """Return the values of many rows as a new array; None or an error means: look.

        `fills` stand in for null, one a column, or None.
        """

    @abstractmethod
    def cast(self, array: Array) -> tuple[Array, Mask] | None:
        """Return an array in this type and where it is right; None: look at every value.

        The array may share the memory of the one given.
        """

    @abstractmethod
    def settle(self, field: str, value: Any) -> object:  # noqa: ANN401
        """Return the value that `maker` takes; raises Rejected, `E_FIELD_…` or `E_SHAPE`."""


def kind_of(dtype: str) -> Kind:
    """Return the checks for a type; raises Rejected `E_CONTRACT` when events cannot feed it."""
    if dtype == "string":
        return Texts()
    if dtype not in DTYPES:
        raise Rejected(
            "E_CONTRACT",
            f"no event field can feed a {dtype}",
            expected=", ".join(sorted(DTYPES)) + " or string",
        )
    makers: dict[str, Callable[[np.dtype[Any]], Kind]] = {
        "f": Floats,
        "i": Integers,
        "u": Integers,
        "b": Booleans,
    }
    return makers[np.dtype(dtype).kind](np.dtype(dtype))


class _Packed(Kind):
    """Numbers and bool, packed by `struct`, which is quicker than an array made from a list.

    Numpy's letters for its types are those of `struct`.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype

    def maker(self, count: int, shape: Shape) -> Callable[[Sequence[Any]], Array]:
        pack = struct.Struct(f"{count}{self.dtype.char}").pack
        array, dtype = np.ndarray, self.dtype
        return lambda values: array(shape, dtype, bytearray(pack(*values)))


class Floats(_Packed):
    """An int or a float, no bool and no text; finite, and of a size that the type can hold.

    An integer has to fit into 64 bits, since nothing that carries events holds a larger one.
    """

    null = math.nan

    def __init__(self, dtype: np.dtype[Any]) -> None:
        super().__init__(dtype)
        # Below it no square is infinite, and no integer has more than 64 bits.
        self._limit = min(2.0**62, math.sqrt(np.finfo(dtype).max))
        self._square = self._limit**2

    # A norm below the limit proves that no value is NaN, infinite or too large.

    def plain(self, values: Sequence[Any]) -> bool:
        return _NUMBERS.issuperset(map(type, values)) and math.hypot(*values) <= self._limit

    def batch(self, flat: list[Any], fills: Sequence[object]) -> Array | None:
        if not _NUMBERS.issuperset(map(type, flat)):
            return self._filled(flat, fills)
        array = self.maker(len(flat), (len(flat),))(flat)
        within = np.vdot(array, array) <= self._square  # vdot goes to infinity without a warning
        return array if within else self._filled(flat, fills)

    def _filled(self, flat: list[Any], fills: Sequence[object]) -> Array | None:
        """Return the values with null filled in; None when there is more to look at."""
        if fills.count(None) == len(fills) or not _NULLABLE.issuperset(map(type, flat)):
            return None
        with np.errstate(over="ignore"):
            array = np.array(flat, self.dtype).reshape(-1, len(fills))  # None becomes NaN
        stand_ins = [math.inf if fill is None else fill for fill in fills]
        array = np.where(np.isnan(array), np.array(stand_ins, self.dtype), array)
        within = np.isnan(array) | (np.abs(array) <= self._limit)
        return array.ravel() if within.all() else None

    def cast(self, array: Array) -> tuple[Array, Mask] | None:
        if array.dtype.kind not in "fiu":
            return None
        with np.errstate(over="ignore"):
            # Through float64, as a number of Python goes.
            wide = array if array.dtype.kind == "f" else array.astype(np.float64)
            out = wide.astype(self.dtype, copy=False)
        right = np.isfinite(out)
        if array.dtype == np.uint64:
            right &= array < np.uint64(2**63)
        return out, right

    def settle(self, field: str, value: Any) -> object:  # noqa: ANN401
        refuse_null(field, value, "a number")
        if not _is_number(value, Real):
            raise mistyped(field, value, "a number")
        if _is_number(value, Integral) and not -(2**63) <= value < 2**63:
            raise out_of_range(field, value, "an integer of at most 64 bits")
        if is_a(value, float, np.floating) and np.isinf(value):
            raise Rejected(
                "E_FIELD_INFINITE", f"field {field!r} is {value}", expected="a finite number"
            )
        if not self._holds(value):
            raise out_of_range(field, value, f"a number that {self.dtype} can hold")
        return value

    def _holds(self, value: Any) -> bool:  # noqa: ANN401
        try:
            with np.errstate(over="ignore"):
                return bool(np.isfinite(np.float64(float(value)).astype(self.dtype)))
        except OverflowError:  # a Fraction beyond all floats
            return False


class Integers(_Packed):
    """An int that fits the type: no bool, no text, and no float, not even 1.0."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        super().__init__(dtype)
        self._low, self._high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)

    def plain(self, values: Sequence[Any]) -> bool:
        if not _INTEGERS.issuperset(map(type, values)):
            return False
        return bool(self._low <= min(values) and max(values) <= self._high)

    def batch(self, flat: list[Any], fills: Sequence[object]) -> Array | None:  # noqa: ARG002
        if not _INTEGERS.issuperset(map(type, flat)):
            return None
        return self.maker(len(flat), (len(flat),))(flat)

    def cast(self, array: Array) -> tuple[Array, Mask] | None:
        if array.dtype.kind not in "iu":
            return None
        out = array.astype(self.dtype, copy=False)
        return out, (out.astype(array.dtype) == array) & ((out < 0) == (array < 0))

    def settle(self, field: str, value: Any) -> object:  # noqa: ANN401
        refuse_null(field, value, "an integer")
        if not _is_number(value, Integral):
            raise mistyped(field, value, "an integer")
        if not self._low <= value <= self._high:
            raise out_of_range(field, value, f"an integer that {self.dtype} can hold")
        return value


class Booleans(_Packed):
    """A bool, and nothing that only could be taken for one."""

    def plain(self, values: Sequence[Any]) -> bool:
        return _BOOLS.issuperset(map(type, values))

    def batch(self, flat: list[Any], fills: Sequence[object]) -> Array | None:  # noqa: ARG002
        return self.maker(len(flat), (len(flat),))(flat) if self.plain(flat) else None

    def cast(self, array: Array) -> tuple[Array, Mask] | None:
        return (array, np.ones(array.shape, np.bool_)) if array.dtype.kind == "b" else None

    def settle(self, field: str, value: Any) -> object:  # noqa: ANN401
        refuse_null(field, value, "true or false")
        if not is_a(value, bool, np.bool_):
            raise mistyped(field, value, "true or false")
        return value


class Texts(Kind):
    """A str that UTF-8 can carry."""

    dtype: np.dtype[Any] = np.dtype(object)
    null = ""
    blank = ""

    def plain(self, values: Sequence[Any]) -> bool:
        joined = "".join(values)
        return joined.isascii() or bool(joined.encode())

    def maker(self, count: int, shape: Shape) -> Callable[[Sequence[Any]], Array]:
        def make(values: Sequence[Any]) -> Array:
            array = np.empty(count, object)
            array[:] = values
            return array.reshape(shape)

        return make

    def batch(self, flat: list[Any], fills: Sequence[object]) -> Array | None:  # noqa: ARG002
        return self.maker(len(flat), (len(flat),))(flat) if self.plain(flat) else None

    def cast(self, array: Array) -> tuple[Array, Mask] | None:  # noqa: ARG002
        return None

    def settle(self, field: str, value: Any) -> object:  # noqa: ANN401
        refuse_null(field, value, "text")
        if not isinstance(value, str):
            raise mistyped(field, value, "text")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Rejected(
                "E_FIELD_TYPE",
                f"field {field!r} holds half a character (a lone surrogate)",
                expected="text that UTF-8 can carry",
            ) from None
        return str.__str__(value)


def _is_number(value: Any, kind: type[Any]) -> bool:  # noqa: ANN401
    return is_a(value, kind) and not is_a(value, bool, np.timedelta64)
