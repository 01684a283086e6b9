"""The state as bytes and back: what the cache keeps for a start without the log, and its hash."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from modelwire.control.state import (
    Accepted,
    Floor,
    Freeze,
    Proposal,
    Release,
    Request,
    RouteState,
    State,
    Verdict,
)
from modelwire.loading.wire import pack, unpack
from modelwire_schemas.codec import content_digest, decode, encode
from modelwire_schemas.control import FOLD_VERSION, Body, Command, ControlRecord, fold_of
from modelwire_schemas.errors import Corrupt, Rejected, TooNew
from modelwire_schemas.generations import Kind
from modelwire_schemas.policy import PolicySet
from modelwire_schemas.release import ReleasePublished
from modelwire_schemas.routing import Change, ModelVersion, RoutingChanged

_NOBODY = Command(request_id="0", content="0" * 64, expires=0)

REMEMBERED = 10_000
"""Releases and documents whose bytes are remembered at most."""

Part = TypeVar("Part", PolicySet, Release, Accepted, Proposal)

_made: dict[int, tuple[object, bytes]] = {}
"""A part's bytes by its identity, with the part, so that no other one takes its identity."""


@dataclass(frozen=True, slots=True)
class _Release:
    published: bytes
    offset: int
    appended: int
    author: str
    withdrawn: bool


@dataclass(frozen=True, slots=True)
class _Accepted:
    document: bytes
    revision: int
    visible: int
    effective: int
    accepted: int
    offset: int
    author: str
    reason: str
    cause: str
    restores: int
    undoes: tuple[int, ...]
    automatic: bool
    takes_back: int


@dataclass(frozen=True, slots=True)
class _Route:
    route: str
    head: int
    documents: tuple[_Accepted, ...]
    timeline: tuple[int, ...]
    recent: tuple[int, ...]
    floor: Floor
    beneath: tuple[ModelVersion, ...]
    frozen: Freeze | None
    base: int | None


@dataclass(frozen=True, slots=True)
class _Proposal:
    offset: int
    change: bytes
    author: str
    role: str
    reason: str
    expires: int
    approved: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _State:
    fold: int
    offset: int
    now: int
    earliest: int
    policy: bytes
    releases: tuple[_Release, ...]
    routes: tuple[_Route, ...]
    requests: tuple[Request, ...]
    proposals: tuple[_Proposal, ...]


def dump(state: State) -> bytes:
    """Return the state as bytes: equal states, equal bytes, on every machine."""
    releases = [r for m in sorted(state.releases) for _, r in sorted(state.releases[m].items())]
    return pack(
        _State(
            fold=FOLD_VERSION,
            offset=state.offset,
            now=state.now,
            earliest=state.earliest,
            policy=_packed(state.policy, lambda policy: policy),
            releases=tuple(_from_release(release) for release in releases),
            routes=tuple(_from_route(state.routes[name]) for name in sorted(state.routes)),
            requests=tuple(state.requests[i] for i in sorted(state.requests)),
            proposals=tuple(_from_proposal(state.proposals[i]) for i in sorted(state.proposals)),
        )
    )


def load(content: bytes) -> State:
    """Return the state that `dump` wrote.

    Raises Corrupt `E_CORRUPT` when it is damaged, TooNew `E_OLD_SDK` when a newer fold wrote it.
    """
    try:
        saved = unpack(_State, content)
        if saved.fold > FOLD_VERSION:
            raise TooNew(
                "E_OLD_SDK",
                f"the saved state has fold version {saved.fold}",
                expected=f"at most {FOLD_VERSION}",
                todo="upgrade modelwire, or read the log anew",
            )
        return _restored(saved)
    except (ValueError, KeyError, Rejected) as error:
        raise Corrupt("E_CORRUPT", f"the saved state is damaged: {error}") from None


def _restored(saved: _State) -> State:
    releases: dict[str, dict[str, Release]] = {}
    for release in map(_to_release, saved.releases):
        releases.setdefault(release.model, {})[release.version] = release
    return State(
        offset=saved.offset,
        now=saved.now,
        earliest=saved.earliest,
        policy=_to_policy(saved.policy),
        releases=releases,
        routes={route.route: _to_route(route) for route in saved.routes},
        requests={request.verdict.request_id: request for request in saved.requests},
        proposals={proposal.offset: _to_proposal(proposal) for proposal in saved.proposals},
    )


def state_hash(state: State) -> str:
    """Return 32 hex digits that are equal where states are equal.

    How a verdict is worded does not count: one modelwire may say it better than another.
    """
    bare = {i: replace(r, verdict=_unworded(r.verdict)) for i, r in state.requests.items()}
    return hashlib.sha256(dump(replace(state, requests=bare))).hexdigest()[:32]


def _unworded(verdict: Verdict) -> Verdict:
    return replace(verdict, detail="", winner="")


def _from_release(release: Release) -> _Release:
    return _Release(
        _packed(release, _published),
        release.offset,
        release.appended,
        release.author,
        release.withdrawn,
    )


def _published(release: Release) -> Body:
    return ReleasePublished(
        model=release.model,
        version=release.version,
        artifact=release.artifact,
        contract=release.contract,
        requirements=release.requirements,
        valid_until=release.valid_until,
    )


def _to_release(saved: _Release) -> Release:
    body = _unpacked(Kind.RELEASE_PUBLISHED, saved.published)
    assert isinstance(body, ReleasePublished)  # noqa: S101  decode checked the kind
    release = Release(
        model=body.model,
        version=body.version,
        artifact=body.artifact,
        contract=body.contract,
        requirements=body.requirements,
        offset=saved.offset,
        appended=saved.appended,
        author=saved.author,
        withdrawn=saved.withdrawn,
        valid_until=body.valid_until,
    )
    return _remember(release, saved.published)


def _from_route(route: RouteState) -> _Route:
    base = () if route.base is None else (route.base,)
    every = {a.revision: a for a in (route.head, *route.timeline, *route.recent, *base)}
    return _Route(
        route=route.route,
        head=route.head.revision,
        documents=tuple(_from_accepted(every[revision]) for revision in sorted(every)),
        timeline=tuple(a.revision for a in route.timeline),
        recent=tuple(a.revision for a in route.recent),
        floor=route.floor,
        beneath=route.beneath,
        frozen=route.frozen,
        base=None if route.base is None else route.base.revision,
    )


def _to_route(saved: _Route) -> RouteState:
    every = {document.revision: _to_accepted(document) for document in saved.documents}
    return RouteState(
        route=saved.route,
        head=every[saved.head],
        timeline=tuple(every[revision] for revision in saved.timeline),
        recent=tuple(every[revision] for revision in saved.recent),
        floor=saved.floor,
        beneath=saved.beneath,
        frozen=saved.frozen,
        base=None if saved.base is None else every[saved.base],
    )


def _from_accepted(a: Accepted) -> _Accepted:
    return _Accepted(
        document=_packed(a, _changed),
        revision=a.revision,
        visible=a.visible,
        effective=a.effective,
        accepted=a.accepted,
        offset=a.offset,
        author=a.author,
        reason=a.reason,
        cause=a.cause,
        restores=a.restores,
        undoes=a.undoes,
        automatic=a.automatic,
        takes_back=a.takes_back,
    )


def _changed(accepted: Accepted) -> Body:
    return RoutingChanged((Change(accepted.document, 0),))


def _to_accepted(saved: _Accepted) -> Accepted:
    body = _unpacked(Kind.ROUTING_CHANGED, saved.document)
    assert isinstance(body, RoutingChanged)  # noqa: S101  decode checked the kind
    accepted = Accepted(
        revision=saved.revision,
        document=body.changes[0].document,
        visible=saved.visible,
        effective=saved.effective,
        accepted=saved.accepted,
        offset=saved.offset,
        author=saved.author,
        reason=saved.reason,
        cause=saved.cause,
        restores=saved.restores,
        undoes=saved.undoes,
        automatic=saved.automatic,
        takes_back=saved.takes_back,
    )
    return _remember(accepted, saved.document)


def _to_policy(saved: bytes) -> PolicySet:
    body = _unpacked(Kind.POLICY_SET, saved)
    assert isinstance(body, PolicySet)  # noqa: S101  decode checked the kind
    return body


def _from_proposal(proposal: Proposal) -> _Proposal:
    return _Proposal(
        proposal.offset,
        _packed(proposal, lambda p: p.change),
        proposal.author,
        proposal.role,
        proposal.reason,
        proposal.expires,
        proposal.approved,
    )


def _to_proposal(saved: _Proposal) -> Proposal:
    body = _unpacked(Kind.ROUTING_CHANGED, saved.change)
    assert isinstance(body, RoutingChanged)  # noqa: S101  decode checked the kind
    return Proposal(
        saved.offset,
        body,
        saved.author,
        saved.role,
        saved.reason,
        saved.expires,
        saved.approved,
    )


def _packed(part: Part, body_of: Callable[[Part], Body]) -> bytes:
    """Return a part's body as bytes, made once: every state has most parts of the one before."""
    known = _made.get(id(part))
    if known is None or known[0] is not part:
        body = body_of(part)
        command = replace(_NOBODY, content=content_digest(body), fold=fold_of(body))
        content = encode(ControlRecord(command, body))
        _remember(part, content)
        return content
    return known[1]


def _remember(part: Part, content: bytes) -> Part:
    if len(_made) >= REMEMBERED:
        _made.clear()
    _made[id(part)] = (part, content)
    return part


def _unpacked(kind: Kind, content: bytes) -> Body:
    event = decode(kind, content)
    assert isinstance(event, ControlRecord)  # noqa: S101  both kinds are control records
    return event.body
