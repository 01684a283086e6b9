"""Which document holds: the pruned timeline beside an oracle that keeps every document."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings, strategies as st

from modelwire.control.fold import fold
from modelwire.control.history import in_force_then
from modelwire.control.saved import dump
from modelwire.control.state import ALWAYS, LEAD, TIMELINE, Accepted, Entry, RouteState, State
from modelwire.control.timeline import (
    BelowFloor,
    boundaries,
    displaced,
    extend,
    in_force,
    mixed,
    reachable,
)
from modelwire_schemas.policy import PolicySet
from tests.consumer_sdk.control.making import (
    BEGIN,
    MINUTE,
    ROUTE,
    Book,
    change,
    document,
    record,
    release,
    served,
    withdrawal,
)

BUSINESS = 12
"""Business times of these tests lie between 0 and so many ms: several changes share one."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change: how far the log's clock moves before it, and when it is to hold."""

    wait: int
    later: int | None
    at_once: bool


def steps(later: st.SearchStrategy[int | None]) -> st.SearchStrategy[Step]:
    at_once = st.integers(0, 30).map(lambda n: n == 0)
    return st.builds(Step, st.integers(-400, 900), later, at_once)


soon = steps(st.none() | st.integers(0, 3000))
anytime = steps(st.integers(0, BUSINESS))


def play(given: list[Step], time_field: str) -> tuple[Book, list[Accepted]]:
    """Make the changes, each from the newest revision; return all documents ever accepted."""
    book = Book()
    for version in "1234":
        book.must(release(version))
    book.must(change(document("1", time_field=time_field), 0))
    every = [book.state.routes[ROUTE].head]
    for step in given:
        book.wait(step.wait)
        route = book.state.routes[ROUTE]
        earliest = max(book.state.earliest, book.now + LEAD)
        effective = earliest if time_field or step.later is None else earliest + step.later
        effective = step.later if time_field and step.later is not None else effective
        hit = [a.revision for a in displaced(route, effective, earliest)]
        asked = change(
            document("1234"[route.head.revision % 4], time_field=time_field),
            route.head.revision,
            at=None if step.at_once else effective,
            at_once=step.at_once,
            cancels=tuple(hit),
        )
        if book.say(asked).accepted:
            every.append(book.state.routes[ROUTE].head)
    return book, every


def near(every: list[Accepted]) -> list[int]:
    times = {t + d for a in every for t in (a.visible, a.effective, a.accepted) for d in (-1, 0, 1)}
    return sorted(t for t in times if t >= 0)


def agrees(route: RouteState, every: list[Accepted], ts: int, bt: int) -> bool:
    """Whether the timeline says what the oracle says; True if it is above the floor."""
    oracle = in_force_then(every, ts, bt, every[-1].offset)
    if ts < route.floor.visible or bt < route.floor.effective:
        with pytest.raises(BelowFloor, match=ROUTE):
            in_force(route, ts, bt)
        return False
    assert in_force(route, ts, bt) == oracle
    return True


@given(st.lists(soon, max_size=15) | st.lists(soon, min_size=40, max_size=60))
@settings(max_examples=60)
def test_a_timeline_answers_like_one_that_keeps_all_documents(given: list[Step]) -> None:
    book, every = play(given, "")
    route = book.state.routes[ROUTE]
    assert len(route.timeline) <= TIMELINE
    assert all(agrees(route, every, ts, ts) for ts in near(every) if ts >= book.state.earliest)
    for ts in near(every):
        agrees(route, every, ts, ts)


@given(st.lists(anytime, max_size=15) | st.lists(anytime, min_size=40, max_size=60))
@settings(max_examples=60)
def test_a_timeline_answers_by_business_time_like_one_that_keeps_all(given: list[Step]) -> None:
    book, every = play(given, "dep")
    route = book.state.routes[ROUTE]
    assert len(route.timeline) <= TIMELINE
    for ts in near(every)[::3]:
        for bt in range(BUSINESS + 2):
            agrees(route, every, ts, bt)


@given(st.lists(soon, max_size=60), st.sampled_from(["now", "earliest"]))
@settings(max_examples=60)
def test_what_events_can_meet_from_now_on_is_what_the_oracle_gives_them(
    given: list[Step], since: str
) -> None:
    book, every = play(given, "")
    now = book.state.earliest if since == "earliest" else book.state.now
    route = book.state.routes[ROUTE]
    times = [t for t in near(every) if t >= now] + [now]
    met = {a for t in times if (a := in_force_then(every, t, t, 10**9)) is not None}
    if now >= route.floor.effective:
        assert set(reachable(route, now)) == met


@given(st.lists(anytime, min_size=10, max_size=60))
@settings(max_examples=60)
def test_a_version_that_any_business_time_still_meets_is_in_use(given: list[Step]) -> None:
    book, every = play(given, "dep")
    route = book.state.routes[ROUTE]
    now = book.state.earliest
    named = {v for a in reachable(route, now) for v in a.document.versions()}
    named |= {v.version for v in route.beneath}
    for bt in range(BUSINESS + 2):
        met = in_force_then(every, now, bt, 10**9)
        assert met is not None
        assert set(met.document.versions()) <= named


@given(st.lists(soon, min_size=1, max_size=60), st.integers(0, 300), st.integers(0, 4000))
@settings(max_examples=60)
def test_a_batch_that_is_not_mixed_meets_one_document(
    given: list[Step], which: int, width: int
) -> None:
    book, every = play(given, "")
    route = book.state.routes[ROUTE]
    times = near(every)
    low = times[which % len(times)]
    high = low + width
    inside = [low, high, *(t for t in times if low <= t <= high)]
    met = {in_force_then(every, t, t, 10**9) for t in inside}
    assert len(met) == 1 or mixed(route, low, high)


def test_a_batch_below_the_floor_is_mixed() -> None:
    book = served()
    for revision in range(1, 3 * TIMELINE):
        book.must(change("1", revision))
        book.wait(1000)
    route = book.state.routes[ROUTE]
    assert mixed(route, BEGIN, BEGIN + 1)
    assert not mixed(route, route.head.effective, route.head.effective + 10**9)


def test_boundaries_are_the_times_at_which_the_answer_changes() -> None:
    book = served()
    assert boundaries(book.state.routes[ROUTE]) == ()
    effective = book.must(change("2", 1)).effective
    assert boundaries(book.state.routes[ROUTE]) == (effective,)


def test_before_its_time_and_its_visibility_a_document_does_not_hold() -> None:
    first = Accepted(1, document("1", time_field="dep"), ALWAYS, ALWAYS, 0, 0)
    second = Accepted(2, document("2", time_field="dep"), 1000, 50, 1000, 1)
    route = extend(extend(None, first), second)
    for ts, bt, expected in ((999, 50, 1), (1000, 49, 1), (1000, 50, 2), (2000, 10, 1)):
        found = in_force(route, ts, bt)
        assert found is not None
        assert found.revision == expected


def test_business_times_beneath_the_floor_keep_their_versions_in_use() -> None:
    book = Book()
    for version in ("1", "2"):
        book.must(release(version))
    book.must(change(document("1", time_field="dep"), 0))
    for revision in range(1, 2 * TIMELINE):
        book.wait(MINUTE)
        book.must(change(document("2", time_field="dep"), revision, at=revision))
    route = book.state.routes[ROUTE]
    assert route.floor.effective > 0
    assert len(route.timeline) == TIMELINE
    assert book.say(withdrawal("1")).code == "E_IN_USE"
    book.must(change(document("2", time_field="dep"), 2 * TIMELINE, at_once=True))
    assert book.say(withdrawal("1")).accepted


def test_a_state_does_not_grow_with_its_history() -> None:
    def entries(first: int, last: int) -> list[Entry]:
        return [
            Entry(
                n,
                BEGIN + 1000 * n,
                record(
                    change(str(1 + n % 2), n - 2), f"r{n}", BEGIN + 1000 * n + MINUTE, reason="r"
                ),
            )
            for n in range(first, last)
        ]

    begin = Book()
    for version in ("1", "2"):
        begin.must(release(version))
    early, _ = fold(begin.state, entries(2, 1000))
    late, verdicts = fold(early, entries(1000, 20_000))
    assert all(verdict.accepted for verdict in verdicts)
    assert late.routes[ROUTE].head.revision == 19_998
    assert len(dump(late)) < 1.05 * len(dump(early)) + 1000
    assert len(dump(late)) < 100_000


def test_nothing_holds_before_the_first_document() -> None:
    assert State().routes.get(ROUTE) is None
    book = Book()
    book.must(PolicySet(LEAD))
    assert book.state.routes == {}
