"""What to do next: a pure function of what is wanted, prepared and held, and of the budget."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from modelwire.control.state import RouteState
from modelwire.control.timeline import current, reachable
from modelwire_schemas.routing import ModelVersion, RoutingDocument


class MemoryPolicy(StrEnum):
    """Which comes first when a version replaces another: `availability` loads before it drops.

    Both prepare before they drop: what cannot be fetched or fails its probe costs none its place.
    What `resource` has no room for beside others is prepared all the same, and waits for its time.
    """

    AVAILABILITY = "availability"
    RESOURCE = "resource"


@dataclass(frozen=True, slots=True)
class Held:
    """A version in memory and the bytes that it keeps to itself."""

    version: ModelVersion
    resident: int


@dataclass(frozen=True, slots=True)
class Prepare:
    """Fetch, verify and probe this version next."""

    version: ModelVersion


@dataclass(frozen=True, slots=True)
class Load:
    """Load this version next; it is prepared and there is room."""

    version: ModelVersion


@dataclass(frozen=True, slots=True)
class Drop:
    """Drop this version; nobody needs it, or something above it needs the room."""

    version: ModelVersion


@dataclass(frozen=True, slots=True)
class NoRoom:
    """This version does not fit into the budget beside what goes before it (`E_BUDGET`)."""

    version: ModelVersion
    short: int


Step: TypeAlias = Prepare | Load | Drop | NoRoom


def wanted(routes: Iterable[RouteState], now: int) -> tuple[ModelVersion, ...]:
    """Return what an instance that opened these routes keeps warm, most urgent first (R18).

    `now` (ms) is the earliest time that events can still have.
    """
    rungs: list[list[ModelVersion]] = [[] for _ in range(6)]
    for route in routes:
        in_reach = reachable(route, now)
        newest = current(route, now)
        for accepted in in_reach:
            _sort_in(rungs, accepted.document, scheduled=accepted is not newest)
        before = [a for a in route.recent if newest is None or a.revision < newest.revision]
        for predecessor in before[:1]:
            rungs[2] += [_of(predecessor.document, v) for v in predecessor.document.weighted()]
    return tuple(dict.fromkeys(version for rung in rungs for version in rung))


def in_force(routes: Iterable[RouteState], now: int) -> frozenset[ModelVersion]:
    """Return what documents in force at `now` (ms) give events to: it is due, and cannot wait."""
    found = [current(route, now) for route in routes]
    return frozenset(_of(a.document, v) for a in found if a for v in a.document.weighted())


def plan(
    wants: Sequence[ModelVersion],
    held: Collection[Held],
    prepared: Collection[ModelVersion],
    sizes: dict[ModelVersion, int],
    budget: int,
    policy: MemoryPolicy = MemoryPolicy.AVAILABILITY,
    due: Collection[ModelVersion] = (),
) -> Step | None:
    """Return the next step, or None when what is held is what should be.

    `sizes` are the bytes that versions are expected to take, `budget` the bytes for all of them.
    `prepared` versions have passed their probe. Those that failed are left out of `wants` by the
    caller. `due` are those in force: what has no room then is refused, also where it could wait.
    """
    warm = {h.version for h in held}
    useless = [h for h in held if h.version not in wants]
    missing = [v for v in wants if v not in warm]
    for version in missing:
        room = budget - sizes.get(version, 0)
        step = _towards(version, wants, held, useless, room, policy)
        may_wait = policy is MemoryPolicy.RESOURCE and version not in due and room >= 0
        if isinstance(step, NoRoom) and not may_wait:
            return step
        if version not in prepared:
            return Prepare(version)
        if not isinstance(step, NoRoom):
            return step
    return Drop(useless[0].version) if useless and not missing else None


def _towards(
    missing: ModelVersion,
    wants: Sequence[ModelVersion],
    held: Collection[Held],
    useless: Sequence[Held],
    room: int,
    policy: MemoryPolicy,
) -> Load | Drop | NoRoom:
    """Return the next step for a version that is prepared; `room` is what it leaves to others."""
    short = sum(h.resident for h in held) - room
    if useless and (short > 0 or policy is MemoryPolicy.RESOURCE):
        return Drop(useless[0].version)
    if short <= 0:
        return Load(missing)
    below = [h for h in held if wants.index(h.version) > wants.index(missing)]
    if sum(h.resident for h in below) >= short:
        return Drop(max(below, key=lambda h: wants.index(h.version)).version)
    return NoRoom(missing, short)


def _sort_in(
    rungs: list[list[ModelVersion]], document: RoutingDocument, *, scheduled: bool
) -> None:
    weighted = document.weighted()
    rungs[1 if scheduled else 0] += [_of(document, v) for v in weighted]
    variants = [v.version for rule in document.rules for v in rule.variants]
    rungs[3] += [_of(document, v) for v in variants if v not in weighted]
    rungs[4] += [_of(document, v) for v in document.fallback]
    shadows = [shadow.version for shadow in document.shadows]
    rungs[5] += [_of(document, v) for v in (*shadows, *document.keep_warm)]


def _of(document: RoutingDocument, version: str) -> ModelVersion:
    return ModelVersion(document.model, version)
