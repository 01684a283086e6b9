"""Why the fold refuses a command: every check that needs the state, in a fixed order (R19)."""

import difflib
from bisect import bisect
from collections.abc import Iterable, Mapping

from modelwire.control.policy import check_valid
from modelwire.control.state import TIMELINE, Accepted, Release, RouteState, State
from modelwire.control.telling import told_time
from modelwire.control.timeline import displaced, reachable, under_way
from modelwire.routing.checks import check_document, check_reshuffle
from modelwire.routing.layers import check_layers, holders
from modelwire_schemas.contracts import differences, faults
from modelwire_schemas.control import Body
from modelwire_schemas.errors import Conflict, Rejected
from modelwire_schemas.policy import PolicySet
from modelwire_schemas.release import ReleasePublished
from modelwire_schemas.routing import (
    Change,
    ModelVersion,
    RoutingChanged,
    RoutingDocument,
)

MAX_LEAD = 60_000
"""The longest lead (ms) that a policy may set."""

DECIDED = 10_000
"""A controller's change counts within so many ms after it was decided (R23)."""

LONGEST_TRIAL = 7 * 24 * 3600 * 1000
"""A change may wait at most so many ms to be confirmed."""

NEIGHBOURS = 16
"""How many names on each side of an unknown one may have been meant."""


def check_release(state: State, body: ReleasePublished) -> Release | None:
    """Return the same release if it is there already; raise Conflict if another one is."""
    for fault in faults(body.contract):
        raise Rejected("E_CONTRACT", fault, where=f"{body.model} {body.version}")
    known = state.release(body.model, body.version)
    if known is None:
        return None
    if known.withdrawn:
        raise Rejected(
            "E_WITHDRAWN",
            f"{body.model} {body.version} was withdrawn",
            todo="publish the file under a new version",
        )
    old, new = known.artifact.digest, body.artifact.digest
    if old != new or known.contract != body.contract:
        found = f"digest, {old[:12]} and not {new[:12]}" if old != new else "contract"
        raise Conflict(
            "E_CONFLICT",
            f"{body.model} {body.version} is there with another {found}",
            where=f"{known.author or 'somebody'} at offset {known.offset}",
            todo="a version is never reused: choose another one",
        )
    return known


def check_unused(
    state: State, routes: Mapping[str, RouteState], model: str, version: str
) -> Release:
    """Return the release that may be withdrawn; raise Rejected with the routes that name it."""
    release = state.release(model, version)
    if release is None:
        raise Rejected(
            "E_UNKNOWN_VERSION", _unknown(state, model, version), todo="name one of them"
        )
    users = [r.route for r in _sorted(routes) if _names(r, state.earliest, model, version)]
    if users:
        raise Rejected(
            "E_IN_USE",
            f"{model} {version} is named by a document in force or to come",
            where=f"route {', '.join(users)}",
            todo=f"flip {'it' if len(users) == 1 else 'them'} to another version first",
        )
    return release


def check_policy(body: PolicySet) -> None:
    """Raise Rejected unless the lead is one that consumers can live with."""
    if not 0 <= body.lead <= MAX_LEAD:
        raise Rejected("E_LEAD", f"lead {body.lead} ms", expected=f"0 to {MAX_LEAD} ms")


def check_change(state: State, body: RoutingChanged) -> None:
    """Raise Conflict or Rejected unless every document of the change may take effect."""
    routes = [change.document.route for change in body.changes]
    if not routes and not body.withdraws:
        raise Rejected("E_EMPTY", "the change has no document", expected="at least one")
    if len(set(routes)) != len(routes):
        raise Rejected("E_TWICE", f"a route stands twice in {', '.join(routes)}")
    if body.automatic:
        _check_automatic(state, body)
    for change in body.changes:
        _check_base(state, change)
        check_document(change.document)
        named = _check_versions(state, change)
        for release in named:
            if release.valid_until:
                check_valid(state, body, change, release)
        _check_fit(state, change, named)
    _check_layers(state, body)
    _check_times(state, body)


def is_automatic(body: Body) -> bool:
    """Whether a controller asks, and no person."""
    return isinstance(body, RoutingChanged) and body.automatic


def _check_automatic(state: State, body: RoutingChanged) -> None:
    """Refuse what was decided on stale evidence, and what a person has stopped (R22, R23)."""
    age = state.now - body.decided_at
    if abs(age) > DECIDED:
        raise Rejected(
            "E_STALE_DECISION",
            f"it was decided {age} ms before it was appended",
            expected=f"at most {DECIDED} ms",
            todo="look at what there is now, and decide again",
        )
    for change in body.changes:
        route = state.routes.get(change.document.route)
        if route is not None and route.frozen is not None:
            by = route.frozen
            reason = f": {by.reason}" if by.reason else ""
            raise Rejected(
                "E_FROZEN",
                f"it was frozen by {by.author or 'somebody'} at offset {by.offset}{reason}",
                where=f"route {route.route}",
                todo=f"modelwire unfreeze {route.route}",
            )


def _check_base(state: State, change: Change) -> None:
    route = state.routes.get(change.document.route)
    head = route.head if route else None
    newest = head.revision if head else 0
    if change.replaces == newest:
        return
    if head is None:
        raise Rejected(
            "E_UNKNOWN_ROUTE",
            f"route {change.document.route} has no revision {change.replaces}",
            expected="0 for a new route",
        )
    raise Conflict(
        "E_CONFLICT",
        f"route {change.document.route} is at revision {newest}, the change was made from "
        f"{change.replaces}",
        where=_who(head),
        todo="look at it and send the change again from there",
    )


def _check_versions(state: State, change: Change) -> list[Release]:
    """Return the releases that the document names; raise Rejected where one is not to be had."""
    document = change.document
    return [
        named_release(state, document.model, version, document.route)
        for version in document.versions()
    ]


def named_release(state: State, model: str, version: str, route: str) -> Release:
    """Return the release that a route names; raise Rejected where it is not to be had."""
    known = state.releases.get(model)
    if known is None:
        near = _near(model, state.releases)
        hint = f"did you mean {', '.join(near)}" if near else "publish it first"
        raise Rejected("E_UNKNOWN_MODEL", f"model {model} has no release", todo=hint)
    release = known.get(version)
    if release is None:
        raise Rejected(
            "E_UNKNOWN_VERSION",
            _unknown(state, model, version),
            where=f"route {route}",
            todo="publish it first, or name one of them",
        )
    if release.withdrawn:
        raise Rejected(
            "E_WITHDRAWN",
            f"{model} {version} was withdrawn",
            where=f"route {route}",
            todo="name another version",
        )
    return release


def _check_fit(state: State, change: Change, named: list[Release]) -> None:
    route = state.routes.get(change.document.route)
    if route is None:
        return
    check_reshuffle(route.head.document, change.document)
    if change.document.contract_changed:
        return
    main = _main_release(state, route.head.document)
    for new in named:
        if main is None or new is main:
            continue
        for fault in differences(main.contract, new.contract):
            raise Rejected(
                "E_CONTRACT",
                f"{new.model} {new.version} does not fit: {fault}",
                where=f"route {change.document.route}",
                todo="say `contract: changed` in the document if it is meant",
            )


def _main_release(state: State, document: RoutingDocument) -> Release | None:
    """The version whose contract is the route's: the one of the last rule with most buckets."""
    variants = document.rules[-1].variants
    main = variants[0] if len(variants) == 1 else max(variants, key=lambda v: v.weight)
    return state.release(document.model, main.version)


def _check_layers(state: State, body: RoutingChanged) -> None:
    """Refuse what would put a key into two experiments of a layer, at any time."""
    new = [h for c in body.changes for h in holders(c.document.route, c.document.rules)]
    if new:
        changed = {change.document.route for change in body.changes}
        others = [route for route in _sorted(state.routes) if route.route not in changed]
        there = [(r.route, a) for r in others for a in lasting(r, state.earliest)]
        check_layers(new, [h for name, a in there for h in holders(name, a.document.rules)])


def lasting(route: RouteState, now: int) -> tuple[Accepted, ...]:
    """Return the documents that events from `now` on can meet, and that of an abort."""
    base = () if route.base is None or under_way(route, now) is None else (route.base,)
    return (*reachable(route, now), *base)


def _check_times(state: State, body: RoutingChanged) -> None:
    if len({change.document.time_field for change in body.changes}) > 1:
        raise Rejected("E_TIME_SOURCE", "routes that change in one record differ in `time_field`")
    if body.at_once and body.effective_at is not None:
        raise Rejected("E_AT_ONCE", "a change at once has no `effective_at`")
    for change in body.changes:
        _check_time(state, body, change)
    if body.confirm_within:
        _check_trial(state, body)


def _check_trial(state: State, body: RoutingChanged) -> None:
    """Refuse a change that could not go back by itself."""
    names = [change.document.route for change in body.changes]
    route = state.routes.get(names[0]) if names else None
    if len(names) > 1:
        fault, todo = "several routes would go back together", "change one route at a time"
    elif not names:
        fault, todo = "no route changes, so none would go back", "leave it out"
    elif route is None:
        fault, todo = "a first document has nothing to go back to", "leave it out"
    elif route.time_field:
        fault, todo = "the route goes by business time", "leave it out; undo goes back"
    elif body.confirm_within > LONGEST_TRIAL:
        fault, todo = f"{body.confirm_within} ms are more than 7 days", "confirm within less"
    else:
        return
    where = f"route {', '.join(names)}" if names else ""
    raise Rejected("E_CONFIRM_WITHIN", fault, where=where, todo=todo)


def _check_time(state: State, body: RoutingChanged, change: Change) -> None:
    name = change.document.route
    route = state.routes.get(name)
    if route is None:
        if body.effective_at is not None:
            raise Rejected(
                "E_FIRST", "a first document has no `effective_at`", where=f"route {name}"
            )
        return
    if route.time_field != change.document.time_field:
        raise Rejected(
            "E_TIME_SOURCE",
            f"`time_field` is {route.time_field!r} and never changes",
            where=f"route {name}",
            todo="make a new route",
        )
    if body.at_once:
        return
    effective = state.earliest if body.effective_at is None else body.effective_at
    if effective < state.earliest and not route.time_field:
        raise Rejected(
            "E_TOO_EARLY",
            f"{told_time(effective)} is too early",
            where=f"route {name}",
            expected=f"{told_time(state.earliest)} or later",
            todo="leave it out to change now, or say at once",
        )
    _check_cancels(body, route, effective, state.earliest)
    new = 2 if body.confirm_within else 1
    if len(route.timeline) + new > TIMELINE:
        _check_room(route, effective, state.earliest, new)


def _check_cancels(body: RoutingChanged, route: RouteState, effective: int, earliest: int) -> None:
    listed = {c.revision for c in body.cancels if c.route == route.route}
    hit = [a for a in displaced(route, effective, earliest) if a.revision not in listed]
    if hit:
        told = "; ".join(f"{_what(a)} for {told_time(a.effective)} by {_who(a)}" for a in hit)
        names = ", ".join(f"{route.route}@{a.revision}" for a in hit)
        raise Rejected(
            "E_SCHEDULED",
            f"scheduled is {told}",
            where=f"route {route.route}",
            todo=f"name what goes in `cancels`: {names}; or change at once",
        )


def _check_room(route: RouteState, effective: int, earliest: int, new: int) -> None:
    """Refuse what would push a document in force out of the timeline (R20, R21)."""
    if route.time_field:
        return
    scheduled = sum(1 for a in route.timeline if earliest < a.effective < effective)
    if scheduled + new >= TIMELINE:
        raise Rejected(
            "E_TOO_MANY",
            f"{scheduled} changes are scheduled",
            where=f"route {route.route}",
            todo="wait for some of them, or cancel some",
        )


def _names(route: RouteState, now: int, model: str, version: str) -> bool:
    return ModelVersion(model, version) in route.beneath or any(
        a.document.model == model and version in a.document.versions() for a in lasting(route, now)
    )


def _sorted(routes: Mapping[str, RouteState]) -> list[RouteState]:
    return [routes[name] for name in sorted(routes)]


def _unknown(state: State, model: str, version: str) -> str:
    known = [v for v, r in state.releases.get(model, {}).items() if not r.withdrawn]
    near = _near(version, known) or sorted(known)[-3:]
    hint = f", there is {', '.join(near)}" if near else ""
    return f"{model} {version} is not released{hint}"


def _near(word: str, known: Iterable[str]) -> list[str]:
    """Return what was perhaps meant; of many only neighbours are looked at, which is quick."""
    ordered = sorted(known)
    at = bisect(ordered, word)
    around = ordered[max(0, at - NEIGHBOURS) : at + NEIGHBOURS]
    return difflib.get_close_matches(word, around, 3, 0.3)


def _what(accepted: Accepted) -> str:
    back = f", which takes {accepted.takes_back} back" if accepted.takes_back else ""
    return f"revision {accepted.revision}{back}"


def _who(accepted: Accepted) -> str:
    reason = f": {accepted.reason}" if accepted.reason else ""
    return f"{accepted.author or 'somebody'} at offset {accepted.offset}{reason}"
