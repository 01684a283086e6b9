"""Books of flips, and what their routes come to."""

from dataclasses import replace

from modelwire_router.changes import flip
from modelwire_schemas.rollout import Phase, Rollout
from modelwire_schemas.routing import (
    RoutingDocument,
)
from tests.consumer_sdk.control.making import (
    MINUTE,
    MODEL,
    ROUTE,
    Book,
    document,
    release,
)


def flips(*versions: str) -> Book:
    """Return a book in which one version after the other had everything."""
    book = Book()
    for version in dict.fromkeys(versions):
        book.must(release(version))
    for version in versions:
        book.must(flip(book.state, ROUTE, version, model=MODEL))
        book.wait(MINUTE)
    return book


def document_of(book: Book, route: str = ROUTE) -> RoutingDocument:
    return book.state.routes[route].head.document


def weights(book: Book, route: str = ROUTE) -> dict[str, int]:
    return {v.version: v.weight for v in document_of(book, route).rules[-1].variants}


def in_rollout(weights: dict[str, int], phase: Phase) -> RoutingDocument:
    return replace(
        document(weights), rollout=Rollout("r", "{}", step=0, started=0, since=0, phase=phase)
    )
