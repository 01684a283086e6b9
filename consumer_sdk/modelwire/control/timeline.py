"""Which document of a route is in force for an event, and which ones events can still reach."""

from dataclasses import replace

from modelwire.control.state import ALWAYS, RECENT, TIMELINE, Accepted, Floor, RouteState
from modelwire_schemas.errors import ModelwireError


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


def displaced(route: RouteState, effective: int, earliest: int) -> tuple[Accepted, ...]:
    """Return the scheduled documents that a change at `effective` displaces (R6)."""
    business = bool(route.time_field)
    return tuple(
        a
        for a in route.timeline
        if a.effective >= effective
        and a.effective != ALWAYS
        and (business or a.effective > earliest)
    )


def reachable(route: RouteState, now: int) -> tuple[Accepted, ...]:
    """Return the documents that events from `now` on can meet: in force, or to come."""
    floor = Floor(now, ALWAYS if route.time_field else now)
    return tuple(
        a for a in route.timeline if not _hidden(a, route.timeline, floor, route.time_field)
    )


def extend(route: RouteState | None, new: Accepted) -> RouteState:
    """Return the route with one more accepted document; what no event can reach is left out."""
    if route is None:
        return RouteState(new.document.route, new, (new,))
    recent = (route.head, *route.recent)[:RECENT]
    if new.visible == ALWAYS:
        return RouteState(route.route, new, (new,), recent)
    bare = replace(route, head=new, timeline=(*route.timeline, new), recent=recent)
    return _raise_floor(_prune(bare))


def _prune(route: RouteState) -> RouteState:
    field = route.time_field
    kept = tuple(a for a in route.timeline if not _hidden(a, route.timeline, route.floor, field))
    return replace(route, timeline=kept)


def _raise_floor(route: RouteState) -> RouteState:
    while len(route.timeline) > TIMELINE:
        later = min(route.timeline[1:], key=lambda a: max(a.visible, a.effective))
        floor = Floor(
            max(route.floor.visible, later.visible), max(route.floor.effective, later.effective)
        )
        route = _prune(replace(route, timeline=route.timeline[1:], floor=floor))
    return route


def _hidden(a: Accepted, timeline: tuple[Accepted, ...], floor: Floor, time_field: str) -> bool:
    """Whether a newer document holds wherever `a` would, for every event above the floor."""
    return any(b.revision > a.revision and _covers(b, a, floor, time_field) for b in timeline)


def _covers(b: Accepted, a: Accepted, floor: Floor, time_field: str) -> bool:
    if time_field:
        return b.visible <= max(a.visible, floor.visible) and b.effective <= max(
            a.effective, floor.effective
        )
    start = max(a.visible, a.effective, floor.visible, floor.effective)
    return max(b.visible, b.effective) <= start
