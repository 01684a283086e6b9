"""Up to which time events are settled, which of the others wait, and what came too late."""

import pytest
from hypothesis import given, strategies as st

from modelwire.control.horizon import (
    MAX_WAIT,
    Reading,
    Settlement,
    accepted_since,
    horizon,
    missed,
    settlement,
)
from modelwire.control.state import ALWAYS, State
from modelwire_schemas.policy import PolicySet
from tests.consumer_sdk.control.making import LEAD, MINUTE, ROUTE, change, document, served

times = st.integers(0, 2**45)


def test_a_reading_tells_the_logs_time_by_the_monotonic_clock() -> None:
    reading = Reading(appended=5_000, at_ns=1_000_000)
    assert reading.log_time(1_000_000) == 5_000
    assert reading.log_time(251_999_999) == 5_250


def test_a_reading_never_tells_a_time_before_its_receipt() -> None:
    assert Reading(5_000, 9_000_000).log_time(1_000_000) == 5_000


def test_the_horizon_is_the_time_of_asking_and_the_lead_less_the_margin() -> None:
    assert horizon(State(earliest=10), 1_000, margin=150) == 1_000 + LEAD - 150


def test_the_horizon_is_at_least_what_the_state_itself_settles() -> None:
    state = State(earliest=9_000)
    assert horizon(state, 1_000, margin=150) == 9_000
    assert horizon(state, None) == 9_000


def test_the_horizon_goes_by_the_lead_of_the_state() -> None:
    book = served()
    book.must(PolicySet(2_000))
    book.wait(MINUTE)
    assert horizon(book.state, book.now, margin=100) == book.now + 1_900


@given(times, times, times)
def test_an_event_is_settled_below_the_horizon_and_not_at_it(ts: int, until: int, now: int) -> None:
    verdict = settlement(ts, until, now)
    assert (verdict is Settlement.SETTLED) == (ts < until)
    if ts >= until:
        ahead = ts > now + MAX_WAIT
        assert verdict is (Settlement.AHEAD if ahead else Settlement.WAIT)


def test_a_document_was_missed_when_it_counts_from_a_time_that_is_settled() -> None:
    book = served()
    effective = book.must(change("2", 1)).effective
    head = book.state.routes[ROUTE].head
    assert missed([head], effective - 1) == []
    assert missed([head], effective) == [head]


def test_a_scheduled_document_is_missed_from_its_own_time_on() -> None:
    book = served()
    book.must(change("2", 1, at=book.now + MINUTE))
    head = book.state.routes[ROUTE].head
    assert missed([head], book.now + MINUTE - 1) == []
    assert missed([head], book.now + MINUTE) == [head]


def test_a_change_at_once_is_missed_from_the_earliest_time_of_its_acceptance() -> None:
    book = served()
    book.must(change("2", 1, at_once=True))
    head = book.state.routes[ROUTE].head
    assert missed([head], book.now + LEAD - 1) == []
    assert missed([head], book.now + LEAD) == [head]


@pytest.mark.parametrize("effective", [7, 2**45])
def test_with_a_business_time_a_document_is_missed_once_it_was_visible(effective: int) -> None:
    book = served()
    book.must(change(document("1", "early", time_field="dep"), 0))
    book.must(change(document("2", "early", time_field="dep"), 1, at=effective))
    head = book.state.routes["early"].head
    assert missed([head], head.visible - 1) == []
    assert missed([head], head.visible) == [head]


def test_the_first_document_misses_nothing() -> None:
    head = served().state.routes[ROUTE].head
    assert head.effective == ALWAYS
    assert missed([head], 2**45) == []


def test_the_documents_since_an_offset_are_known_while_they_are_few() -> None:
    book = served()
    offsets = [book.must(change(str(2 - r % 2), r)).offset for r in range(1, 4)]
    few = book.state.routes[ROUTE]
    assert [a.revision for a in accepted_since(few, offsets[0]) or ()] == [4, 3]
    assert [a.revision for a in accepted_since(few, -1) or ()] == [4, 3, 2, 1]
    offsets += [book.must(change(str(2 - r % 2), r, at_once=True)).offset for r in range(4, 8)]
    many = book.state.routes[ROUTE]
    assert accepted_since(many, offsets[1]) is None
    assert [a.revision for a in accepted_since(many, offsets[2]) or ()] == [8, 7, 6, 5]
