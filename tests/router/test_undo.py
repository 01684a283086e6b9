"""Undo: which document it goes back to, alone and over several routes."""

import pytest

from modelwire.control.history import past_of
from modelwire_router.changes import When, flip, prepare, replace_document, split, undo
from modelwire_schemas.errors import Conflict, NotFound
from modelwire_schemas.rollout import Phase
from modelwire_schemas.routing import (
    BUCKETS,
    Change,
    RoutingChanged,
)
from tests.consumer_sdk.control.making import (
    MINUTE,
    ROUTE,
    Book,
    change,
    contract,
    document,
    release,
    served,
    withdrawal,
)
from tests.consumer_sdk.control.rollouts import stepped
from tests.router.changed import document_of, flips, in_rollout, weights


def test_an_undo_copies_rules_and_never_a_rollout() -> None:
    book = flips("1", "2")
    book.must(stepped(book, 500, 2))
    book.wait(MINUTE)
    book.must(stepped(book, 900, 3, step=1))
    book.wait(MINUTE)
    asked = undo(book.state, past_of(book.entries), ROUTE, step=True)
    assert asked.changes[0].document.rollout is None
    assert not asked.automatic
    book.must(asked)
    rules = book.state.routes[ROUTE].head.document.rules
    assert {v.version: v.weight for v in rules[-1].variants} == {"1": 9_500, "2": 500}


def took_back(book: Book, *, step: bool = False, to: int | None = None) -> str | None:
    """Undo, and return the version that has everything then; the fold must take it."""
    asked = undo(book.state, past_of(book.entries), ROUTE, step=step, to=to)
    assert asked.at_once
    book.must(asked)
    return document_of(book).sole_version()


def prepared_flips(*versions: str) -> Book:
    """Return a book of flips, each after its version was prepared."""
    book = flips(versions[0])
    for version in versions[1:]:
        book.must(release(version))
        book.must(prepare(book.state, ROUTE, version, book.now))
        book.must(flip(book.state, ROUTE, version))
        book.wait(MINUTE)
    return book


def test_undos_pass_by_what_was_only_prepared() -> None:
    book = prepared_flips("1", "2", "3")
    assert [took_back(book), took_back(book)] == ["2", "1"]
    with pytest.raises(NotFound, match="E_NO_EARLIER"):
        undo(book.state, past_of(book.entries), ROUTE)


def test_an_undo_right_after_preparing_takes_just_that_back() -> None:
    book = prepared_flips("1", "2")
    book.must(release("3"))
    book.must(prepare(book.state, ROUTE, "3", book.now))
    assert took_back(book) == "2"
    assert "3" not in document_of(book).versions()


def rolled_out(book: Book) -> Book:
    """Go from version 1 to version 2 by a rollout."""
    for share in (0, 5000, BUCKETS):
        weights = {"1": BUCKETS - share, "2": share}
        book.must(replace_document(book.state, in_rollout(weights, Phase.PROGRESSING)))
        book.wait(MINUTE)
    book.must(replace_document(book.state, in_rollout({"2": BUCKETS}, Phase.COMPLETED)))
    return book


def test_an_undo_takes_back_a_whole_rollout() -> None:
    book = rolled_out(served())
    assert took_back(book) == "1"
    assert document_of(book).rollout is None
    assert book.state.routes[ROUTE].head.restores == 1


# What an undo takes back


def test_an_undo_goes_back_to_where_one_version_had_everything() -> None:
    book = served()
    book.must(split(book.state, ROUTE, {"1": "90", "2": "10"}))
    book.must(split(book.state, ROUTE, {"1": "50", "2": "50"}))
    assert took_back(book) == "1"
    head = book.state.routes[ROUTE].head
    assert (head.restores, head.undoes) == (1, (2, 3))
    assert head.at_once


def test_an_undo_by_a_step_goes_back_to_the_document_before() -> None:
    book = served()
    book.must(split(book.state, ROUTE, {"1": "90", "2": "10"}))
    book.must(split(book.state, ROUTE, {"1": "50", "2": "50"}))
    assert took_back(book, step=True) is None
    assert weights(book) == {"1": 9000, "2": 1000}


def test_undos_go_further_back_every_time() -> None:
    book = flips("1", "2", "3")
    assert [took_back(book), took_back(book)] == ["2", "1"]
    with pytest.raises(NotFound, match="E_NO_EARLIER"):
        undo(book.state, past_of(book.entries), ROUTE)


def test_steps_back_go_further_every_time() -> None:
    book = flips("1", "2", "3")
    assert [took_back(book, step=True), took_back(book, step=True)] == ["2", "1"]
    with pytest.raises(NotFound, match="E_NO_EARLIER"):
        undo(book.state, past_of(book.entries), ROUTE, step=True)


def test_what_was_undone_is_skipped_after_a_new_flip() -> None:
    book = flips("1", "2", "3")
    took_back(book)
    book.must(release("4"))
    book.must(flip(book.state, ROUTE, "4"))
    assert took_back(book) == "2"


def test_an_undo_to_a_revision_redoes_and_counts_as_that_revision() -> None:
    book = flips("1", "2")
    assert took_back(book) == "1"
    assert took_back(book, to=2) == "2"
    book.must(release("3"))
    book.must(flip(book.state, ROUTE, "3"))
    assert took_back(book) == "2"


def test_there_is_no_going_back_to_a_revision_that_never_was() -> None:
    book = flips("1", "2")
    for revision in (0, 2, 7):
        with pytest.raises(NotFound, match="E_NO_EARLIER"):
            undo(book.state, past_of(book.entries), ROUTE, to=revision)


def test_a_route_that_is_not_there_can_not_be_undone() -> None:
    with pytest.raises(NotFound, match="E_UNKNOWN_ROUTE"):
        undo(served().state, [], "early")


def two_routes() -> Book:
    book = Book()
    for version in "123":
        book.must(release(version))
    book.must(change(document("1", "early"), 0))
    book.must(change(document("1"), 0))
    book.must(change(document("2", "early"), 1))
    pairs = (document("2"), 1), (document("3", "early"), 2)
    book.must(RoutingChanged(tuple(Change(d, replaces) for d, replaces in pairs)))
    return book


def test_a_change_of_several_routes_is_undone_whole() -> None:
    book = two_routes()
    assert took_back(book) == "1"
    assert document_of(book, "early").sole_version() == "2"
    assert book.state.routes["early"].head.offset == book.state.routes[ROUTE].head.offset


def test_an_undo_of_several_routes_to_a_revision_takes_the_others_to_that_moment() -> None:
    book = two_routes()
    assert took_back(book) == "1"
    assert took_back(book, to=2) == "2"
    assert document_of(book, "early").sole_version() == "3"


def test_a_change_of_several_routes_is_not_undone_when_one_has_moved_on() -> None:
    book = two_routes()
    book.must(flip(book.state, "early", "1"))
    with pytest.raises(Conflict, match="E_MOVED: route early") as moved:
        undo(book.state, past_of(book.entries), ROUTE)
    assert "ann at offset" in str(moved.value)
    assert undo(book.state, past_of(book.entries), "early").changes[0].restores == 3


def test_an_undo_over_a_break_of_contract_says_so_and_others_do_not() -> None:
    book = served()
    book.must(release("4", takes=contract("delay")))
    book.must(replace_document(book.state, document("4", contract_changed=True)))
    assert took_back(book) == "1"
    assert document_of(book).contract_changed
    book.must(flip(book.state, ROUTE, "2"))
    assert took_back(book) == "1"
    assert not document_of(book).contract_changed


def test_an_undo_over_another_draw_says_that_keys_are_reshuffled() -> None:
    book = served()
    book.must(split(book.state, ROUTE, {"1": "50", "2": "50"}))
    drawn = document({"1": 2000, "2": 8000}, salt="another", reshuffle=True)
    book.must(replace_document(book.state, drawn))
    took_back(book, step=True)
    assert document_of(book).reshuffle
    assert weights(book) == {"1": 5000, "2": 5000}


def test_an_undo_to_a_version_that_was_withdrawn_is_rejected() -> None:
    book = flips("1", "2")
    book.must(withdrawal("1"))
    assert book.say(undo(book.state, past_of(book.entries), ROUTE)).code == "E_WITHDRAWN"


def test_an_undo_displaces_what_was_scheduled() -> None:
    book = flips("1", "2", "3")
    book.must(flip(book.state, ROUTE, "1", when=When(at=book.now + MINUTE)))
    assert took_back(book) == "3"
    assert len(book.state.routes[ROUTE].timeline) == 1
