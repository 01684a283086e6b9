"""From events to a model's inputs, by its contract: compiled once, when the version is loaded."""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain

import numpy as np

from modelwire.serving.arrays import array_taker, no_array
from modelwire.serving.faults import empty, is_null
from modelwire.serving.kinds import QUICK_ERRORS, Kind, Texts, kind_of
from modelwire.serving.slots import Batch, Event, Fault, Group, Inputs, Slot, Values
from modelwire.serving.tables import columns
from modelwire_schemas.contracts import faults
from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import Column, Contract, Feed, Tensor


class Features:
    """The way from events to a model's inputs, for one contract.

    `one(event)` gives a batch of one, or raises Rejected with a code and the field's name. A
    number is an int or a float (of Python or numpy), for an integer input an int; a bool is none,
    nor is text with digits, nor a Decimal. An int outside of 64 bits is out of range. A null is
    None, a missing mark of pandas, or NaN, which is how tables write null: null and a missing
    field become the column's default, else NaN (number) or "" (text) where it is nullable, else
    they are faults.

    `array(array)` takes what a model with one input of numbers takes: one row, or a batch of
    them (for an input with one axis, a batch of values). It checks type and shape, and does not
    look for NaN or infinities. Raises Rejected `E_SHAPE`, `E_FIELD_TYPE`, `E_FIELD_RANGE`,
    `E_EMPTY_BATCH`.
    """

    def __init__(self, slots: Sequence[Slot], groups: Sequence[Group]) -> None:
        self.slots = tuple(slots)
        self.groups = tuple(groups)
        self._checks = [(group.get, group.kind.plain) for group in groups]
        only = groups[0] if [len(group.names) for group in groups] == [1] else None
        self.one = self._several() if only is None else self._single(only)
        self.array = no_array if only is None or isinstance(only.kind, Texts) else array_taker(only)

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
                flat = list(chain.from_iterable(map(group.get, rows)))
                array = group.kind.batch(flat, group.fills)
                if array is None:
                    return self._sift(rows)
                inputs |= group.rows(array, count)
        except QUICK_ERRORS:
            return self._sift(rows)
        return Batch(inputs, count)

    def columns(self, table: object) -> Batch:
        """Return the inputs of a table: a mapping of arrays or lists, pandas, polars, pyarrow.

        Columns of the right type that are one input each are not copied. Raises Rejected
        `E_FIELD_MISSING`, `E_EMPTY_BATCH`, and `E_SHAPE` for what is no table, or has columns of
        different lengths.
        """
        return columns(self.slots, self.groups, table)

    def _single(self, group: Group) -> Callable[[Event], Inputs]:
        name, read, slow = group.names[0], group.reader(alone=True), self._slow

        def one(event: Event) -> Inputs:
            try:
                array = read(event)
            except QUICK_ERRORS:
                return slow(event)
            return slow(event) if array is None else {name: array}

        return one

    def _several(self) -> Callable[[Event], Inputs]:
        readers, slow = [(g.names, g.reader(alone=False)) for g in self.groups], self._slow

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
    return Features(slots, _groups(contract.feeds, tensors, slots))


def _groups(
    feeds: Sequence[Feed], tensors: Mapping[str, Tensor], slots: Sequence[Slot]
) -> list[Group]:
    alike: dict[tuple[str, int, int], list[tuple[str, range]]] = {}
    start = 0
    for feed in feeds:
        tensor, width = tensors[feed.input], len(feed.columns)
        places = range(start, start + width)
        alike.setdefault((tensor.dtype, len(tensor.shape), width), []).append((feed.input, places))
        start += width
    return [
        Group(
            [name for name, _ in same],
            [place for _, places in same for place in places],
            slots,
            rank,
        )
        for (_, rank, _), same in alike.items()
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
