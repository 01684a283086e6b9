"""The fold: control records in, state and verdicts out; pure, and the same at every reader."""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from modelwire.control.checks import check_change, check_policy, check_release, check_unused
from modelwire.control.state import (
    ALWAYS,
    Accepted,
    Entry,
    Release,
    Request,
    RouteState,
    State,
    Verdict,
)
from modelwire.control.timeline import extend
from modelwire_schemas.control import Body, ControlRecord
from modelwire_schemas.errors import Conflict, ModelwireError, Rejected
from modelwire_schemas.release import ReleasePublished, ReleaseWithdrawn
from modelwire_schemas.routing import Change, ModelVersion, PolicySet, RouteRevision, RoutingChanged

MAX_EXPIRY = 24 * 3600 * 1000
"""A command may expire at most this many ms after it was appended (R19)."""


def fold(state: State, entries: Iterable[Entry]) -> tuple[State, list[Verdict]]:
    """Return the state after `entries`, and one verdict for each of them.

    Entries follow `state.offset` in log order. Never raises for what a record says: bad records
    are folded, too, and rejected with a reason.
    """
    draft = _Draft(state)
    verdicts = [draft.take(entry) for entry in entries]
    return draft.state(), verdicts


def steps(
    state: State, entries: Iterable[Entry]
) -> Iterator[tuple[Entry, Verdict, tuple[Accepted, ...]]]:
    """Yield every entry with its verdict and the documents that it brought."""
    draft = _Draft(state)
    for entry in entries:
        verdict = draft.take(entry)
        brought = verdict.revisions if verdict.repeats < 0 else ()
        yield entry, verdict, tuple(draft.state().routes[r.route].head for r in brought)


class _Effect(NamedTuple):
    """What an accepted body changes, and what its author is told; quick to make."""

    releases: tuple[Release, ...] = ()
    routes: tuple[RouteState, ...] = ()
    lead: int | None = None
    revisions: tuple[RouteRevision, ...] = ()
    effective: int = ALWAYS
    detail: str = ""


class _Draft:
    """The next state while entries are taken: maps are copied once a batch, not once a record."""

    def __init__(self, before: State) -> None:
        self._releases: dict[str, Mapping[str, Release]] = dict(before.releases)
        self._own_models: dict[str, dict[str, Release]] = {}
        self._routes = dict(before.routes)
        self._requests = dict(before.requests)
        self._expiries = [(r.expires, i) for i, r in self._requests.items()]
        heapq.heapify(self._expiries)
        self._view = self._at(before.offset, before.now, before.earliest, before.lead)

    def state(self) -> State:
        return self._view

    def take(self, entry: Entry) -> Verdict:
        view = self._view
        now = max(view.now, entry.appended)
        earliest = max(view.earliest, entry.appended + view.lead)
        self._view = self._at(entry.offset, now, earliest, view.lead)
        self._forget_expired(now)
        if isinstance(entry.record, ModelwireError):
            return Verdict(entry.offset, "", entry.record.code, str(entry.record))
        command = entry.record.command
        if command.expires <= now:
            late = now - command.expires
            text = f"the command expired {late} ms before it was appended; send it again"
            return Verdict(entry.offset, command.request_id, "E_EXPIRED", text)
        if command.expires > now + MAX_EXPIRY:
            text = f"the command expires at {command.expires}; expected at most a day from now"
            return Verdict(entry.offset, command.request_id, "E_EXPIRY", text)
        known = self._requests.get(command.request_id)
        if known is not None:
            return _repeated(entry.offset, known, command.content)
        verdict = self._judge(entry, entry.record)
        self._requests[command.request_id] = Request(command.content, command.expires, verdict)
        heapq.heappush(self._expiries, (command.expires, command.request_id))
        return verdict

    def _at(self, offset: int, now: int, earliest: int, lead: int) -> State:
        return State(offset, now, earliest, lead, self._releases, self._routes, self._requests)

    def _judge(self, entry: Entry, record: ControlRecord) -> Verdict:
        request_id = record.command.request_id
        try:
            effect = _effect(self._view, entry, record)
        except (Conflict, Rejected) as no:
            text = str(no).removeprefix(f"{no.code}: ")
            winner = no.where if isinstance(no, Conflict) else ""
            return Verdict(entry.offset, request_id, no.code, text, winner)
        self._apply(effect)
        told, when = effect.detail, effect.effective
        return Verdict(entry.offset, request_id, "", told, "", effect.revisions, when)

    def _apply(self, effect: _Effect) -> None:
        for release in effect.releases:
            versions = self._own_models.get(release.model)
            if versions is None:
                versions = dict(self._releases.get(release.model, {}))
                self._own_models[release.model] = self._releases[release.model] = versions
            versions[release.version] = release
        for route in effect.routes:
            self._routes[route.route] = route
        if effect.lead is not None:
            self._view = replace(self._view, lead=effect.lead)

    def _forget_expired(self, now: int) -> None:
        while self._expiries and self._expiries[0][0] <= now:
            _, request_id = heapq.heappop(self._expiries)
            del self._requests[request_id]


def _repeated(offset: int, known: Request, content: str) -> Verdict:
    if known.content == content:
        return replace(known.verdict, offset=offset, repeats=known.verdict.offset)
    text = f"the request id was used at offset {known.verdict.offset} for something else"
    return Verdict(offset, known.verdict.request_id, "E_ID_REUSED", text)


def _effect(state: State, entry: Entry, record: ControlRecord) -> _Effect:
    body: Body = record.body
    if isinstance(body, RoutingChanged):
        return _change_routes(state, entry, record, body)
    if isinstance(body, ReleasePublished):
        return _publish(state, entry, record, body)
    if isinstance(body, ReleaseWithdrawn):
        versions = (ModelVersion(body.model, body.version),)
        return _Effect(releases=_withdraw(state, state.routes, versions))
    return _set_policy(body)


def _publish(state: State, entry: Entry, record: ControlRecord, body: ReleasePublished) -> _Effect:
    known = check_release(state, body)
    if known is not None:
        return _Effect(detail=f"already published at offset {known.offset}")
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
    return _Effect(releases=(release,))


def _withdraw(
    state: State, routes: Mapping[str, RouteState], versions: Iterable[ModelVersion]
) -> tuple[Release, ...]:
    found = [check_unused(state, routes, v.model, v.version) for v in versions]
    return tuple(replace(release, withdrawn=True) for release in found)


def _change_routes(
    state: State, entry: Entry, record: ControlRecord, body: RoutingChanged
) -> _Effect:
    check_change(state, body)
    routes = [_next(state, entry, record, body, change) for change in body.changes]
    withdrawn: tuple[Release, ...] = ()
    if body.withdraws:
        after = {**state.routes, **{route.route: route for route in routes}}
        withdrawn = _withdraw(state, after, body.withdraws)
    revisions = [RouteRevision(r.route, r.head.revision) for r in routes]
    effective = max([r.head.effective for r in routes], default=ALWAYS)
    return _Effect(withdrawn, tuple(routes), None, tuple(revisions), effective)


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
    )
    return extend(before, accepted)


def _set_policy(body: PolicySet) -> _Effect:
    check_policy(body)
    return _Effect(lead=body.lead)
