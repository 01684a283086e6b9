"""What an accepted command changes: the effect of each kind of body on the state; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from modelwire.control.checks import check_change, check_policy, check_release, check_unused
from modelwire.control.effect import Effect
from modelwire.control.policy import check_right, check_rules, inside
from modelwire.control.state import (
    ALWAYS,
    Accepted,
    Entry,
    Release,
    RouteState,
    State,
)
from modelwire.control.timeline import extend, in_force, without
from modelwire_schemas.control import Command
from modelwire_schemas.policy import Act, PolicySet
from modelwire_schemas.release import ReleasePublished, ReleaseWithdrawn
from modelwire_schemas.routing import Change, ModelVersion, RoutingChanged


def publish(state: State, entry: Entry, command: Command, body: ReleasePublished) -> Effect:
    """A version exists."""
    check_right(state.policy, command, Act.RELEASE, body.model)
    known = check_release(state, body)
    if known is not None:
        return Effect(detail=f"already published at offset {known.offset}")
    release = Release(
        model=body.model,
        version=body.version,
        artifact=replace(body.artifact, inline=(), chunks=()),
        contract=body.contract,
        requirements=body.requirements,
        offset=entry.offset,
        appended=entry.appended,
        author=command.author,
        valid_until=body.valid_until,
    )
    return Effect(releases=(release,))


def withdraw(state: State, command: Command, body: ReleaseWithdrawn) -> Effect:
    """A version may not be named any more."""
    check_right(state.policy, command, Act.RELEASE, body.model)
    versions = (ModelVersion(body.model, body.version),)
    return Effect(releases=_withdrawn(state, state.routes, versions))


def _withdrawn(
    state: State, routes: Mapping[str, RouteState], versions: Iterable[ModelVersion]
) -> tuple[Release, ...]:
    found = [check_unused(state, routes, v.model, v.version) for v in versions]
    return tuple(replace(release, withdrawn=True) for release in found)


def change_routes(
    state: State, entry: Entry, command: Command, body: RoutingChanged, *, approved: bool = False
) -> Effect:
    """Documents hold, all or none."""
    policy = state.policy
    if policy.rights or policy.approvals or policy.blackouts:  # most ask for nothing
        check_rules(state, command, body, approved=approved)
    check_change(state, body)
    routes = tuple([_next(state, entry, command, body, change) for change in body.changes])
    documents = tuple([route.head for route in routes])
    if body.confirm_within:  # of one route, which was there
        before = state.routes[routes[0].route]
        documents += (_way_back(state, before, documents[0], body.confirm_within),)
        routes = (extend(routes[0], documents[-1]),)
    withdrawn: tuple[Release, ...] = ()
    if body.withdraws:
        after = {**state.routes, **{route.route: route for route in routes}}
        withdrawn = _withdrawn(state, after, body.withdraws)
    return Effect(withdrawn, routes, None, documents)


def _next(
    state: State, entry: Entry, command: Command, body: RoutingChanged, change: Change
) -> RouteState:
    before = state.routes.get(change.document.route)
    everywhere = before is None or body.at_once
    now_or_later = state.earliest if body.effective_at is None else body.effective_at
    accepted = Accepted(
        revision=change.replaces + 1,
        document=change.document,
        visible=ALWAYS if everywhere else state.earliest,
        effective=ALWAYS if everywhere else now_or_later,
        accepted=state.earliest,
        offset=entry.offset,
        author=command.author,
        reason=command.reason,
        cause=command.cause,
        restores=change.restores,
        undoes=change.undoes,
        automatic=body.automatic,
        takes_back=_taken_over(before, body),
    )
    return extend(before, accepted)


def _taken_over(before: RouteState | None, body: RoutingChanged) -> int:
    """Return what a document takes back because it stands for a way back, at the same time."""
    if before is None or body.effective_at != before.head.effective:
        return 0
    return before.head.takes_back


def _way_back(state: State, before: RouteState, flip: Accepted, within: int) -> Accepted:
    """Return the document that goes back to what a route had before a change."""
    begin = max(flip.effective, state.earliest)
    base = in_force(before, begin, begin) or before.head
    return replace(
        flip,
        revision=flip.revision + 1,
        document=replace(base.document, rollout=None),
        visible=state.earliest,
        effective=begin + within,
        restores=base.revision,
        undoes=(flip.revision,),
        takes_back=flip.revision,
    )


def set_policy(state: State, entry: Entry, command: Command, body: PolicySet) -> Effect:
    """The namespace's policy is another one; what would take effect in a blackout goes (R22)."""
    check_policy(body)
    if not body.blackouts:
        return Effect(policy=body)
    routes: list[RouteState] = []
    documents: list[Accepted] = []
    for name in sorted(state.routes):
        after, brought = without(
            state,
            entry,
            command,
            state.routes[name],
            lambda a: not a.takes_back and inside(body.blackouts, a.effective),
        )
        routes += [after] if brought else []
        documents += brought
    return Effect(routes=tuple(routes), policy=body, documents=tuple(documents))
