"""Partitions on their way: what may be scored, what is committed, what was overlooked."""

from collections.abc import Sequence

from modelwire.control.horizon import MAX_WAIT
from modelwire.control.state import State
from modelwire.scoring.lanes import Lane, advance, advanced, may_score, overlooked
from modelwire.serving.snapshot import Snapshot
from modelwire_log.contract import Place, Position, Record
from modelwire_schemas.routing import Staleness
from tests.consumer_sdk.control.making import MINUTE, ROUTE, Book, change, served

PLACE = Place("flights", 1)


def snapshot(offset: int = 5, horizon: int = 1_000, stale_since: int = 0) -> Snapshot:
    return Snapshot(State(offset), horizon, {}, {}, 0, stale_since)


def record(offset: int) -> Record:
    return Record("flights", 1, offset, 0, 0, b"{}")


def may(lane: Lane, ts: int, now: int, shot: Snapshot, policy: str = "continue") -> bool:
    return may_score(lane, ts, shot, now, Staleness(policy))


def test_what_is_settled_is_scored() -> None:
    assert may(Lane(PLACE, -1), 999, 0, snapshot())


def test_what_is_not_settled_waits_and_then_the_policy_decides() -> None:
    lane = Lane(PLACE, -1)
    assert not may(lane, 1_000, 500, snapshot())
    assert not may(lane, 1_000, 500 + MAX_WAIT - 1, snapshot())
    assert may(lane, 1_000, 500 + MAX_WAIT, snapshot())


def test_the_policy_may_be_to_wait_for_ever() -> None:
    lane = Lane(PLACE, -1)
    assert not may(lane, 1_000, 500, snapshot(), "wait")
    assert not may(lane, 1_000, 500 + 100 * MAX_WAIT, snapshot(), "wait")


def test_an_event_far_ahead_of_the_clock_does_not_wait() -> None:
    for policy in Staleness:
        assert may(Lane(PLACE, -1), 500 + MAX_WAIT + 1, 500, snapshot(horizon=900), policy)


def test_without_the_control_log_nothing_waits_for_news_of_it() -> None:
    assert may(Lane(PLACE, -1), 1_000, 500, snapshot(stale_since=7))
    assert not may(Lane(PLACE, -1), 1_000, 500, snapshot(stale_since=7), "wait")


def test_a_new_owner_scores_nothing_before_it_has_read_what_the_last_one_had() -> None:
    lane = Lane(PLACE, 9, settled=10, control=6)
    assert not may(lane, 20, 500, snapshot(5))
    assert not may(lane, 20, 500, snapshot(5, stale_since=7))
    assert may(lane, 20, 500, snapshot(6))


def test_a_position_carries_the_control_offset_and_the_highest_settled_time() -> None:
    lane = Lane(PLACE, 3, settled=700, control=9)
    scored = [(record(4), 900), (record(5), 800), (record(6), 1_000)]
    assert advanced(lane, scored, snapshot(5)) == Position(PLACE, 6, control=9, settled=900)
    assert advanced(lane, scored[1:2], snapshot(11)) == Position(PLACE, 5, 11, 800)


def test_what_was_not_settled_does_not_raise_the_highest_settled_time() -> None:
    lane = Lane(PLACE, 3, settled=700)
    assert advanced(lane, [(record(4), 5_000)], snapshot()).settled == 700


def test_a_lane_goes_on_behind_what_is_committed() -> None:
    lane = Lane(PLACE, -1, waiting_ms=5)
    lane.records.extend(record(offset) for offset in range(4))
    advance(lane, Position(PLACE, 1, 8, 600))
    assert [r.offset for r in lane.records] == [2, 3]
    assert (lane.after, lane.control, lane.settled, lane.waiting_ms) == (1, 8, 600, -1)


def look(lanes: Sequence[Lane], state: State, book: Book | None = None) -> list[str]:
    every = [a for s in (book.states if book else []) for r in s.routes.values() for a in (r.head,)]
    return overlooked(lanes, state, ROUTE, lambda: list(dict.fromkeys(every)))


def test_a_document_that_reaches_back_before_what_is_settled_is_told_once() -> None:
    book = served()
    lane = Lane(PLACE, 0, settled=book.now + MINUTE, control=book.state.offset)
    assert look([lane], book.state) == []
    offset = book.must(change("2", 1)).offset
    told = look([lane], book.state)
    assert len(told) == 1
    assert f"control offset {offset}" in told[0]
    assert str(PLACE) in told[0]
    assert look([lane], book.state) == []


def test_a_new_owner_tells_of_what_the_last_one_had_not_read() -> None:
    book = served()
    control = book.state.offset
    book.must(change("2", 1))
    assert look([Lane(PLACE, -1)], book.state) == []
    lane = Lane(PLACE, 0, settled=book.now + MINUTE, control=control)
    assert len(look([lane], book.state)) == 1


def test_a_document_that_was_read_before_the_events_is_not_told() -> None:
    book = served()
    book.must(change("2", 1))
    lane = Lane(PLACE, 0, settled=book.now + MINUTE, control=book.state.offset)
    assert look([lane], book.state) == []


def test_a_document_that_counts_later_is_not_told() -> None:
    book = served()
    lane = Lane(PLACE, 0, settled=book.now, control=book.state.offset)
    book.must(change("2", 1))
    assert look([lane], book.state) == []


def test_a_document_that_the_state_has_forgotten_is_told_all_the_same() -> None:
    book = served()
    lane = Lane(PLACE, 0, settled=book.now + 1_000, control=book.state.offset)
    offset = book.must(change("2", 1)).offset
    book.wait(MINUTE)
    for revision in range(2, 9):
        book.must(change("1", revision, at_once=True))
    told = look([lane], book.state, book)
    assert len(told) == 1
    assert f"control offset {offset}" in told[0]
