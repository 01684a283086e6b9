"""What a routing document says: which version answers which event."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from modelwire_schemas.release import Scalar
from modelwire_schemas.rollout import Rollout

BUCKETS = 10_000
"""The whole: every split covers the buckets [0, 10,000) exactly once."""


LAYER = "layer:"
"""How the salt of a layer begins: its experiments never share a key, on whichever routes."""


class Op(StrEnum):
    """How a clause compares a field with its values."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    GT = "Gt"
    LT = "Lt"
    GE = "Ge"
    LE = "Le"
    PREFIX = "Prefix"


@dataclass(frozen=True, slots=True)
class Clause:
    """One comparison; `field` is a field of the event, or `header.<name>`."""

    field: str
    op: Op
    values: tuple[Scalar, ...] = ()


@dataclass(frozen=True, slots=True)
class All:
    """True when every part is true."""

    parts: "tuple[Predicate, ...]"


@dataclass(frozen=True, slots=True)
class Any:
    """True when one part is true."""

    parts: "tuple[Predicate, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """True when its part is false."""

    part: "Predicate"


Predicate: TypeAlias = Clause | All | Any | Not


class SplitBy(StrEnum):
    """What keeps an event on its side: its key, its source partition, or nothing but itself."""

    KEY = "key"
    PARTITION = "partition"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class Split:
    """How a rule divides events; `field` takes the key from the event instead of the record."""

    by: SplitBy = SplitBy.KEY
    salt: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class Variant:
    """One side of a split: a version, and the buckets [start, end) or partitions that it gets."""

    name: str
    version: str
    buckets: tuple[tuple[int, int], ...] = ()
    partitions: tuple[tuple[str, int], ...] = ()

    @property
    def weight(self) -> int:
        """How many of the 10,000 buckets it has."""
        total = 0
        for start, end in self.buckets:
            total += end - start
        return total


@dataclass(frozen=True, slots=True)
class Rule:
    """Variants for the events that match; without `match`, for all."""

    name: str
    variants: tuple[Variant, ...]
    split: Split = Split()
    match: Predicate | None = None


@dataclass(frozen=True, slots=True)
class Shadow:
    """A version that scores a sample (of 10,000) of what others answer, and never answers itself.

    `thresholds` are those at which outputs are decided, by name: so it is counted which decisions
    would be others.
    """

    version: str
    sample: int = BUCKETS
    salt: str = ""
    match: Predicate | None = None
    thresholds: tuple[tuple[str, float], ...] = ()


class Staleness(StrEnum):
    """What a consumer does with events that it cannot settle."""

    CONTINUE = "continue"
    WAIT = "wait"
    FALLBACK = "fallback"


@dataclass(frozen=True, slots=True)
class RoutingDocument:
    """A route's rules, whole: the first rule that matches decides, the last one matches all.

    `force_header` names the header that may force a version, if any. `time_field` is the event's
    field that holds the business time (R5), if any. `contract_changed` and `reshuffle` say that a
    break is meant. `rollout` is the rollout that the document is a step of, if it is one.
    """

    route: str
    model: str
    rules: tuple[Rule, ...]
    shadows: tuple[Shadow, ...] = ()
    keep_warm: tuple[str, ...] = ()
    fallback: tuple[str, ...] = ()
    force_header: str = ""
    time_field: str = ""
    staleness: Staleness = Staleness.CONTINUE
    contract_changed: bool = False
    reshuffle: bool = False
    rollout: Rollout | None = None

    def versions(self) -> tuple[str, ...]:
        """Every version that the document names, once, in the order of R18's ladder."""
        variants = [variant for rule in self.rules for variant in rule.variants]
        named = [v.version for v in variants if v.weight or v.partitions]
        named += [v.version for v in variants]
        named += self.fallback
        named += [shadow.version for shadow in self.shadows]
        named += self.keep_warm
        return tuple(dict.fromkeys(named))

    def weighted(self) -> tuple[str, ...]:
        """Every version that events may go to, once, in the order of the rules.

        Where source partitions are divided, the last variant has those that nobody lists.
        """
        return tuple(
            dict.fromkeys(
                v.version
                for rule in self.rules
                for v in rule.variants
                if v.weight
                or v.partitions
                or (rule.split.by is SplitBy.PARTITION and v is rule.variants[-1])
            )
        )

    def sole_version(self) -> str | None:
        """The version that has every event, if one has."""
        versions = self.weighted()
        return versions[0] if len(versions) == 1 else None


@dataclass(frozen=True, slots=True)
class Change:
    """A whole document and the revision that it replaces (0: there is none yet).

    `restores` is the revision whose rules an undo brings back; `undoes` the revisions it takes
    back.
    """

    document: RoutingDocument
    replaces: int
    restores: int = 0
    undoes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RouteRevision:
    """One revision of one route."""

    route: str
    revision: int


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of one model."""

    model: str
    version: str


@dataclass(frozen=True, slots=True)
class RoutingChanged:
    """One or several documents that take effect together: all, or none.

    `effective_at` (ms) is when; `None` means now. `at_once` reaches back to every event that is
    not scored yet. `cancels` names scheduled changes that this one displaces (R6). `withdraws`
    names versions that are withdrawn by the same record (R21). `automatic` is a controller's
    change; `decided_at` (ms, the log's clock) is when it was decided (R23). With `confirm_within`
    (ms) the route goes back so long after the change takes effect, unless that is confirmed.
    """

    changes: tuple[Change, ...]
    effective_at: int | None = None
    at_once: bool = False
    cancels: tuple[RouteRevision, ...] = ()
    withdraws: tuple[ModelVersion, ...] = ()
    automatic: bool = False
    decided_at: int = 0
    confirm_within: int = 0


@dataclass(frozen=True, slots=True)
class RouteConfirmed:
    """A route's change that would go back stays; needs no base revision."""

    route: str


@dataclass(frozen=True, slots=True)
class RouteFrozen:
    """All automatic changes of a route stop, or may go on; needs no base revision (R22)."""

    route: str
    frozen: bool


@dataclass(frozen=True, slots=True)
class RolloutAborted:
    """A rollout ends where it began, whichever step it is at; needs no base revision (R22)."""

    route: str
    rollout: str


@dataclass(frozen=True, slots=True)
class RoutingProposed:
    """A change that waits for approval until `until` (ms, the log's clock)."""

    change: RoutingChanged
    until: int


@dataclass(frozen=True, slots=True)
class RoutingApproved:
    """One person more approves the proposal of this offset."""

    proposal: int
