"""What is asked of the world outside, what it answers, and what it is told (pure)."""

from dataclasses import dataclass
from typing import TypeAlias

from modelwire_router.rollout.plan import Hook, HookKind, Prometheus, Webhook
from modelwire_schemas.rollout import Finding

Source: TypeAlias = Prometheus | Webhook | Hook
"""Whom a question goes to."""


@dataclass(frozen=True, slots=True)
class Matter:
    """Which rollout a question or a notice is about, and how many of its steps are done."""

    route: str
    model: str
    rollout: str
    stable: str
    candidate: str
    step: int


@dataclass(frozen=True, slots=True)
class Question(Matter):
    """One question: `name` says which of the rollout's, `slot` which asking of it.

    A question is answered once; to ask again, ask in another slot.
    """

    name: str
    slot: int
    source: Source


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back at `at` (ms): a value, or whether a gate agrees; else an error in words."""

    at: int
    value: float | None = None
    agreed: bool | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Notice(Matter):
    """Something that others are told: what happened, in a sentence, and the findings behind it.

    `id` is the same however often the notice is sent, and whoever sends it. `at` is in ms.
    """

    id: str
    kind: HookKind
    at: int
    text: str
    findings: tuple[Finding, ...] = ()


def hears(hook: Hook, kind: HookKind) -> bool:
    """Whether a hook is told of such a notice; one for `event` hears of everything."""
    return hook.kind in {kind, HookKind.EVENT}
