"""Questions and notices about one rollout."""

from modelwire_router.outside.words import Notice, Question, Source
from modelwire_router.rollout.plan import Hook, HookKind, Prometheus, Webhook
from modelwire_schemas.rollout import Finding, Judgement

NOW = 1_700_000_000_000
SECRET = b"kept between us"

ABOUT = {
    "route": "late",
    "model": "flights",
    "rollout": "r-1",
    "stable": "1",
    "candidate": "2",
    "step": 3,
}
"""What every body says of the rollout."""


def about(source: Source, name: str = "errors", slot: int = 7, route: str = "late") -> Question:
    return Question(route, "flights", "r-1", "1", "2", 3, name, slot, source)


def prometheus(address: str, query: str = "up", name: str = "errors", slot: int = 7) -> Question:
    return about(Prometheus(address, query), name, slot)


def metric(url: str, name: str = "errors", slot: int = 7, route: str = "late") -> Question:
    return about(Webhook(url), name, slot, route)


def gate(url: str, timeout: int = 5000) -> Question:
    kind = HookKind.CONFIRM_PROMOTION
    return about(Hook(kind, url, timeout), kind)


def notice(kind: HookKind = HookKind.ROLLBACK, number: int = 1) -> Notice:
    found = Finding("errors", Judgement.FAIL, NOW, 0.012, 0.001, 0.005, 9000, 91_000)
    return Notice(
        "late", "flights", "r-1", "1", "2", 3, f"n-{number}", kind, NOW, "rolled back", (found,)
    )
