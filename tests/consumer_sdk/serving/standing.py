"""A route over stand-ins, so that every answer is known."""

from collections.abc import Mapping
from typing import Any

from modelwire.testing import Function, StandIn
from modelwire_schemas.routing import (
    RoutingDocument,
    Rule,
    Split,
    SplitBy,
    Variant,
)

ROUTE = "late"


def nothing(event: object) -> float:
    del event
    return 0.0


VERSIONS: Mapping[str, Mapping[str, Function]] = {
    "late": {"1": lambda e: e["x"] + 1.0, "2": lambda e: e["x"] + 2.0}
}


def variants(**weights: int) -> tuple[Variant, ...]:
    """Return variants v1=… v2=… by buckets, one behind the other."""
    found: list[Variant] = []
    start = 0
    for name, weight in weights.items():
        found.append(Variant(name, name[1:], ((start, start + weight),) if weight else ()))
        start += weight
    return tuple(found)


def write(made: StandIn, *rules: Rule, **more: Any) -> None:  # noqa: ANN401
    """Set the route's document, at once, and wait until it is in force."""
    document = RoutingDocument(ROUTE, "late", rules, **more)
    made.change(document)


def rule(*, by: SplitBy = SplitBy.KEY, field: str = "", **weights: int) -> Rule:
    return Rule("all", variants(**weights), Split(by, ROUTE, field))
