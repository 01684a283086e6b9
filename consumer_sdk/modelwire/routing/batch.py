"""Which version answers each event of a batch: the same answers as one by one, in columns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt

from modelwire.routing.assign import CompiledDocument, CompiledRule
from modelwire.routing.assignment import Arm, Assignment, Counts
from modelwire.routing.bulk import Buckets, buckets_behind
from modelwire.routing.keys import Coordinates, key_bytes
from modelwire.routing.predicate import Choices, Fields, Test
from modelwire.routing.splits import ByEvent, ByKey, ByPartition, Sides, Whole, place
from modelwire_schemas.errors import Rejected

Indices: TypeAlias = npt.NDArray[np.intp]
Mask: TypeAlias = npt.NDArray[np.bool_]

_NOTHING: Fields = {}
_GET = cast("Callable[[Fields, str], str]", dict[str, str].get)  # in C; refuses what is no dict


@dataclass(frozen=True, slots=True)
class BatchAssignment:
    """The versions of n events, in columns of n.

    `variant` is the index in `arms` of each event's way through the document, -1 where the event
    is faulty; `errors` says why. `bucket` is -1 where none was needed.
    """

    arms: tuple[Arm, ...]
    revision: int
    variant: npt.NDArray[np.int32]
    bucket: Buckets
    errors: Mapping[int, Rejected]

    def __len__(self) -> int:
        return len(self.variant)

    def __getitem__(self, row: int) -> Assignment:
        """Return the answer of one row; raises its error where it is faulty."""
        arm = int(self.variant[row])
        if arm < 0:
            raise self.errors[range(len(self))[row]]
        bucket = int(self.bucket[row])
        return self.arms[arm].assignment(bucket if bucket >= 0 else None, self.revision)

    def by_version(self) -> dict[str, Indices]:
        """Return the rows of each version, ascending; faulty rows are in none."""
        versions = list(dict.fromkeys(arm.version for arm in self.arms))
        of_arm = [versions.index(arm.version) for arm in self.arms]
        code = np.array([*of_arm, -1], np.int32)[self.variant]  # -1, a faulty row, is the last
        rows = ((version, np.flatnonzero(code == i)) for i, version in enumerate(versions))
        return {version: found for version, found in rows if len(found)}


def assign_batch(
    compiled: CompiledDocument,
    keys: Sequence[object],
    rows: Sequence[Fields] | None = None,
    headers: Sequence[Fields] | None = None,
    coordinates: Sequence[Coordinates | None] | None = None,
) -> BatchAssignment:
    """Return the version of each event, as `compiled.assign` would give it.

    `keys` are text, bytes, integers or None, one an event; the other columns are as long, or None
    where there are none. A faulty event gets an error and does not touch its neighbours.
    """
    size = len(keys)
    variant, bucket = np.zeros(size, np.int32), np.full(size, -1, np.int16)
    errors: dict[int, Rejected] = {}
    if compiled.sole is None:
        nothing: list[Fields] = [_NOTHING] * size
        batch = _Batch(
            keys,
            nothing if rows is None else rows,
            nothing if headers is None else headers,
            [None] * size if coordinates is None else coordinates,
            variant,
            bucket,
            errors,
        )
        batch.assign(compiled)
    return BatchAssignment(compiled.arms, compiled.revision, variant, bucket, errors)


@dataclass(slots=True)
class _Batch:
    """The columns of n events, and those that the rules fill."""

    keys: Sequence[object]
    rows: Sequence[Fields]
    headers: Sequence[Fields]
    coordinates: Sequence[Coordinates | None]
    variant: npt.NDArray[np.int32]
    bucket: Buckets
    errors: dict[int, Rejected]

    def assign(self, compiled: CompiledDocument) -> None:
        """Give each row to the first rule that matches."""
        pending = self._force(compiled)
        for rule in compiled.rules:
            hits = pending
            if rule.match is not None:
                matches = self._matches(rule.match, rule.choices, pending)
                hits, pending = pending[matches], pending[~matches]
            if len(hits):
                self._fill(rule, compiled.counts, hits)

    def _force(self, compiled: CompiledDocument) -> Indices:
        """Fill the rows whose headers force a version; return the others."""
        everyone = np.arange(len(self.keys))
        if not compiled.forced_arms:
            return everyone
        versions = [compiled.forced(headers) for headers in self.headers]
        arms = np.array([compiled.forced_arms.get(v, -1) if v else -1 for v in versions], np.int32)
        self.variant[:] = arms
        return np.flatnonzero(arms < 0)

    def _matches(self, match: Test, choices: Choices | None, pending: Indices) -> Mask:
        """Tell which of the pending rows match."""
        rows, headers = _at(self.rows, pending), _at(self.headers, pending)
        if choices is not None:
            try:
                column = list(map(_GET, rows, repeat(choices.field)))
                "".join(column)  # the quickest way to learn that all of it is text
            except TypeError:
                pass
            else:
                return np.frombuffer(bytearray(map(choices.values.__contains__, column)), np.bool_)
        return np.fromiter(map(match, rows, headers), np.bool_, len(rows))

    def _fill(self, rule: CompiledRule, counts: Counts, hits: Indices) -> None:
        split, first = rule.split, rule.first_arm
        match split:
            case Whole():
                self.variant[hits] = first
            case ByPartition():
                self.variant[hits] = [first + split.arm(self.coordinates[i]) for i in _ints(hits)]
            case ByEvent():
                self._fill_each(hits, split.sides, first, self._place)
            case ByKey():
                self._fill_by_key(hits, split, first, counts)

    def _fill_by_key(self, hits: Indices, split: ByKey, first: int, counts: Counts) -> None:
        keys = [row.get(split.field) for row in self.rows] if split.field else self.keys
        sides = split.sides
        try:
            if 2 * len(hits) < len(keys):
                found = buckets_behind(sides.salt, _at(keys, hits))
            else:  # to hash some in vain is cheaper than to pick
                found = buckets_behind(sides.salt, keys)[hits]
        except Rejected:  # a key is missing or faulty, so each on its own
            lacking = np.array([keys[i] is None for i in _ints(hits)], np.bool_)
            counts.no_key += int(lacking.sum())
            self._fill_each(hits[~lacking], sides, first, lambda i: key_bytes(keys[i]))
            self._fill_each(hits[lacking], sides, first + split.keyless, self._place)
        else:
            self._put(hits, found, sides, first)

    def _fill_each(
        self, hits: Indices, sides: Sides, first: int, data: Callable[[int], bytes]
    ) -> None:
        good: list[int] = []
        keys: list[bytes] = []
        for row in _ints(hits):
            try:
                keys.append(data(row))
            except Rejected as error:
                self.variant[row], self.errors[row] = -1, error
            else:
                good.append(row)
        self._put(np.array(good, np.intp), buckets_behind(sides.salt, keys), sides, first)

    def _put(self, rows: Indices, found: Buckets, sides: Sides, first: int) -> None:
        self.bucket[rows] = found
        self.variant[rows] = np.frombuffer(sides.of, np.uint16)[found] + first

    def _place(self, row: int) -> bytes:
        return place(self.coordinates[row])


_T = TypeVar("_T")


def _at(column: Sequence[_T], rows: Indices) -> Sequence[_T]:
    """Return the column at these rows, as it is where they are all."""
    return column if len(rows) == len(column) else [column[row] for row in _ints(rows)]


def _ints(rows: Indices) -> list[int]:
    return cast("list[int]", rows.tolist())
