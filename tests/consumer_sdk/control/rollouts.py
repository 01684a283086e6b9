"""Steps of a rollout as a controller makes them, for tests of what the fold says to them."""

from dataclasses import replace

from modelwire_schemas.rollout import Phase, Rollout
from modelwire_schemas.routing import RoutingChanged, RoutingDocument
from tests.consumer_sdk.control.making import ROUTE, Book, change, document


def stepped(
    book: Book,
    candidate: int,
    replaces: int,
    *,
    step: int = 0,
    name: str = "late-2",
    phase: Phase = Phase.PROGRESSING,
    at: int | None = None,
    at_once: bool = False,
    route: str = ROUTE,
) -> RoutingChanged:
    """Return a controller's change that gives version 2 so many buckets beside version 1."""
    rollout = Rollout(name, "{}", step, book.now, book.now, phase)
    weights = {"1": 10_000 - candidate, "2": candidate}
    whole = replace(document(weights, route), rollout=rollout)
    return automatic(book, change(whole, replaces, at=at, at_once=at_once))


def automatic(book: Book, asked: RoutingChanged) -> RoutingChanged:
    """Return a change as a controller makes it now."""
    return replace(asked, automatic=True, decided_at=book.now)


def head(book: Book, route: str = ROUTE) -> RoutingDocument:
    return book.state.routes[route].head.document
