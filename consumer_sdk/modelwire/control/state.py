"""What the control log means so far: releases, routes with their timelines, living request ids."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from modelwire_schemas.control import ControlRecord
from modelwire_schemas.errors import Conflict, ModelwireError, Rejected
from modelwire_schemas.policy import PolicySet
from modelwire_schemas.release import Artifact, Contract
from modelwire_schemas.rollout import Rollout
from modelwire_schemas.routing import ModelVersion, RouteRevision, RoutingChanged, RoutingDocument

ALWAYS = -(2**62)
"""Before every time: the first document of a route and `at_once` changes hold from here."""

LEAD = 500
"""A namespace's lead (ms) until a PolicySet says otherwise (R1)."""

BEGINNING = PolicySet(LEAD)
"""The policy until one is set: everybody may do everything at any time."""

RECENT = 4
"""How many earlier documents of a route the state keeps for R16's ladder."""

TIMELINE = 32
"""How many documents of a route events may still reach; older ones are read from the log (R20)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A place of the control log: its record, or why the bytes there are none."""

    offset: int
    appended: int
    record: ControlRecord | ModelwireError


@dataclass(frozen=True, slots=True)
class Release:
    """What the state keeps of a release; golden vectors and inline bytes are read from the log."""

    model: str
    version: str
    artifact: Artifact
    contract: Contract
    requirements: tuple[str, ...]
    offset: int
    appended: int
    author: str
    withdrawn: bool = False
    valid_until: int = 0


@dataclass(frozen=True, slots=True)
class Accepted:
    """A document that holds for events with `visible <= ts` and `effective <= bt` (R4, R5).

    `accepted` is earliest(c) at its acceptance; `offset` its record. `automatic` is a controller's.
    `takes_back` is the revision that it ends unless somebody confirms that one.
    """

    revision: int
    document: RoutingDocument
    visible: int
    effective: int
    accepted: int
    offset: int
    author: str = ""
    reason: str = ""
    cause: str = ""
    restores: int = 0
    undoes: tuple[int, ...] = ()
    automatic: bool = False
    takes_back: int = 0

    @property
    def at_once(self) -> bool:
        """Whether it reaches back to events before its acceptance."""
        return self.effective == ALWAYS and self.revision > 1


@dataclass(frozen=True, slots=True)
class Floor:
    """Events with `ts < visible` or `bt < effective` may need documents that the state lacks."""

    visible: int = ALWAYS
    effective: int = ALWAYS


@dataclass(frozen=True, slots=True)
class Freeze:
    """Who froze a route and why, since when (ms, the log's clock) and by which record."""

    author: str
    reason: str
    since: int
    offset: int


@dataclass(frozen=True, slots=True)
class RouteState:
    """A route: its newest revision, the documents that events can reach, and recent ones.

    `beneath` are the versions of documents that only business times below the floor still meet.
    `frozen` says who stopped all automatic changes, if somebody did. `base` is the document before
    the newest one's rollout, to which an abort goes back (R22).
    """

    route: str
    head: Accepted
    timeline: tuple[Accepted, ...]
    recent: tuple[Accepted, ...] = ()
    floor: Floor = Floor()
    beneath: tuple[ModelVersion, ...] = ()
    frozen: Freeze | None = None
    base: Accepted | None = None

    @property
    def time_field(self) -> str:
        """The event's field that holds the business time; empty: `bt` is `ts`."""
        return self.head.document.time_field

    @property
    def rollout(self) -> Rollout | None:
        """The newest document's rollout, over or not; None when somebody flipped since."""
        return self.head.document.rollout


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a command, the same at every reader.

    `code` is empty when it was accepted. `winner` says who won a conflict. `repeats` is the offset
    of the first verdict where the request id was seen before. `effective` (ms) is when a routing
    change holds.
    """

    offset: int
    request_id: str
    code: str = ""
    detail: str = ""
    winner: str = ""
    revisions: tuple[RouteRevision, ...] = ()
    effective: int = ALWAYS
    repeats: int = -1

    @property
    def accepted(self) -> bool:
        """Whether the command changed the state, or had done so before."""
        return not self.code

    def check(self) -> None:
        """Raise Conflict or Rejected unless it was accepted."""
        if self.winner:
            raise Conflict(self.code, self.detail, todo=f"it was changed by {self.winner}")
        if self.code:
            raise Rejected(self.code, self.detail)


@dataclass(frozen=True, slots=True)
class Request:
    """A request id that has not expired, and its first verdict."""

    content: str
    expires: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change that waits for approval until `expires` (ms), and who approved it in which role."""

    offset: int
    change: RoutingChanged
    author: str
    role: str
    reason: str
    expires: int
    approved: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """The fold of the control log up to `offset`.

    `now` is the newest append time so far, `earliest` the time from which a change made now could
    hold (R2); both ms by the log's clock, and both never fall.
    """

    offset: int = -1
    now: int = ALWAYS
    earliest: int = ALWAYS
    policy: PolicySet = BEGINNING
    releases: Mapping[str, Mapping[str, Release]] = field(
        default_factory=dict[str, dict[str, Release]]
    )
    routes: Mapping[str, RouteState] = field(default_factory=dict[str, RouteState])
    requests: Mapping[str, Request] = field(default_factory=dict[str, Request])
    proposals: Mapping[int, Proposal] = field(default_factory=dict[int, Proposal])

    @property
    def lead(self) -> int:
        """Ms between a change's append and its earliest effect (R1)."""
        return self.policy.lead

    def release(self, model: str, version: str) -> Release | None:
        """Return a release, withdrawn or not."""
        return self.releases.get(model, {}).get(version)
