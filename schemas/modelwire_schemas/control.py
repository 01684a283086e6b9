"""A record of the control log: who asks for what, under which id, until when."""

from dataclasses import dataclass
from typing import TypeAlias

from modelwire_schemas.policy import PolicySet
from modelwire_schemas.release import ReleasePublished, ReleaseWithdrawn
from modelwire_schemas.routing import (
    LAYER,
    RolloutAborted,
    RouteConfirmed,
    RouteFrozen,
    RoutingApproved,
    RoutingChanged,
    RoutingDocument,
    RoutingProposed,
)

FOLD_VERSION = 2
"""The version of the fold's meaning. A reader that lacks a record's version stops there (R25)."""

Body: TypeAlias = (
    ReleasePublished
    | ReleaseWithdrawn
    | RoutingChanged
    | RoutingProposed
    | RoutingApproved
    | RouteConfirmed
    | RouteFrozen
    | RolloutAborted
    | PolicySet
)


@dataclass(frozen=True, slots=True)
class Command:
    """Who asks, why, under which id, until when (ms, by the log's clock).

    `content` is the sha256 of the body, so that a repeated id with another content is found. `fold`
    is the fold version that the record needs, see `fold_of`.
    `author`, `role` and `cause` are asserted until records are signed; `signature` and `key_id`
    have their place already.
    """

    request_id: str
    content: str
    expires: int
    fold: int = 1
    author: str = ""
    role: str = ""
    reason: str = ""
    ticket: str = ""
    cause: str = ""
    signature: bytes = b""
    key_id: str = ""


@dataclass(frozen=True, slots=True)
class ControlRecord:
    """A command and what it asks for."""

    command: Command
    body: Body


def fold_of(body: Body) -> int:
    """Return the lowest fold version that gives a body its meaning: older readers need no newer."""
    match body:
        case RoutingChanged(changes=changes):
            new = body.automatic or body.decided_at or body.confirm_within
            return 2 if new or any(_is_new(c.document) for c in changes) else 1
        case ReleasePublished(valid_until=valid_until, sample=sample):
            return 2 if valid_until or sample else 1
        case PolicySet():
            return 2 if body.rights or body.approvals or body.blackouts else 1
        case ReleaseWithdrawn():
            return 1
        case _:
            return 2


def _is_new(document: RoutingDocument) -> bool:
    layered = any(rule.split.salt.startswith(LAYER) for rule in document.rules)
    decided = any(shadow.thresholds for shadow in document.shadows)
    return document.rollout is not None or layered or decided
