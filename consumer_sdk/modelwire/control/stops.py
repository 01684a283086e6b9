"""How people stop what goes by itself: a freeze, an abort, a change's way back; pure (R22)."""

from dataclasses import replace

from modelwire.control.effect import Effect
from modelwire.control.policy import check_right
from modelwire.control.state import ALWAYS, Accepted, Entry, Freeze, RouteState, State
from modelwire.control.telling import told_time
from modelwire.control.timeline import extend, in_force, under_way, way_back, without
from modelwire_schemas.control import Command
from modelwire_schemas.errors import Rejected
from modelwire_schemas.policy import Act
from modelwire_schemas.rollout import Phase, Rollout
from modelwire_schemas.routing import RolloutAborted, RouteConfirmed, RouteFrozen


def freeze(state: State, entry: Entry, command: Command, body: RouteFrozen) -> Effect:
    """Freeze a route or let it go on; what a controller scheduled and nobody has met yet goes."""
    route = _known(state, body.route)
    check_right(state.policy, command, Act.ROUTE, body.route)
    if not body.frozen:
        detail = "" if route.frozen else "it was not frozen"
        return Effect(routes=(replace(route, frozen=None),), detail=detail)
    if route.frozen:
        by, at = route.frozen.author or "somebody", route.frozen.offset
        return Effect(detail=f"already frozen by {by} at offset {at}")
    after, documents = without(state, entry, command, route, lambda a: a.automatic)
    frozen = Freeze(command.author, command.reason, state.now, entry.offset)
    return Effect(routes=(replace(after, frozen=frozen),), documents=documents)


def abort(state: State, entry: Entry, command: Command, body: RolloutAborted) -> Effect:
    """End a rollout at once, on every route that it runs on, with what was there before it."""
    route = _known(state, body.route)
    rollout = under_way(route, state.earliest)
    if rollout is None or rollout.id != body.rollout:
        there = route.rollout
        found = f"rollout {there.id}, {there.phase}" if there else "no rollout"
        raise Rejected(
            "E_NO_ROLLOUT",
            f"rollout {body.rollout} is not under way",
            where=f"route {body.route}",
            expected=f"what revision {route.head.revision} says: {found}",
        )
    names = sorted(state.routes)
    together = [r for r in map(state.routes.__getitem__, names) if _runs(r, rollout, state)]
    for each in together:
        check_right(state.policy, command, Act.ROUTE, each.route)
    documents = tuple(_ended(state, entry, command, r) for r in together)
    after = [extend(r, ended) for r, ended in zip(together, documents, strict=True)]
    return Effect(routes=tuple(after), documents=documents)


def confirm(state: State, entry: Entry, command: Command, body: RouteConfirmed) -> Effect:
    """Leave a change that would go back where it is; no event gets another answer before that."""
    route = _known(state, body.route)
    check_right(state.policy, command, Act.ROUTE, body.route)
    back = way_back(route, state.earliest)
    if back is None:
        raise _nothing_to_confirm(route, state.earliest)
    after, documents = without(state, entry, command, route, lambda a: a is back)
    return Effect(
        routes=(after,), documents=documents, detail=f"revision {back.takes_back} confirmed"
    )


def _nothing_to_confirm(route: RouteState, earliest: int) -> Rejected:
    now = in_force(route, earliest, earliest)
    if now is not None and now.takes_back:
        return Rejected(
            "E_WENT_BACK",
            f"revision {now.takes_back} was not confirmed in time and went back at "
            f"{told_time(now.effective)}",
            where=f"route {route.route}",
            todo="flip again",
        )
    return Rejected(
        "E_NOTHING_TO_CONFIRM",
        "no change waits to be confirmed",
        where=f"route {route.route}",
        expected="a flip with --confirm-within that has not gone back",
    )


def _ended(state: State, entry: Entry, command: Command, route: RouteState) -> Accepted:
    head, base = route.head, route.base
    rollout = head.document.rollout
    if base is None or rollout is None:
        raise Rejected(
            "E_NO_EARLIER",
            "the route began with this rollout, so there is nothing to go back to",
            where=f"route {route.route}",
            todo="flip it to the version that is to answer",
        )
    aborted = replace(
        rollout, phase=Phase.ABORTED, since=state.now, note=command.reason, findings=()
    )
    return Accepted(
        revision=head.revision + 1,
        document=replace(base.document, rollout=aborted),
        visible=ALWAYS,
        effective=ALWAYS,
        accepted=state.earliest,
        offset=entry.offset,
        author=command.author,
        reason=command.reason,
        cause=command.cause,
        restores=base.revision,
        undoes=tuple(range(base.revision + 1, head.revision + 1)),
    )


def _runs(route: RouteState, rollout: Rollout, state: State) -> bool:
    found = under_way(route, state.earliest)
    return found is not None and found.id == rollout.id


def _known(state: State, name: str) -> RouteState:
    route = state.routes.get(name)
    if route is None:
        known = ", ".join(sorted(state.routes)[:10]) or "none"
        raise Rejected("E_UNKNOWN_ROUTE", f"there is no route {name}", expected=f"one of {known}")
    return route
