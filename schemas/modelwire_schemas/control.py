"""A record of the control log: who asks for what, under which id, until when."""

from dataclasses import dataclass
from typing import TypeAlias

from modelwire_schemas.release import ReleasePublished, ReleaseWithdrawn
from modelwire_schemas.routing import PolicySet, RoutingChanged

FOLD_VERSION = 1
"""The version of the fold's meaning. A reader that lacks a record's version stops there (R25)."""

Body: TypeAlias = ReleasePublished | ReleaseWithdrawn | RoutingChanged | PolicySet


@dataclass(frozen=True, slots=True)
class Command:
    """Who asks, why, under which id, until when (ms, by the log's clock).

    `content` is the sha256 of the body, so that a repeated id with another content is found.
    `author`, `role` and `cause` are asserted until records are signed; `signature` and `key_id`
    have their place already.
    """

    request_id: str
    content: str
    expires: int
    fold: int = FOLD_VERSION
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
