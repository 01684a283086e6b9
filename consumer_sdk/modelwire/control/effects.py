"""What an accepted command changes: the effect of each kind of body on the state; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from modelwire.control.checks import check_change, check_policy, check_release, check_unused
from modelwire.control.state import (
    ALWAYS,
    Accepted,
    Entry,
    Release,
    RouteState,
    State,
)
from modelwire.control.timeline import extend
from modelwire_schemas.control import ControlRecord
from modelwire_schemas.release import ReleasePublished, ReleaseWithdrawn
from modelwire_schemas.routing import Change, ModelVersion, PolicySet, RoutingChanged


class Effect(NamedTuple):
    """What an accepted body changes, and what its author is told; quick to make.

    `documents` are what it brought, in order; `routes` hold them.
    """

    releases: tuple[Release, ...] = ()
    routes: tuple[RouteState, ...] = ()
    lead: int | None = None
    documents: tuple[Accepted, ...] = ()
    detail: str = ""

    @property
    def effective(self) -> int:
        """From when all of the documents hold."""
        return max([a.effective for a in self.documents], default=ALWAYS)


def publish(state: State, entry: Entry, record: ControlRecord, body: ReleasePublished) -> Effect:
    """A version exists."""
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
        author=record.command.author,
    )
    return Effect(releases=(release,))


def withdraw(state: State, body: ReleaseWithdrawn) -> Effect:
    """A version may not be named any more."""
    versions = (ModelVersion(body.model, body.version),)
    return Effect(releases=_withdrawn(state, state.routes, versions))


def _withdrawn(
    state: State, routes: Mapping[str, RouteState], versions: Iterable[ModelVersion]
) -> tuple[Release, ...]:
    found = [check_unused(state, routes, v.model, v.version) for v in versions]
    return tuple(replace(release, withdrawn=True) for release in found)


def change_routes(
    state: State, entry: Entry, record: ControlRecord, body: RoutingChanged
) -> Effect:
    """Documents hold, all or none."""
    check_change(state, body)
    routes = tuple(_next(state, entry, record, body, change) for change in body.changes)
    withdrawn: tuple[Release, ...] = ()
    if body.withdraws:
        after = {**state.routes, **{route.route: route for route in routes}}
        withdrawn = _withdrawn(state, after, body.withdraws)
    return Effect(withdrawn, routes, None, tuple([route.head for route in routes]))


def _next(
    state: State, entry: Entry, record: ControlRecord, body: RoutingChanged, change: Change
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
        author=record.command.author,
        reason=record.command.reason,
        cause=record.command.cause,
        restores=change.restores,
        undoes=change.undoes,
        automatic=body.automatic,
    )
    return extend(before, accepted)


def set_policy(body: PolicySet) -> Effect:
    """The namespace's policy is another one."""
    check_policy(body)
    return Effect(lead=body.lead)
