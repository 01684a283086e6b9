"""What a controller asks for: only fresh decisions count, and each step is done once (R23)."""

from dataclasses import replace

import pytest

from modelwire.control.checks import DECIDED
from modelwire.control.commands import request_of
from modelwire.control.saved import dump, load
from tests.consumer_sdk.control.making import MINUTE, ROUTE, change, served
from tests.consumer_sdk.control.rollouts import automatic, stepped


def test_a_change_remembers_that_no_person_made_it() -> None:
    book = served()
    book.must(stepped(book, 500, 1))
    assert book.state.routes[ROUTE].head.automatic
    assert load(dump(book.state)) == book.state
    book.must(change("1", 2))
    assert not book.state.routes[ROUTE].head.automatic


@pytest.mark.parametrize("age", [DECIDED, 0, -DECIDED])
def test_a_fresh_decision_counts(age: int) -> None:
    book = served()
    asked = stepped(book, 500, 1)
    book.must(replace(asked, decided_at=book.now - age))


@pytest.mark.parametrize("age", [DECIDED + 1, 30_000, -DECIDED - 1, 10**12])
def test_a_controller_that_slept_acts_on_nothing_stale(age: int) -> None:
    book = served()
    asked = replace(stepped(book, 500, 1), decided_at=book.now - age)
    verdict = book.say(asked)
    assert verdict.code == "E_STALE_DECISION"
    assert f"{age} ms before" in verdict.detail
    assert book.state.routes[ROUTE].head.revision == 1


def test_a_decision_without_a_time_is_stale() -> None:
    book = served()
    assert book.say(replace(change("2", 1), automatic=True)).code == "E_STALE_DECISION"


def test_a_clock_that_steps_back_makes_no_decision_young() -> None:
    book = served()
    asked = stepped(book, 500, 1)
    book.wait(MINUTE)
    book.must(change("1", 1))
    book.wait(-MINUTE)
    assert book.say(asked).code == "E_STALE_DECISION"


def test_a_person_is_asked_for_no_time() -> None:
    book = served()
    book.must(change("2", 1))


def test_two_controllers_do_one_step_once() -> None:
    book = served()
    asked = stepped(book, 500, 1)
    one = request_of(ROUTE, "late-2", "step 1", 1)
    assert book.say(asked, request_id=one).accepted
    again = book.say(asked, request_id=one)
    assert (again.accepted, again.repeats) == (True, book.entries[-2].offset)
    book.wait(100)
    later = book.say(stepped(book, 500, 1), request_id=one)
    assert later.code == "E_ID_REUSED"
    assert book.state.routes[ROUTE].head.revision == 2


def test_each_step_has_an_id_of_its_own() -> None:
    ids = {
        request_of(route, rollout, step, base)
        for route in ("a", "b")
        for rollout in ("x", "y")
        for step in ("step 1", "rollback")
        for base in (1, 11)
    }
    assert len(ids) == 16
    assert request_of("a", "x", "step 1", 1) in ids


def test_a_step_that_was_refused_may_be_decided_anew() -> None:
    book = served()
    one = request_of(ROUTE, "late-2", "step 1", 1)
    stale = replace(stepped(book, 500, 1), decided_at=book.now - 30_000)
    assert book.say(stale, request_id=one).code == "E_STALE_DECISION"
    assert one not in book.state.requests
    assert book.say(stepped(book, 500, 1), request_id=one).accepted


def test_what_a_person_asks_for_is_remembered_also_when_it_was_refused() -> None:
    book = served()
    assert book.say(change("2", 7), request_id="mine").code == "E_CONFLICT"
    assert "mine" in book.state.requests


def test_a_stale_decision_is_told_before_a_conflict() -> None:
    book = served()
    book.must(change("2", 1))
    asked = automatic(book, change("1", 1))
    assert book.say(asked).code == "E_CONFLICT"
    assert book.say(replace(asked, decided_at=1)).code == "E_STALE_DECISION"
