"""Which document of a route is in force for an event, and which ones events can still reach."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

from modelwire.control.state import (
    ALWAYS,
    RECENT,
    TIMELINE,
    Accepted,
    Entry,
    Floor,
    RouteState,
    State,
)
from modelwire_schemas.control import Command
from modelwire_schemas.errors import ModelwireError
from modelwire_schemas.rollout import Rollout
from modelwire_schemas.routing import ModelVersion


class BelowFloor(ModelwireError):
    """Raised when an event is so old that its document must be read from the log (R20)."""

    def __init__(self, route: str, ts: int) -> None:
        super().__init__(
            "E_BELOW_FLOOR",
            f"the documents of that time ({ts} ms) are no longer in memory",
            where=f"route {route}",
            todo="fold the log up to the event's control offset",
        )


def in_force(route: RouteState, ts: int, bt: int) -> Accepted | None:
    """Return the document in force for an event (R5); None when no document holds yet.

    `ts` is the event's record time, `bt` its business time (`ts` where the route has none), in ms.
    Raises BelowFloor when the state no longer knows.
    """
    if ts < route.floor.visible or bt < route.floor.effective:
        raise BelowFloor(route.route, ts)
    for accepted in reversed(route.timeline):
        if accepted.visible <= ts and accepted.effective <= bt:
            return accepted
    return None


def boundaries(route: RouteState) -> tuple[int, ...]:
    """Return the times at which the answer of `in_force` may change, rising (R14)."""
    times = {t for a in route.timeline for t in (a.visible, a.effective) if t != ALWAYS}
    return tuple(sorted(times))


def mixed(route: RouteState, low: int, high: int) -> bool:
    """Whether events with `low <= ts <= high` may meet different documents (R14)."""
    below = low < max(route.floor.visible, route.floor.effective)
    return bool(route.time_field) or below or any(low < t <= high for t in boundaries(route))


def displaced(route: RouteState, effective: int, now: int) -> tuple[Accepted, ...]:
    """Return the scheduled documents that a change at `effective` displaces (R6).

    What another one displaced before is none of them; `now` (ms) is the time of the change. One
    that asked for "now" is not scheduled: who changes its revision has seen it.
    """
    later = [a for a in reachable(route, now) if a.effective >= effective and a.effective != ALWAYS]
    return tuple(a for a in later if route.time_field or a.effective > a.accepted)


def reachable(route: RouteState, now: int) -> tuple[Accepted, ...]:
    """Return the documents that events from `now` on can meet: in force, or to come."""
    if route.time_field:
        return _seen(route.timeline, now)
    past = sum(1 for a in route.timeline if a.effective <= now)
    return route.timeline[max(0, past - 1) :]


def current(route: RouteState, now: int) -> Accepted | None:
    """Return the newest document that has taken effect at `now` (ms)."""
    return next((a for a in reversed(route.timeline) if a.effective <= now), None)


def under_way(route: RouteState, earliest: int) -> Rollout | None:
    """Return the rollout that can still be aborted: it is not over, or its end is to come."""
    rollout = route.rollout
    if rollout is None or (rollout.phase.over and route.head.effective <= earliest):
        return None
    return rollout


def way_back(route: RouteState, now: int) -> Accepted | None:
    """Return the document that comes at `now` (ms) or later unless a change is confirmed."""
    return next((a for a in route.timeline if a.takes_back and a.effective >= now), None)


def extend(route: RouteState | None, new: Accepted) -> RouteState:
    """Return the route with one more accepted document; what no event can reach is left out."""
    if route is None:
        return RouteState(new.document.route, new, (new,))
    recent = (route.head, *route.recent)[:RECENT]
    rollout, frozen = new.document.rollout, route.frozen
    base = None if rollout is None else _base(route, rollout)
    if new.visible == ALWAYS:
        return RouteState(route.route, new, (new,), recent, frozen=frozen, base=base)
    if route.time_field:
        older = [a for a in route.timeline if not _hides(new, a, route.floor.visible)]
    else:
        older = [a for a in route.timeline if a.effective < new.effective]
    kept = (*older, new)
    longer = RouteState(route.route, new, kept, recent, route.floor, route.beneath, frozen, base)
    if len(kept) <= TIMELINE:
        return longer
    return _bound_business(longer) if route.time_field else _bound(longer)


def without(
    state: State,
    entry: Entry,
    command: Command,
    route: RouteState,
    gone: Callable[[Accepted], object],
) -> tuple[RouteState, tuple[Accepted, ...]]:
    """Return a route without the documents to come that are `gone`, and what it takes instead.

    R5 stays the law, so nothing is erased: what holds before the first of them is said once more,
    and what else was to come comes again behind it, each as a revision of its own; but not what
    another one had displaced before.
    """
    met = _seen(route.timeline, state.earliest)
    kept = [a for a in met if a.effective < state.earliest or not gone(a)]
    least = min((a.effective for a in kept), default=None)
    removed = [a for a in met if a not in kept and least is not None]
    if least is None or not removed:
        return route, ()
    first = max(least, min(a.effective for a in removed))
    before = [a for a in kept if a.effective <= first][-1]
    brought = [_again(state, entry, route, before, max(before.effective, state.earliest))]
    undone = tuple(a.revision for a in removed)
    brought[0] = replace(
        brought[0],
        author=command.author,
        reason=command.reason,
        cause=command.cause,
        automatic=False,
        undoes=undone,
    )
    route = extend(route, brought[0])
    for later in (a for a in kept if a.effective > first):
        brought.append(_again(state, entry, route, later, later.effective))
        route = extend(route, brought[-1])
    return route, tuple(brought)


def _again(state: State, entry: Entry, route: RouteState, a: Accepted, effective: int) -> Accepted:
    return replace(
        a,
        revision=route.head.revision + 1,
        visible=state.earliest,
        effective=effective,
        accepted=state.earliest,
        offset=entry.offset,
        restores=a.revision,
        undoes=(),
    )


def _base(route: RouteState, now: Rollout) -> Accepted | None:
    """Return the document before the first one of the new document's rollout."""
    then = route.rollout
    goes_on = then is not None and then.id == now.id and (now.phase.over or not then.phase.over)
    return route.base if goes_on else route.head


def _bound(route: RouteState) -> RouteState:
    """Leave the oldest document out: events before the next one read the log (R20)."""
    kept = route.timeline[1:]
    return replace(route, timeline=kept, floor=Floor(kept[0].effective, kept[0].effective))


def _bound_business(route: RouteState) -> RouteState:
    """Leave a document out that only late events meet, else the one of the oldest business times.

    The newest document does not count: the events of this moment come before it is visible.
    """
    older, floor = route.timeline[:-1], route.floor
    late = [b.visible for a, b in combinations(older, 2) if b.effective <= a.effective]
    if late:
        kept = _seen(route.timeline, min(late))
        return replace(route, timeline=kept, floor=replace(floor, visible=min(late)))
    oldest, second = older[:2]
    named = {ModelVersion(oldest.document.model, v) for v in oldest.document.versions()}
    beneath = sorted(named.union(route.beneath), key=lambda v: (v.model, v.version))
    visible = max(floor.visible, second.visible)
    effective = max(floor.effective, second.effective)
    return replace(
        route,
        timeline=route.timeline[1:],
        floor=Floor(visible, effective),
        beneath=tuple(beneath),
    )


def _seen(timeline: tuple[Accepted, ...], visible: int) -> tuple[Accepted, ...]:
    """Return the documents that an event with `ts >= visible` and any business time can meet."""
    return tuple(
        a
        for i, a in enumerate(timeline)
        if not any(_hides(b, a, visible) for b in timeline[i + 1 :])
    )


def _hides(newer: Accepted, a: Accepted, visible: int) -> bool:
    """Whether a newer document holds wherever `a` would, for events with `ts >= visible`."""
    return newer.effective <= a.effective and newer.visible <= max(a.visible, visible)
