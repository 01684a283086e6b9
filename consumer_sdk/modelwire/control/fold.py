"""The fold: control records in, state and verdicts out; pure, and the same at every reader."""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from modelwire.control.checks import is_automatic
from modelwire.control.effect import Effect
from modelwire.control.effects import change_routes, publish, set_policy, withdraw
from modelwire.control.proposals import approve, propose
from modelwire.control.state import Accepted, Entry, Release, Request, State, Verdict
from modelwire.control.stops import abort, confirm, freeze
from modelwire_schemas.control import Command, ControlRecord
from modelwire_schemas.errors import Conflict, ModelwireError, Rejected
from modelwire_schemas.policy import PolicySet
from modelwire_schemas.release import ReleasePublished, ReleaseWithdrawn
from modelwire_schemas.routing import (
    RolloutAborted,
    RouteConfirmed,
    RouteFrozen,
    RouteRevision,
    RoutingApproved,
    RoutingChanged,
    RoutingProposed,
)

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
        yield entry, verdict, draft.brought


class _Draft:
    """The next state while entries are taken: maps are copied once a batch, not once a record."""

    def __init__(self, before: State) -> None:
        self.brought: tuple[Accepted, ...] = ()
        self._releases: dict[str, Mapping[str, Release]] = dict(before.releases)
        self._own_models: dict[str, dict[str, Release]] = {}
        self._routes = dict(before.routes)
        self._requests = dict(before.requests)
        self._expiries = [(r.expires, i) for i, r in self._requests.items()]
        heapq.heapify(self._expiries)
        self._proposals = dict(before.proposals)
        self._view = self._at(before.offset, before.now, before.earliest, before.policy)

    def state(self) -> State:
        return self._view

    def take(self, entry: Entry) -> Verdict:
        self.brought = ()
        view = self._view
        now = max(view.now, entry.appended)
        earliest = max(view.earliest, entry.appended + view.policy.lead)
        self._view = self._at(entry.offset, now, earliest, view.policy)
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
        if verdict.code and is_automatic(entry.record.body):
            return verdict  # it changed nothing, and the same step may be decided anew (R23)
        self._requests[command.request_id] = Request(command.content, command.expires, verdict)
        heapq.heappush(self._expiries, (command.expires, command.request_id))
        return verdict

    def _at(self, offset: int, now: int, earliest: int, policy: PolicySet) -> State:
        releases, routes = self._releases, self._routes
        return State(
            offset, now, earliest, policy, releases, routes, self._requests, self._proposals
        )

    def _judge(self, entry: Entry, record: ControlRecord) -> Verdict:
        request_id = record.command.request_id
        try:
            effect = _effect(self._view, entry, record)
        except (Conflict, Rejected) as no:
            text = str(no).removeprefix(f"{no.code}: ")
            winner = no.where if isinstance(no, Conflict) else ""
            return Verdict(entry.offset, request_id, no.code, text, winner)
        self._apply(effect)
        self.brought = effect.documents
        told, when = effect.detail, effect.effective
        revisions = tuple([RouteRevision(a.document.route, a.revision) for a in effect.documents])
        return Verdict(entry.offset, request_id, "", told, "", revisions, when)

    def _apply(self, effect: Effect) -> None:
        for release in effect.releases:
            versions = self._own_models.get(release.model)
            if versions is None:
                versions = dict(self._releases.get(release.model, {}))
                self._own_models[release.model] = self._releases[release.model] = versions
            versions[release.version] = release
        for route in effect.routes:
            self._routes[route.route] = route
        for proposal in effect.proposals:
            self._proposals[proposal.offset] = proposal
        for offset in effect.closed:
            del self._proposals[offset]
        if effect.policy is not None:
            self._view = replace(self._view, policy=effect.policy)

    def _forget_expired(self, now: int) -> None:
        while self._expiries and self._expiries[0][0] <= now:
            _, request_id = heapq.heappop(self._expiries)
            del self._requests[request_id]
        if self._proposals:
            for proposal in [p for p in self._proposals.values() if p.expires <= now]:
                del self._proposals[proposal.offset]


def _repeated(offset: int, known: Request, content: str) -> Verdict:
    if known.content == content:
        return replace(known.verdict, offset=offset, repeats=known.verdict.offset)
    text = f"the request id was used at offset {known.verdict.offset} for something else"
    return Verdict(offset, known.verdict.request_id, "E_ID_REUSED", text)


def _effect(state: State, entry: Entry, record: ControlRecord) -> Effect:
    command, body = record.command, record.body
    if isinstance(body, RoutingChanged):
        return change_routes(state, entry, command, body)
    if isinstance(body, ReleasePublished):
        return publish(state, entry, command, body)
    if isinstance(body, ReleaseWithdrawn):
        return withdraw(state, command, body)
    return _ruled(state, entry, command, body)


def _ruled(
    state: State,
    entry: Entry,
    command: Command,
    body: RoutingProposed
    | RoutingApproved
    | RouteConfirmed
    | RouteFrozen
    | RolloutAborted
    | PolicySet,
) -> Effect:
    match body:
        case RoutingProposed():
            return propose(state, entry, command, body)
        case RoutingApproved():
            return approve(state, entry, command, body)
        case RouteConfirmed():
            return confirm(state, entry, command, body)
        case RouteFrozen():
            return freeze(state, entry, command, body)
        case RolloutAborted():
            return abort(state, entry, command, body)
        case PolicySet():
            return set_policy(state, entry, command, body)
