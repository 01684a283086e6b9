"""Whom the events of a stream go to: drawn by weight, or recorded ones by their own keys."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from modelwire.routing.assign import CompiledDocument
from modelwire.routing.batch import BatchAssignment, assign_batch
from modelwire.routing.predicate import compile_predicate
from modelwire_router.rollout.plan import MovePartitions, Plan
from modelwire_schemas.routing import BUCKETS, RoutingDocument, Shadow, SplitBy
from modelwire_schemas.telemetry import SHADOW_VARIANT, Role

Fields: TypeAlias = Mapping[str, object]
Flags: TypeAlias = npt.NDArray[np.bool_]


class Routed(NamedTuple):
    """How many events a version got, for which variant, in which role."""

    version: str
    variant: str
    role: Role
    events: int


class Stream(Protocol):
    """A source of events."""

    def routed(
        self, document: RoutingDocument, events: int, rng: np.random.Generator
    ) -> list[Routed]:
        """Return whom the next so many events go to."""
        ...


def moving(plans: Sequence[Plan]) -> tuple[tuple[str, int], ...]:
    """Return the source partitions that plans move, which are taken for all there are."""
    steps = [step for plan in plans for step in plan.steps]
    found = [p for step in steps if isinstance(step, MovePartitions) for p in step.partitions]
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Drawn:
    """Events whose keys are all different and that meet no condition; `partitions` are equal."""

    partitions: tuple[tuple[str, int], ...] = ()

    def routed(
        self, document: RoutingDocument, events: int, rng: np.random.Generator
    ) -> list[Routed]:
        """Return whom the next so many events go to."""
        rule = document.rules[-1]
        shares = [variant.weight / BUCKETS for variant in rule.variants]
        if rule.split.by is SplitBy.PARTITION:
            whole = max(len(self.partitions), 1)
            shares = [len(variant.partitions) / whole for variant in rule.variants]
            shares[-1] = 1 - sum(shares[:-1])
        counts = rng.multinomial(events, shares).tolist()
        live = [
            Routed(v.version, v.name, Role.LIVE, n)
            for v, n in zip(rule.variants, counts, strict=True)
        ]
        own = Counter[str]()
        for found in live:
            own[found.version] += found.events
        unconditional = [s for s in document.shadows if s.match is None]
        return [*live, *(_shadowed(s, events - own[s.version], rng) for s in unconditional)]


@dataclass(slots=True)
class Recorded:
    """Events that were, over and over, from a random one on: their keys and fields decide.

    `keys` and `rows` are as long; `partitions` are given in turn, as a producer does.
    """

    keys: Sequence[object]
    rows: Sequence[Fields]
    partitions: tuple[tuple[str, int], ...] = ()
    _known: dict[RoutingDocument, "_Ways"] = field(default_factory=dict["RoutingDocument", "_Ways"])
    _at: int = -1

    def routed(
        self, document: RoutingDocument, events: int, rng: np.random.Generator
    ) -> list[Routed]:
        """Return whom the next so many events go to."""
        if self._at < 0:
            self._at = int(rng.integers(len(self.keys)))
        ways = self._ways(document)
        rows = (self._at + np.arange(events)) % len(self.keys)
        self._at = (self._at + events) % len(self.keys)
        chosen = ways.assigned.variant[rows]
        counts = np.bincount(chosen[chosen >= 0], minlength=len(ways.assigned.arms)).tolist()
        found: dict[tuple[str, str], int] = {}
        for arm, count in zip(ways.assigned.arms, counts, strict=True):
            way = arm.version, arm.variant
            found[way] = found.get(way, 0) + count
        live = [Routed(*way, Role.LIVE, count) for way, count in found.items()]
        shadows = zip(document.shadows, ways.matched, strict=True)
        return [*live, *(_shadowed(s, int(hit[rows].sum()), rng) for s, hit in shadows)]

    def _ways(self, document: RoutingDocument) -> "_Ways":
        if document not in self._known:
            self._known[document] = self._find(document)
        return self._known[document]

    def _find(self, document: RoutingDocument) -> "_Ways":
        places = self.partitions or (("", 0),)
        turns = enumerate(islice(cycle(places), len(self.keys)))
        sources = [(stream, partition, i) for i, (stream, partition) in turns]
        compiled = CompiledDocument(document, 1)
        assigned = assign_batch(compiled, self.keys, self.rows, None, sources)
        versions = np.array([*(arm.version for arm in assigned.arms), ""], np.object_)
        answered = versions[assigned.variant]
        matched = [self._matched(s) & (answered != s.version) for s in document.shadows]
        return _Ways(assigned, matched)

    def _matched(self, shadow: Shadow) -> Flags:
        if shadow.match is None:
            return np.ones(len(self.rows), np.bool_)
        test = compile_predicate(shadow.match, lambda: None)
        return np.array([test(row, {}) for row in self.rows], np.bool_)


class _Ways(NamedTuple):
    """Which way each recorded event takes under a document, and which each shadow may get.

    None gets what its own version answers.
    """

    assigned: BatchAssignment
    matched: Sequence[Flags]


def _shadowed(shadow: Shadow, events: int, rng: np.random.Generator) -> Routed:
    taken = int(rng.binomial(events, shadow.sample / BUCKETS))
    return Routed(shadow.version, SHADOW_VARIANT, Role.SHADOW, taken)
