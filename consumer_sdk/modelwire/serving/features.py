"""From events to a model's inputs, by its contract: compiled once, when the version is loaded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from modelwire.loading.tensors import Array
from modelwire.serving.kinds import QUICK_ERRORS, Kind, is_null, kind_of
from modelwire_schemas.contracts import faults
from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import Column, Contract, Feed, Tensor

Event: TypeAlias = Mapping[str, object]
Inputs: TypeAlias = dict[str, Array]
Values: TypeAlias = tuple[Any, ...]


class Fault(NamedTuple):
    """Why the row with this number, from 0, cannot be scored."""

    row: int
    error: Rejected


class Batch(NamedTuple):
    """The inputs of the good rows among `size`; `good` are their numbers, None when all are."""

    inputs: Inputs
    size: int
    good: npt.NDArray[np.intp] | None = None
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Slot:
    """One column of the contract: where a value comes from, and what stands in for none."""

    field: str
    kind: Kind
    fill: object

    def take(self, event: Event) -> object:
        """Return the event's value; raises Rejected, `E_FIELD_…` or `E_SHAPE`."""
        try:
            value = event[self.field]
        except (LookupError, ValueError):
            if self.fill is None:
                raise missing(self.field) from None
            return self.fill
        except TypeError:
            raise Rejected(
                "E_SHAPE",
                f"the event is a {type(event).__name__}",
                expected="a mapping of field names to values",
            ) from None
        return self.settle(value)

    def settle(self, value: object) -> object:
        """Return a value as the kind's `maker` takes it; raises Rejected."""
        if self.fill is not None and is_null(value):
            return self.fill
        return self.kind.settle(self.field, value)


class Group:
    """Inputs of one type and width, which are filled together."""

    def __init__(self, kind: Kind, rank: int, feeds: Sequence[Feed], places: Sequence[int]) -> None:
        self.kind = kind
        self.names = tuple(feed.input for feed in feeds)
        self.width = len(feeds[0].columns)
        self.places = tuple(places)
        self.get = _getter([column.field for feed in feeds for column in feed.columns])
        self._tail = (self.width,) if rank == 2 else ()
        self._make_row = kind.maker(len(places), (len(self.names), 1, *self._tail))

    def row(self, values: Sequence[Any]) -> Inputs:
        """Return right values of one event as a batch of one."""
        return dict(zip(self.names, self._make_row(values), strict=True))

    def reader(self) -> Callable[[Event], Array | None]:
        """Return the quick way from an event to the group's arrays; None or an error means: look."""
        get, plain, make = self.get, self.kind.plain, self._make_row
        if len(self.names) == 1:
            make = self.kind.maker(self.width, (1, *self._tail))

        def read(event: Event) -> Array | None:
            values = get(event)
            return make(values) if plain(values) else None

        return read

    def rows(self, flat: Array, count: int) -> Inputs:
        """Return the values of `count` events, one after the other, as inputs."""
        shape = (count, *self._tail)
        if len(self.names) == 1:
            return {self.names[0]: flat.reshape(shape)}
        by_input = flat.reshape(count, len(self.names), self.width).transpose(1, 0, 2)
        return {n: a.reshape(shape) for n, a in zip(self.names, by_input.copy(), strict=True)}

    def columns(self, arrays: Sequence[Array]) -> Inputs:
        """Return arrays of all columns of the contract, picked and joined, as inputs."""
        mine = [arrays[place] for place in self.places]
        if self.width == 1:
            shape = (len(mine[0]), *self._tail)
            made = [array.reshape(shape) for array in mine]
        else:
            starts = range(0, len(mine), self.width)
            made = [np.stack(mine[start : start + self.width], axis=1) for start in starts]
        return dict(zip(self.names, made, strict=True))


class Features:
    """The way from events to a model's inputs, for one contract.

    `one(event)` gives a batch of one, or raises Rejected with a code and the field's name. A
    number is an int or a float (of Python or numpy), for an integer input an int; a bool is none,
    nor is text with digits, nor a Decimal. An int outside of 64 bits is out of range. A null is
    None, a missing mark of pandas, or NaN, which is how tables write null: null and a missing
    field become the column's default, else NaN (number) or "" (text) where it is nullable, else
    they are faults.

    `array(array)` takes what a model with one input of numbers takes, as one row or as a batch;
    it checks type and shape and does not look at the numbers.
    """

    def __init__(self, slots: Sequence[Slot], groups: Sequence[Group]) -> None:
        self.slots = tuple(slots)
        self.groups = tuple(groups)
        self._checks = [(group.get, group.kind.plain) for group in groups]
        self.one = self._single() if len(groups) == len(groups[0].names) == 1 else self._several()

    def rows(self, rows: Sequence[Event]) -> Batch:
        """Return the inputs of many events; a faulty one does not lose its neighbours.

        Raises Rejected `E_EMPTY_BATCH` when there is none.
        """
        count = len(rows)
        if not count:
            raise empty()
        inputs: Inputs = {}
        try:
            for group in self.groups:
                flat = group.kind.batch(list(chain.from_iterable(map(group.get, rows))))
                if flat is None:
                    return self._sift(rows)
                inputs |= group.rows(flat, count)
        except QUICK_ERRORS:
            return self._sift(rows)
        return Batch(inputs, count)

    def _single(self) -> Callable[[Event], Inputs]:
        name, read, slow = self.groups[0].names[0], self.groups[0].reader(), self._slow

        def one(event: Event) -> Inputs:
            try:
                array = read(event)
            except QUICK_ERRORS:
                return slow(event)
            return slow(event) if array is None else {name: array}

        return one

    def _several(self) -> Callable[[Event], Inputs]:
        readers, slow = [(group.names, group.reader()) for group in self.groups], self._slow

        def one(event: Event) -> Inputs:
            inputs: Inputs = {}
            try:
                for names, read in readers:
                    arrays = read(event)
                    if arrays is None:
                        return slow(event)
                    inputs.update(zip(names, arrays, strict=True))
            except QUICK_ERRORS:
                return slow(event)
            return inputs

        return one

    def _slow(self, event: Event) -> Inputs:
        inputs: Inputs = {}
        for group, values in zip(self.groups, self._settle(event), strict=True):
            inputs |= group.row(values)
        return inputs

    def _sift(self, rows: Sequence[Event]) -> Batch:
        good: list[int] = []
        found: list[Fault] = []
        settled: list[list[Values]] = []
        for number, row in enumerate(rows):
            try:
                settled.append(self._values(row))
                good.append(number)
            except Rejected as error:
                found.append(Fault(number, error))
        inputs: Inputs = {}
        for index, group in enumerate(self.groups):
            flat = list(chain.from_iterable(values[index] for values in settled))
            made = group.kind.maker(len(flat), (len(flat),))(flat)
            inputs |= group.rows(made, len(good))
        return Batch(inputs, len(rows), np.array(good, np.intp) if found else None, tuple(found))

    def _values(self, event: Event) -> list[Values]:
        found: list[Values] = []
        try:
            for get, plain in self._checks:
                values = get(event)
                if not plain(values):
                    return self._settle(event)
                found.append(values)
        except QUICK_ERRORS:
            return self._settle(event)
        return found

    def _settle(self, event: Event) -> list[Values]:
        values = [slot.take(event) for slot in self.slots]
        return [tuple(values[place] for place in group.places) for group in self.groups]


def compile_features(contract: Contract) -> Features:
    """Make the way from events to inputs; raises Rejected `E_CONTRACT` for one that has none."""
    wrong = faults(contract)
    wrong += [f"no field feeds input {feed.input!r}" for feed in contract.feeds if not feed.columns]
    if wrong:
        raise Rejected("E_CONTRACT", "; ".join(wrong), expected="a contract whole in itself")
    tensors = {tensor.name: tensor for tensor in contract.inputs}
    kinds = {tensor.dtype: kind_of(tensor.dtype) for tensor in contract.inputs}
    slots = [
        _slot(column, kinds[tensors[feed.input].dtype])
        for feed in contract.feeds
        for column in feed.columns
    ]
    return Features(slots, _groups(contract.feeds, tensors, kinds))


def missing(field: str) -> Rejected:
    """Return the error for a field that is not there."""
    return Rejected(
        "E_FIELD_MISSING",
        f"field {field!r} is missing",
        todo="send it, or give it a default in the contract",
    )


def empty() -> Rejected:
    """Return the error for a batch without rows."""
    return Rejected("E_EMPTY_BATCH", "the batch has no rows", expected="at least one")


def _groups(
    feeds: Sequence[Feed], tensors: Mapping[str, Tensor], kinds: Mapping[str, Kind]
) -> list[Group]:
    alike: dict[tuple[str, int, int], list[tuple[Feed, range]]] = {}
    start = 0
    for feed in feeds:
        tensor, width = tensors[feed.input], len(feed.columns)
        places = range(start, start + width)
        alike.setdefault((tensor.dtype, len(tensor.shape), width), []).append((feed, places))
        start += width
    return [
        Group(kinds[dtype], rank, [f for f, _ in same], [*chain.from_iterable(p for _, p in same)])
        for (dtype, rank, _), same in alike.items()
    ]


def _slot(column: Column, kind: Kind) -> Slot:
    fill: object = kind.null if column.nullable else None
    if column.default is not None and not (fill is not None and is_null(column.default)):
        fill = _default(column, kind)
    if column.nullable and fill is None:
        raise Rejected(
            "E_CONTRACT",
            f"column {column.field!r} is nullable, and {kind.dtype} has no null",
            expected="a default",
        )
    return Slot(column.field, kind, fill)


def _default(column: Column, kind: Kind) -> object:
    try:
        return kind.settle(column.field, column.default)
    except Rejected as error:
        raise Rejected(
            "E_CONTRACT",
            f"the default of column {column.field!r} does not fit: {error.what}",
            expected=error.expected,
        ) from None


def _getter(fields: Sequence[str]) -> Callable[[Event], Values]:
    if len(fields) > 1:
        return itemgetter(*fields)
    field = fields[0]
    return lambda event: (event[field],)
