"""What a namespace's policy says: who may do what, which changes need approval, when none may."""

from dataclasses import dataclass
from enum import StrEnum


class Act(StrEnum):
    """What a right is needed for."""

    RELEASE = "release"
    ROUTE = "route"
    APPROVE = "approve"


@dataclass(frozen=True, slots=True)
class Right:
    """Who may act on the models (`release`) or routes (`route`, `approve`) of these names.

    All are patterns, in which `*` stands for any characters. One of `authors` or one of `roles` is
    to match. What no right speaks of, everybody may do.
    """

    act: Act
    names: tuple[str, ...]
    authors: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Approvals:
    """How many others must approve a change of the routes that match one of these patterns."""

    routes: tuple[str, ...]
    needed: int


@dataclass(frozen=True, slots=True)
class Blackout:
    """A time, [start, end) in ms, in which no change takes effect."""

    start: int
    end: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PolicySet:
    """The namespace's policy, whole.

    `lead` (ms) lies between a change's append and its earliest effect.
    """

    lead: int
    rights: tuple[Right, ...] = ()
    approvals: tuple[Approvals, ...] = ()
    blackouts: tuple[Blackout, ...] = ()


def matches(pattern: str, name: str) -> bool:
    """Whether a name fits a pattern; `*` stands for any characters, all else for itself."""
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    *middle, last = rest
    if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
        return False
    at, end = len(first), len(name) - len(last)
    for part in middle:
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
