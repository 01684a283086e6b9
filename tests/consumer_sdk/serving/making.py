"""Contracts, events and a slow second opinion for the tests of serving."""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

from modelwire.loading.tensors import DTYPES, Array
from modelwire_schemas.release import Column, Contract, Feed, Scalar, Tensor

_FLOATS: tuple[type[Any], ...] = (float, np.floating)
_INTS: tuple[type[Any], ...] = (int, np.integer)
_NO_NUMBERS: tuple[type[Any], ...] = (bool, np.bool_, np.timedelta64)

OUTPUTS = (Tensor("late", "float32", (None,)),)


def tensor_contract(fields: Sequence[str | Column], dtype: str = "float32") -> Contract:
    """One input, `features`, with a column for each field."""
    columns = tuple(Column(field) if isinstance(field, str) else field for field in fields)
    tensor = Tensor("features", dtype, (None, len(columns)))
    return Contract((tensor,), OUTPUTS, (Feed("features", columns),))


def column_contract(rank: int = 2, **dtypes: str) -> Contract:
    """One input a column, of the same name."""
    shape = (None, 1)[:rank]
    return Contract(
        tuple(Tensor(name, dtype, shape) for name, dtype in dtypes.items()),
        OUTPUTS,
        tuple(Feed(name, (Column(name),)) for name in dtypes),
    )


class Wrong(Exception):
    """The second opinion's word for a faulty event: code and field."""


def reference(contract: Contract, event: Mapping[str, object]) -> dict[str, list[object]]:
    """What the contract says of an event, read value by value; raises Wrong."""
    dtypes = {tensor.name: tensor.dtype for tensor in contract.inputs}
    return {
        feed.input: [_value(column, dtypes[feed.input], event) for column in feed.columns]
        for feed in contract.feeds
    }


def _value(column: Column, dtype: str, event: Mapping[str, object]) -> object:
    value: Any = event.get(column.field)
    if value is None or (isinstance(value, _FLOATS) and math.isnan(value)):
        if column.default is not None:
            return column.default
        if column.nullable:
            return "" if dtype == "string" else math.nan
        code = "E_FIELD_NULL" if value is None else "E_FIELD_NAN"
        raise Wrong(code if column.field in event else "E_FIELD_MISSING", column.field)
    if isinstance(value, list):
        raise Wrong("E_SHAPE", column.field)
    fault = _fault(value, dtype)
    if fault:
        raise Wrong(fault, column.field)
    return value


def _fault(value: Any, dtype: str) -> str:  # noqa: ANN401
    if dtype == "string":
        return _text_fault(value)
    if dtype == "bool":
        return "" if type(value) in (bool, np.bool_) else "E_FIELD_TYPE"
    if isinstance(value, _NO_NUMBERS):
        return "E_FIELD_TYPE"
    if isinstance(value, _INTS):
        low, high = (-(2**63), 2**63 - 1) if dtype.startswith("f") else _limits(dtype)
        return "" if low <= int(value) <= high and _fits(int(value), dtype) else "E_FIELD_RANGE"
    if not dtype.startswith("f") or not isinstance(value, (*_FLOATS, Fraction)):
        return "E_FIELD_TYPE"
    if value in (math.inf, -math.inf):
        return "E_FIELD_INFINITE"
    return "" if _fits(value, dtype) else "E_FIELD_RANGE"


def _text_fault(value: object) -> str:
    if not isinstance(value, str) or any(0xD800 <= ord(c) < 0xE000 for c in value):
        return "E_FIELD_TYPE"
    return ""


def _limits(dtype: str) -> tuple[int, int]:
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


def _fits(value: object, dtype: str) -> bool:
    if not dtype.startswith("f"):
        return True
    try:
        with np.errstate(over="ignore"):
            return bool(np.isfinite(np.array([value], object).astype(float).astype(dtype)[0]))
    except OverflowError:
        return False


def same(made: Mapping[str, Array], wanted: Mapping[str, Sequence[object]]) -> bool:
    """Tell whether inputs of one row are the wanted values, to the bit."""
    for name, values in wanted.items():
        flat = made[name].ravel()
        if flat.dtype == object:
            right = flat.tolist() == list(values)
        elif flat.dtype.kind == "f":
            wide = np.array([float(v) for v in values], np.float64)  # type: ignore[arg-type]
            right = np.array_equal(flat, wide.astype(flat.dtype), equal_nan=True)
        else:
            right = np.array_equal(flat, np.array(values, flat.dtype))
        if not right:
            return False
    return set(made) == set(wanted)


def equal(one: Mapping[str, Array], other: Mapping[str, Array]) -> bool:
    """Tell whether two feeds are the same: names, types, shapes and bits."""
    return list(one) == list(other) and all(
        a.dtype == b.dtype and a.shape == b.shape and _same_items(a, b)
        for a, b in zip(one.values(), other.values(), strict=True)
    )


def _same_items(a: Array, b: Array) -> bool:
    return a.tolist() == b.tolist() if a.dtype == object else a.tobytes() == b.tobytes()


_NUMBERS: tuple[object, ...] = (
    *(0, 1, -1, 7, 127, 128, 255, -129, 2**31, 2**53 + 1, 2**62, 2**63 - 1, -(2**63)),
    *(2**63, -(2**63) - 1, 2**64, 2**70, 10**400, Fraction(1, 2), Fraction(10**400)),
    *(0.0, -0.0, 1.0, 1.5, -2.5, 65504.0, 65519.9, 65520.0, 1e19, 1e-50, 1.8e308),
    *(3.4e38, 3.4028235677973366e38, -3.5e38, 1e39, np.float64(0.1), np.float32(0.1)),
    *(np.float16(2.5), np.int8(3), np.uint64(2**63), math.inf, -math.inf, np.float32("inf")),
)
_OTHERS: tuple[object, ...] = (
    *(None, math.nan, np.float64("nan"), True, False, np.True_, object(), 1j, np.complex64(1)),
    *("1", "1.5", "", "é", "\ud800", "NaN", b"1", np.str_("5"), [1.0], [], Decimal("1.5")),
    *(np.datetime64("2020-01-01"), np.timedelta64(5, "s")),
)

GOOD: Mapping[str, st.SearchStrategy[object]] = {
    "string": st.text(st.characters(codec="utf-8"), max_size=3),
    "bool": st.booleans(),
    "float16": st.floats(width=16, allow_nan=False, allow_infinity=False) | st.integers(-99, 99),
    "float32": st.floats(width=32, allow_nan=False, allow_infinity=False) | st.integers(0, 3),
    "float64": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63 - 1),
    **{dtype: st.integers(*_limits(dtype)) for dtype in DTYPES if "int" in dtype},
}

ANY_VALUE = st.sampled_from((*_NUMBERS, *_OTHERS))
DEFAULTS: dict[str, Scalar] = {"string": "?", "bool": True}


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    """Up to three inputs of any type, with one or two axes and one to three columns."""
    tensors: list[Tensor] = []
    feeds: list[Feed] = []
    for number in range(draw(st.integers(1, 3))):
        dtype = draw(st.sampled_from(sorted(GOOD)))
        rank = draw(st.integers(1, 2))
        width = draw(st.integers(1, 3)) if rank == 2 else 1
        names = [f"{'abc'[number]}{column}" for column in range(width)]
        tensors.append(Tensor(f"in{number}", dtype, (None, width)[:rank]))
        feeds.append(Feed(f"in{number}", tuple(draw(_columns(name, dtype)) for name in names)))
    return Contract(tuple(tensors), OUTPUTS, tuple(feeds))


@st.composite
def _columns(draw: st.DrawFn, field: str, dtype: str) -> Column:
    default = draw(st.sampled_from([None, None, DEFAULTS.get(dtype, 3)]))
    able = dtype == "string" or dtype.startswith("f") or default is not None
    return Column(field, nullable=able and draw(st.booleans()), default=default)


@st.composite
def events(draw: st.DrawFn, contract: Contract) -> dict[str, object]:
    """An event that mostly fits: now and then a field is odd, or not there."""
    dtypes = {tensor.name: tensor.dtype for tensor in contract.inputs}
    event: dict[str, object] = {"beside": "the point"}
    for feed in contract.feeds:
        for column in feed.columns:
            chance = draw(st.integers(0, 19))
            if chance < 16:
                event[column.field] = draw(GOOD[dtypes[feed.input]])
            elif chance < 18:
                event[column.field] = draw(st.sampled_from([None, math.nan]))
            elif chance == 18:
                event[column.field] = draw(ANY_VALUE)
    return event
