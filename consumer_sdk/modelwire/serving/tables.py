"""From a table to a model's inputs: a mapping of arrays or lists, pandas, polars or pyarrow.

Tables are known by how they behave; no library of theirs is imported.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from modelwire.loading.tensors import Array
from modelwire.serving.faults import empty, is_a, is_null, missing
from modelwire.serving.kinds import QUICK_ERRORS, Floats
from modelwire.serving.slots import Batch, Fault, Group, Inputs, Slot
from modelwire_schemas.errors import Rejected

Column: TypeAlias = Array | list[Any]


class Taken(NamedTuple):
    """A column in its input's type, and the rows where it has no right value."""

    array: Array
    faulty: Mapping[int, Rejected]


def columns(slots: Sequence[Slot], groups: Sequence[Group], table: Any) -> Batch:  # noqa: ANN401
    """Return the inputs of a table's rows; a faulty row does not lose its neighbours.

    Raises Rejected `E_FIELD_MISSING`, `E_EMPTY_BATCH`, and `E_SHAPE` for what is no table, or has
    columns of different lengths.
    """
    names = _names(table)
    found = [_column(table, slot) if slot.field in names else None for slot in slots]
    size = _size(slots, found)
    taken = [_take(slot, column, size) for slot, column in zip(slots, found, strict=True)]
    faulty: dict[int, Rejected] = {}
    for column in taken:
        faulty = {**column.faulty, **faulty}
    if not faulty:
        return Batch(_inputs(groups, [column.array for column in taken]), size)
    right = np.ones(size, np.bool_)
    right[list(faulty)] = False
    good = np.flatnonzero(right)
    faults = tuple(Fault(row, faulty[row]) for row in sorted(faulty))
    return Batch(_inputs(groups, [column.array[good] for column in taken]), size, good, faults)


def _inputs(groups: Sequence[Group], arrays: Sequence[Array]) -> Inputs:
    inputs: Inputs = {}
    for group in groups:
        inputs |= group.columns(arrays)
    return inputs


def _names(table: Any) -> set[str]:  # noqa: ANN401
    if is_a(table, Mapping):
        return set(table)
    if hasattr(table, "__getitem__") and hasattr(table, "__len__"):
        for hint in ("column_names", "columns"):
            if hasattr(table, hint):
                return set(getattr(table, hint))
    raise Rejected(
        "E_SHAPE",
        f"a {type(table).__name__} is no table",
        expected="a mapping of arrays, or a pandas, polars or pyarrow table",
    )


def _column(table: Any, slot: Slot) -> Column:  # noqa: ANN401
    column: Any = table[slot.field]
    if hasattr(column, "to_numpy"):
        column = _from_library(column, slot)
    elif is_a(column, np.ma.MaskedArray):
        column = _items(column)
    elif hasattr(column, "__array__"):
        column = np.asarray(column)
    elif is_a(column, str, bytes, Mapping) or not is_a(column, Collection):
        what = f"column {slot.field!r} is a {type(column).__name__}"
        raise Rejected("E_SHAPE", what, expected="an array or a list with a value for each row")
    if getattr(column, "ndim", 1) != 1:
        what = f"column {slot.field!r} has {column.ndim} axes"
        raise Rejected("E_SHAPE", what, expected="one axis, with a value for each row")
    made: Column = column if is_a(column, np.ndarray) else list(column)
    return made


def _from_library(column: Any, slot: Slot) -> Any:  # noqa: ANN401
    nulls = getattr(column, "null_count", None) or getattr(column, "hasnans", False)
    if (nulls() if callable(nulls) else nulls) and not isinstance(slot.kind, Floats):
        # As an array they would become floats, with NaN for null.
        return column.to_pylist() if hasattr(column, "to_pylist") else column.to_list()
    arrow = hasattr(column, "to_pylist")
    return np.asarray(column.to_numpy(zero_copy_only=False) if arrow else column.to_numpy())


def _size(slots: Sequence[Slot], found: Sequence[Column | None]) -> int:
    for slot, column in zip(slots, found, strict=True):
        if column is None and slot.fill is None:
            raise missing(slot.field)
    sizes = {s.field: len(c) for s, c in zip(slots, found, strict=True) if c is not None}
    if not sizes:
        raise missing(slots[0].field)
    first, size = next(iter(sizes.items()))
    for field, other in sizes.items():
        if other != size:
            what = f"column {field!r} has {other} rows, and column {first!r} has {size}"
            raise Rejected("E_SHAPE", what, expected="columns of one length")
    if not size:
        raise empty()
    return size


def _take(slot: Slot, column: Column | None, size: int) -> Taken:
    if column is None:
        return Taken(slot.kind.maker(size, (size,))([slot.fill] * size), {})
    if isinstance(column, np.ndarray):
        return _cast(slot, column) or _settled(slot, _items(column))
    try:
        array = slot.kind.batch(column, [slot.fill])
    except QUICK_ERRORS:
        array = None
    return _settled(slot, column) if array is None else Taken(array, {})


def _cast(slot: Slot, column: Array) -> Taken | None:
    cast = slot.kind.cast(column)
    if cast is None:
        return None
    array, right = cast
    if right.all():
        return Taken(array, {})
    if slot.fill is not None and column.dtype.kind == "f":
        nulls = np.isnan(column)
        right |= nulls
        if not is_null(slot.fill):
            array = np.where(nulls, np.asarray(slot.fill, array.dtype), array)
    return Taken(array, dict(_refused(slot, column, np.flatnonzero(~right).tolist())))


def _refused(slot: Slot, column: Array, rows: Iterable[int]) -> Iterator[tuple[int, Rejected]]:
    for row in rows:
        try:
            slot.settle(column[row].item())
        except Rejected as error:
            yield row, error


def _settled(slot: Slot, column: Sequence[Any]) -> Taken:
    faulty: dict[int, Rejected] = {}
    values: list[object] = []
    for row, value in enumerate(column):
        try:
            values.append(slot.settle(value))
        except Rejected as error:
            faulty[row] = error
            values.append(slot.kind.blank)
    return Taken(slot.kind.maker(len(values), (len(values),))(values), faulty)


def _items(array: Array) -> list[Any]:
    # Numbers for dates would pass for numbers.
    return list(array.tolist() if array.dtype.kind in "biufOUST" else array)
