"""Undo, prepare and views of a change that waits to be confirmed."""

import pytest

from modelwire.control.history import past_of
from modelwire.control.timeline import in_force, way_back
from modelwire_router.changes import When, flip, prepare, undo
from modelwire_router.views import history_rows, route_rows
from modelwire_schemas.routing import RouteConfirmed
from tests.consumer_sdk.control.making import LEAD, MINUTE, ROUTE, Book, served

TRIAL = When(confirm_within=15 * MINUTE)


def tried() -> Book:
    book = served()
    book.must(flip(book.state, ROUTE, "2"))
    book.wait(MINUTE)
    book.must(flip(book.state, ROUTE, "3", when=TRIAL))
    return book


def answer(book: Book, ts: int) -> str | None:
    found = in_force(book.state.routes[ROUTE], ts, ts)
    return found.document.sole_version() if found else None


@pytest.mark.parametrize("step", [True, False])
def test_an_undo_goes_back_now_instead_of_later(step: bool) -> None:  # noqa: FBT001
    book = tried()
    book.wait(5 * MINUTE)
    book.must(undo(book.state, past_of(book.entries), ROUTE, step=step, now=book.now))
    assert {answer(book, book.now + n * MINUTE) for n in (-9, 0, 60)} == {"2"}
    assert book.state.routes[ROUTE].head.restores == 2


def test_an_undo_of_what_went_back_goes_further_back() -> None:
    book = tried()
    silent = book.now + 60 * MINUTE  # the log's newest record is the flip
    book.must(undo(book.state, past_of(book.entries), ROUTE, now=silent))
    assert book.state.routes[ROUTE].head.document.sole_version() == "1"


def test_an_undo_of_what_was_confirmed_goes_to_before_the_flip() -> None:
    book = tried()
    book.wait(MINUTE)
    book.must(RouteConfirmed(ROUTE))
    book.wait(60 * MINUTE)
    book.must(undo(book.state, past_of(book.entries), ROUTE, now=book.now))
    assert book.state.routes[ROUTE].head.document.sole_version() == "2"


def test_a_version_is_prepared_without_touching_the_way_back() -> None:
    book = tried()
    book.wait(MINUTE)
    book.must(prepare(book.state, ROUTE, "1", book.now))
    back = way_back(book.state.routes[ROUTE], book.now)
    assert back is not None
    assert "1" in back.document.versions()
    assert (answer(book, back.effective - 1), answer(book, back.effective)) == ("3", "2")
    book.must(undo(book.state, past_of(book.entries), ROUTE, now=book.now))
    assert answer(book, book.now) == "2"


def test_a_row_says_when_it_goes_back_and_what_is_in_force_by_the_present() -> None:
    book = tried()
    end = book.now + LEAD + 15 * MINUTE
    (row,) = route_rows(book.state, [], ROUTE, book.now)
    assert (row["revision"], row["goes_back"], row["scheduled"]) == (3, end, [])
    (row,) = route_rows(book.state, [], ROUTE, end)
    assert (row["revision"], row["shares"]) == (4, "2 100 %")
    (row,) = route_rows(book.state, [], ROUTE, end + 1)
    assert row["goes_back"] is None


def test_history_says_that_it_waited_and_who_confirmed() -> None:
    book = tried()
    book.say(RouteConfirmed(ROUTE), author="bob")
    rows = history_rows(past_of(book.entries), ROUTE)
    assert rows[-2]["what"] == f"{ROUTE}: 3 100 % until confirmed or taken back"
    assert (rows[-1]["what"], rows[-1]["by"]) == (f"confirm {ROUTE}", "bob")
