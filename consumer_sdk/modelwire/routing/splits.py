"""How a rule divides its events: not at all, by key, by event, or by source partition.

`choose` answers one event. `arms` are the ways through the split; a batch names them by index.
"""

import typing
from array import array
from collections.abc import Mapping
from typing import TypeAlias

from modelwire.routing.assignment import Arm, Assignment, Counts, Reason
from modelwire.routing.hashing import digest, salted
from modelwire.routing.keys import Coordinates, Key, coordinate_bytes, key_bytes
from modelwire_schemas.errors import Rejected
from modelwire_schemas.routing import BUCKETS, Rule, SplitBy, Variant

Attributes: TypeAlias = Mapping[str, object]


class Whole:
    """One variant has everything."""

    __slots__ = ("_answer", "arms")

    def __init__(self, arm: Arm, revision: int) -> None:
        self.arms = (arm,)
        self._answer = arm.assignment(None, revision)

    def choose(
        self, _key: Key | None, _attributes: Attributes, _coordinates: Coordinates | None
    ) -> Assignment:
        """Return the one answer."""
        return self._answer


class Sides:
    """On which side of a split each bucket lies: the index of its variant."""

    __slots__ = ("of", "salt")

    def __init__(self, rule: Rule) -> None:
        self.salt = salted(rule.split.salt)
        self.of = array("H", bytes(2 * BUCKETS))
        for index, variant in enumerate(rule.variants):
            for start, end in variant.buckets:
                self.of[start:end] = array("H", [index]) * (end - start)

    def bucket(self, data: bytes) -> int:
        """Return the bucket of a key's bytes."""
        return digest(self.salt + data) * BUCKETS >> 32


class ByEvent:
    """The bucket of an event's coordinates decides."""

    __slots__ = ("_revision", "arms", "sides")

    def __init__(self, rule: Rule, revision: int) -> None:
        self.arms = _arms(rule, Reason.EVENT)
        self.sides = Sides(rule)
        self._revision = revision

    def choose(
        self, _key: Key | None, _attributes: Attributes, coordinates: Coordinates | None
    ) -> Assignment:
        """Return the answer; raises Rejected `E_NO_KEY` without coordinates."""
        bucket = self.sides.bucket(place(coordinates))
        return self.arms[self.sides.of[bucket]].assignment(bucket, self._revision)


class ByKey:
    """The bucket of the key decides, from a field where the rule says so.

    Without a key the bucket of the coordinates does: the arms from `keyless` on. An answer is made
    once a bucket and then looked up, which costs 1.2 MB once every bucket was asked for.
    """

    __slots__ = ("_cells", "_counts", "_revision", "_salt", "arms", "field", "keyless", "sides")

    def __init__(self, rule: Rule, revision: int, counts: Counts) -> None:
        self.field = rule.split.field
        self.arms = _arms(rule, Reason.SPLIT) + _arms(rule, Reason.NO_KEY)
        self.keyless = len(rule.variants)
        self.sides = Sides(rule)
        self._salt = self.sides.salt
        self._cells: list[Assignment | None] = [None] * BUCKETS
        self._revision = revision
        self._counts = counts

    def choose(
        self, key: Key | None, attributes: Attributes, coordinates: Coordinates | None
    ) -> Assignment:
        """Return the answer; raises Rejected `E_KEY`, and `E_NO_KEY` with neither."""
        value: typing.Any = attributes.get(self.field) if self.field else key
        if value is None:
            return self._without_key(coordinates)
        # What follows is `sides.bucket(key_bytes(value))`; two calls less save a fifth of the time.
        try:
            data = value.encode() if value.__class__ is str else key_bytes(value)
        except UnicodeEncodeError:
            data = key_bytes(value)
        bucket = digest(self._salt + data) * BUCKETS >> 32
        return self._cells[bucket] or self._made(bucket)

    def _made(self, bucket: int) -> Assignment:
        answer = self.arms[self.sides.of[bucket]].assignment(bucket, self._revision)
        self._cells[bucket] = answer
        return answer

    def _without_key(self, coordinates: Coordinates | None) -> Assignment:
        self._counts.no_key += 1
        bucket = self.sides.bucket(place(coordinates))
        arm = self.arms[self.keyless + self.sides.of[bucket]]
        return arm.assignment(bucket, self._revision)


class ByPartition:
    """The source partition decides; what is not listed goes to the last variant (R28)."""

    __slots__ = ("_answers", "arms", "listed")

    def __init__(self, rule: Rule, revision: int) -> None:
        self.arms = _arms(rule, Reason.PARTITION)
        self.listed = {
            pair: index
            for index, variant in enumerate(rule.variants)
            for pair in variant.partitions
        }
        self._answers = [arm.assignment(None, revision) for arm in self.arms]

    def choose(
        self, _key: Key | None, _attributes: Attributes, coordinates: Coordinates | None
    ) -> Assignment:
        """Return the answer; an event of unknown source is not listed."""
        return self._answers[self.arm(coordinates)]

    def arm(self, coordinates: Coordinates | None) -> int:
        """Return the index of the arm for these coordinates."""
        if coordinates is None:
            return len(self.arms) - 1
        return self.listed.get(coordinates[:2], len(self.arms) - 1)


Split: TypeAlias = Whole | ByKey | ByEvent | ByPartition


def compile_split(rule: Rule, revision: int, counts: Counts) -> Split:
    """Return the split of a checked rule."""
    whole = whole_variant(rule)
    if whole is not None:
        reason = Reason.DEFAULT if rule.match is None else Reason.MATCH
        return Whole(Arm(rule.name, whole.name, whole.version, reason), revision)
    if rule.split.by is SplitBy.KEY:
        return ByKey(rule, revision, counts)
    if rule.split.by is SplitBy.EVENT:
        return ByEvent(rule, revision)
    return ByPartition(rule, revision)


def whole_variant(rule: Rule) -> Variant | None:
    """Return the variant that has every event of the rule, if one has."""
    if rule.split.by is SplitBy.PARTITION:
        return rule.variants[0] if len(rule.variants) == 1 else None
    return next((variant for variant in rule.variants if variant.weight == BUCKETS), None)


def place(coordinates: Coordinates | None) -> bytes:
    """Return the bytes of an event's coordinates; raises Rejected `E_NO_KEY` without any."""
    if coordinates is None:
        raise Rejected(
            "E_NO_KEY",
            "the event has neither a key nor coordinates",
            expected="a key, or topic, partition and offset",
            todo="give key= or source=",
        )
    return coordinate_bytes(coordinates)


def _arms(rule: Rule, reason: Reason) -> tuple[Arm, ...]:
    return tuple(Arm(rule.name, v.name, v.version, reason) for v in rule.variants)
