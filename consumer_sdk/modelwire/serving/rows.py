"""A batch of events as they were given: rows, columns, a table or a matrix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from modelwire.serving.features import Features
from modelwire.serving.plan import Coordinates, Event
from modelwire.serving.slots import Batch
from modelwire_schemas.errors import Rejected

Indices: TypeAlias = npt.NDArray[np.intp]
Fields: TypeAlias = Mapping[str, object]
Given: TypeAlias = Any
"""A sequence of mappings, a mapping of arrays, a pandas, polars or pyarrow table, or a matrix."""

_NONE: Fields = {}


@dataclass(frozen=True, slots=True)
class Taken:
    """What rules ask of some rows, in columns; None where there is nothing."""

    keys: Sequence[object]
    bodies: Sequence[Fields] | None
    headers: Sequence[Fields] | None
    sources: Sequence[Coordinates | None] | None


class Rows:
    """n events, and what routing and models want of them."""

    def __init__(
        self,
        given: Given,
        keys: Sequence[object] | None,
        headers: Sequence[Fields] | None,
        sources: Sequence[Coordinates | None] | None,
    ) -> None:
        self._given = given
        self._in_rows = _is_rows(given)
        self._size = _count(given)
        self._listed: Mapping[object, Sequence[object]] | None = None
        self.keys = keys
        self.headers = headers
        self.sources = sources
        for name, column in (("keys", keys), ("headers", headers), ("sources", sources)):
            if column is not None and len(column) != self._size:
                text = f"{len(column)} {name} for {self._size} rows"
                raise Rejected("E_SHAPE", text, expected=f"one a row, or no {name}")

    def __len__(self) -> int:
        return self._size

    def copied(self) -> "Rows":
        """Return the same events, which stay as they are when the caller changes his."""
        given: Given = self._given
        if self._in_rows:
            given = [row.copy() if hasattr(row, "copy") else row for row in given]
        elif hasattr(given, "copy"):
            given = given.copy()
        return Rows(given, self.keys, self.headers, self.sources)

    def body(self, row: int) -> object:
        """Return one event as a model takes it."""
        if self._in_rows:
            return self._given[row]
        if isinstance(self._given, np.ndarray):
            return cast("npt.NDArray[Any]", self._given)[row : row + 1]
        return self.fields(row)

    def fields(self, row: int) -> Fields:
        """Return the fields of one event; a matrix has none."""
        if self._in_rows:
            return cast("Fields", self._given[row])
        if isinstance(self._given, np.ndarray):
            return _NONE
        if self._listed is None:
            self._listed = _columns(self._given)
        return {str(name): column[row] for name, column in self._listed.items()}

    def event(self, row: int) -> Event:
        """Return what the rules may ask of one event."""
        return Event(
            cast("Any", self.keys[row] if self.keys is not None else None),
            self.body(row),
            self.headers[row] if self.headers is not None else _NONE,
            self.sources[row] if self.sources is not None else None,
        )

    def take(self, rows: Indices | None, *, with_fields: bool) -> Taken:
        """Return what the rules ask of `rows`; of all where that is None."""
        numbers = range(self._size) if rows is None else rows.tolist()
        keys = self.keys if self.keys is not None else [None] * self._size
        bodies = [self.fields(row) for row in numbers] if with_fields else None
        if rows is None:
            return Taken(keys, bodies, self.headers, self.sources)
        return Taken(
            [keys[row] for row in numbers],
            bodies,
            None if self.headers is None else [self.headers[row] for row in numbers],
            None if self.sources is None else [self.sources[row] for row in numbers],
        )

    def inputs(self, features: Features, rows: Indices | None) -> Batch:
        """Return the model's inputs for `rows`; numbers in the result count within `rows`."""
        if self._in_rows:
            some = self._given if rows is None else [self._given[row] for row in rows.tolist()]
            return features.rows(cast("Sequence[Fields]", some))
        if isinstance(self._given, np.ndarray):
            matrix = cast("npt.NDArray[Any]", self._given)
            return _of_matrix(features, matrix if rows is None else matrix[rows])
        whole = features.columns(self._given)
        return whole if rows is None else _some(whole, rows)


def _of_matrix(features: Features, matrix: npt.NDArray[Any]) -> Batch:
    """Return a matrix as a batch; one row without its own axis is none."""
    inputs = features.array(matrix)
    (array,) = inputs.values()
    if len(array) != len(matrix):
        raise Rejected("E_SHAPE", "the batch is one row", expected="a matrix of rows")
    return Batch(inputs, len(matrix))


def _some(whole: Batch, rows: Indices) -> Batch:
    """Return a batch with only some of its rows."""
    if whole.good is None:
        return Batch({name: array[rows] for name, array in whole.inputs.items()}, len(rows))
    place = {row: i for i, row in enumerate(whole.good.tolist())}
    wanted = rows.tolist()
    good = [i for i, row in enumerate(wanted) if row in place]
    at = np.array([place[wanted[i]] for i in good], np.intp)
    number = {row: i for i, row in enumerate(wanted)}
    return Batch(
        {name: array[at] for name, array in whole.inputs.items()},
        len(rows),
        np.array(good, np.intp),
        tuple(f._replace(row=number[f.row]) for f in whole.faults if f.row in number),
    )


def _is_rows(given: Given) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, str | bytes)


def _count(given: Given) -> int:
    if isinstance(given, Mapping):
        columns = cast("Mapping[object, Sequence[object]]", given).values()
        lengths = {len(column) for column in columns}
        if len(lengths) > 1:
            raise Rejected("E_SHAPE", f"columns of {sorted(lengths)} rows", expected="one length")
        size = lengths.pop() if lengths else 0
    else:
        try:
            size = len(given)
        except TypeError:
            raise Rejected(
                "E_SHAPE",
                f"a batch of {type(given).__name__}",
                expected="rows, columns, a table or a matrix",
            ) from None
    if not size:
        raise Rejected("E_EMPTY_BATCH", "the batch has no rows", expected="at least one")
    return size


def _columns(given: Given) -> Mapping[object, Sequence[object]]:
    if isinstance(given, Mapping):
        return cast("Mapping[object, Sequence[object]]", given)
    names = cast("Sequence[object]", getattr(given, "column_names", None) or given.columns)
    return {name: _listed(given[name]) for name in names}


def _listed(column: Any) -> Sequence[object]:  # noqa: ANN401 - a column of some library's table
    for verb in ("to_pylist", "to_list", "tolist"):
        if hasattr(column, verb):
            return cast("Sequence[object]", getattr(column, verb)())
    return cast("Sequence[object]", column)
