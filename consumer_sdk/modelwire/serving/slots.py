"""A contract's columns: where each value comes from, and how they fill a model's inputs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from modelwire.loading.tensors import Array
from modelwire.serving.faults import is_null, missing
from modelwire.serving.kinds import Kind
from modelwire_schemas.errors import Rejected

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
    """Inputs of one type and shape, filled together: `places` are their slots in the contract."""

    def __init__(
        self, names: Sequence[str], places: Sequence[int], slots: Sequence[Slot], rank: int
    ) -> None:
        mine = [slots[place] for place in places]
        self.kind = mine[0].kind
        self.names = tuple(names)
        self.width = len(mine) // len(names)
        self.places = tuple(places)
        self.fills = tuple(slot.fill for slot in mine)
        self.get = _getter([slot.field for slot in mine])
        self.tail = (self.width,) if rank == 2 else ()
        self._make_row = self.kind.maker(len(mine), (len(names), 1, *self.tail))

    def row(self, values: Sequence[Any]) -> Inputs:
        """Return right values of one event as a batch of one."""
        return dict(zip(self.names, self._make_row(values), strict=True))

    def reader(self, *, alone: bool) -> Callable[[Event], Array | None]:
        """Return the quick way from an event to arrays; None or an error means: look.

        It gives an array over all inputs of the group or, `alone`, the array of the only one.
        """
        get, plain, make = self.get, self.kind.plain, self._make_row
        if alone:
            make = self.kind.maker(self.width, (1, *self.tail))

        def read(event: Event) -> Array | None:
            values = get(event)
            return make(values) if plain(values) else None

        return read

    def rows(self, flat: Array, count: int) -> Inputs:
        """Return the values of `count` events, one after the other, as inputs."""
        shape = (count, *self.tail)
        if len(self.names) == 1:
            return {self.names[0]: flat.reshape(shape)}
        by_input = flat.reshape(count, len(self.names), self.width).transpose(1, 0, 2)
        return {n: a.reshape(shape) for n, a in zip(self.names, by_input.copy(), strict=True)}

    def columns(self, arrays: Sequence[Array]) -> Inputs:
        """Return arrays of all columns of the contract, picked and joined, as inputs."""
        mine = [arrays[place] for place in self.places]
        if self.width == 1:
            shape = (len(mine[0]), *self.tail)
            made = [array.reshape(shape) for array in mine]
        else:
            starts = range(0, len(mine), self.width)
            made = [np.stack(mine[start : start + self.width], axis=1) for start in starts]
        return dict(zip(self.names, made, strict=True))


def _getter(fields: Sequence[str]) -> Callable[[Event], Values]:
    if len(fields) > 1:
        return itemgetter(*fields)
    field = fields[0]
    return lambda event: (event[field],)
