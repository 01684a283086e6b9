"""Who answers where the version that was meant is not warm: R16's ladder, rung by rung."""

from dataclasses import replace

import pytest

from modelwire.routing.hashing import bucket
from modelwire.scoring.splitting import Silent
from modelwire.serving.features import Features
from modelwire.serving.plan import Event, Marks, RoutePlan
from modelwire.serving.servable import Servable
from modelwire_schemas.errors import NotReady
from modelwire_schemas.routing import ModelVersion
from tests.consumer_sdk.control.making import (
    BEGIN,
    MINUTE,
    MODEL,
    ROUTE,
    Book,
    change,
    contract,
    document,
    release,
)

NOW = BEGIN + 10 * MINUTE
LOW, HIGH = (
    next(k for k in (f"N{n}" for n in range(99)) if (bucket("s", k.encode()) < 5_000) is low)
    for low in (True, False)
)
"""Keys of the lower and the upper half of the buckets."""


@pytest.fixture
def book() -> Book:
    """Return a route that went from 1 over halves of 2 and 3 to 4, with 5 to fall back to."""
    made = Book()
    for version in "12345":
        made.must(release(version))
    halves = {"2": 5_000, "3": 5_000}
    for revision, to in enumerate(
        (document("1"), document(halves), document("4", fallback=("5",)))
    ):
        made.must(change(to, revision))
        made.wait(MINUTE)
    return made


def servable(book: Book, version: str) -> Servable:
    terms, named = book.state.releases[MODEL][version].contract, ModelVersion(MODEL, version)
    return Servable(named, version, terms, Silent(), Features((), ()))


def served_by(book: Book, warm: str, key: str) -> str:
    """Return who answers for version 4 where these versions are warm."""
    held = {ModelVersion(MODEL, version): servable(book, version) for version in warm}
    plan = RoutePlan(ROUTE, book.state, held, Marks(book.state.offset, stale=False), NOW)
    told = plan.decide(plan.accepted(NOW, NOW), Event(key, {}, {}, None)).provenance
    assert told.routed_to == "4"
    return told.served_by


@pytest.mark.parametrize(
    ("warm", "low", "high"),
    [("12345", "4", "4"), ("1235", "5", "5"), ("123", "2", "3"), ("13", "1", "3"), ("1", "1", "1")],
)
def test_the_next_warm_version_of_the_ladder_answers(
    book: Book, warm: str, low: str, high: str
) -> None:
    """The version itself, its document's fallbacks, what earlier documents gave, newest first."""
    assert (served_by(book, warm, LOW), served_by(book, warm, HIGH)) == (low, high)


def test_a_version_that_does_not_fit_the_contract_is_no_rung(book: Book) -> None:
    book.must(release("6", takes=contract("sure")))
    book.must(change(replace(document("6"), contract_changed=True), 3))
    book.wait(MINUTE)
    book.must(change(replace(document("4"), contract_changed=True), 4))
    assert served_by(book, "26", LOW) == "2"
    with pytest.raises(NotReady, match="E_NOT_WARM: flights 4 is not loaded here"):
        served_by(book, "6", LOW)
