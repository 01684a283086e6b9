"""A change that goes back by itself unless somebody confirms it: one record, no controller."""

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from modelwire.control.checks import LONGEST_TRIAL
from modelwire.control.fold import steps
from modelwire.control.history import in_force_then
from modelwire.control.saved import dump, load
from modelwire.control.state import TIMELINE, State, Verdict
from modelwire.control.telling import told_time
from modelwire.control.timeline import boundaries, in_force, way_back
from modelwire_schemas.policy import Act, Approvals, Blackout, PolicySet, Right
from modelwire_schemas.routing import (
    ModelVersion,
    RouteConfirmed,
    RouteFrozen,
    RoutingApproved,
    RoutingChanged,
    RoutingDocument,
    RoutingProposed,
)
from tests.consumer_sdk.control.making import (
    LEAD,
    MINUTE,
    ROUTE,
    Book,
    change,
    document,
    served,
    withdrawal,
)
from tests.consumer_sdk.control.rollouts import automatic, stepped

TRIAL = 15 * MINUTE
CONFIRM = RouteConfirmed(ROUTE)


def trial(
    what: RoutingDocument | str,
    replaces: int,
    *,
    within: int = TRIAL,
    at: int | None = None,
    at_once: bool = False,
    cancels: tuple[int, ...] = (),
) -> RoutingChanged:
    asked = change(what, replaces, at=at, at_once=at_once, cancels=cancels)
    return replace(asked, confirm_within=within)


def answer(book: Book, ts: int) -> str | None:
    """Return who answers an event of that time, as the state and the whole log both say."""
    found = in_force(book.state.routes[ROUTE], ts, ts)
    past = [a for _, _, brought in steps(State(), book.entries) for a in brought]
    assert found == in_force_then(past, ts, ts, book.state.offset)
    assert found is not None
    return found.document.sole_version()


def tried(book: Book | None = None) -> tuple[Book, int]:
    """Return a book with a flip to 2 that waits, and the time at which it goes back."""
    book = book or served()
    book.must(trial("2", 1))
    return book, book.now + LEAD + TRIAL


# Nobody confirms


def test_one_record_brings_the_change_and_its_way_back() -> None:
    book = served()
    verdict = book.must(trial("2", 1))
    assert [r.revision for r in verdict.revisions] == [2, 3]
    assert verdict.effective == book.now + LEAD
    begin = book.now + LEAD
    assert [answer(book, t) for t in (begin - 1, begin, begin + TRIAL - 1, begin + TRIAL)] == [
        "1",
        "2",
        "2",
        "1",
    ]
    back = way_back(book.state.routes[ROUTE], book.now)
    assert back is not None
    assert (back.restores, back.undoes, back.takes_back) == (1, (2,), 2)
    assert load(dump(book.state)) == book.state


def test_events_of_one_batch_know_where_it_goes_back() -> None:
    book, end = tried()
    assert {end - TRIAL, end} <= set(boundaries(book.state.routes[ROUTE]))


def test_a_change_at_once_goes_back_too() -> None:
    book = served()
    book.must(trial("2", 1, at_once=True))
    end = book.now + LEAD + TRIAL
    assert [answer(book, t) for t in (0, end - 1, end)] == ["2", "2", "1"]


def test_a_scheduled_change_waits_from_its_own_time_on() -> None:
    book = served()
    begin = book.now + 60 * MINUTE
    book.must(change("3", 1, at=begin - MINUTE))
    book.must(trial("2", 2, at=begin))
    times = (begin - MINUTE - 1, begin - MINUTE, begin, begin + TRIAL)
    assert [answer(book, t) for t in times] == ["1", "3", "2", "3"]


def test_it_goes_back_to_what_was_in_force_and_not_to_what_was_cancelled() -> None:
    book = served()
    book.must(change("3", 1, at=book.now + MINUTE))
    book.must(trial("2", 2, cancels=(2,)))
    assert answer(book, book.now + LEAD + TRIAL) == "1"


def test_a_rollout_never_comes_back() -> None:
    book = served()
    book.must(stepped(book, 500, 1))
    book.wait(MINUTE)
    book.must(trial("3", 2))
    head = book.state.routes[ROUTE].head.document
    assert head.rollout is None
    assert {v.version: v.weight for v in head.rules[-1].variants} == {"1": 9_500, "2": 500}


def test_what_it_goes_back_to_cannot_be_withdrawn_until_it_is_confirmed() -> None:
    book, _ = tried()
    book.wait(MINUTE)
    assert book.say(withdrawal("1")).code == "E_IN_USE"
    book.must(CONFIRM)
    book.wait(MINUTE)
    book.must(withdrawal("1"))


# Somebody does


def test_a_confirmed_change_stays() -> None:
    book, end = tried()
    book.wait(5 * MINUTE)
    verdict = book.say(CONFIRM, author="bob", reason="looks well")
    assert [r.revision for r in verdict.revisions] == [4]
    assert verdict.detail == "revision 2 confirmed"
    assert [answer(book, t) for t in (end - 1, end, end + MINUTE)] == ["2", "2", "2"]
    now = book.state.routes[ROUTE].head
    assert (now.author, now.reason, now.restores, now.undoes) == ("bob", "looks well", 2, (3,))
    assert way_back(book.state.routes[ROUTE], book.now) is None
    book.wait(MINUTE)
    book.must(change("3", 4))


def test_a_scheduled_change_may_be_confirmed_before_it_holds() -> None:
    book = served()
    begin = book.now + 60 * MINUTE
    book.must(trial("2", 1, at=begin))
    book.must(CONFIRM)
    assert [answer(book, t) for t in (begin - 1, begin, begin + TRIAL)] == ["1", "2", "2"]


def test_what_comes_behind_it_still_comes() -> None:
    book, end = tried()
    book.must(change("3", 3, at=end + MINUTE))
    book.must(CONFIRM)
    assert [answer(book, t) for t in (end, end + MINUTE)] == ["2", "3"]


@pytest.mark.parametrize("late", [0, 1, MINUTE])
def test_a_confirmation_that_comes_too_late_is_refused_and_changes_nothing(late: int) -> None:
    book, end = tried()
    book.now = end - LEAD + 1 + late  # from its `earliest` on events may be settled already
    verdict = book.say(CONFIRM)
    assert verdict.code == "E_WENT_BACK"
    assert (
        f"revision 2 was not confirmed in time and went back at {told_time(end)}" in verdict.detail
    )
    assert answer(book, end + 2 * MINUTE) == "1"


def test_a_confirmation_in_the_last_moment_counts() -> None:
    book, end = tried()
    book.now = end - LEAD
    book.must(CONFIRM)
    assert answer(book, end) == "2"


def test_there_must_be_something_to_confirm() -> None:
    book = served()
    assert book.say(CONFIRM).code == "E_NOTHING_TO_CONFIRM"
    assert book.say(RouteConfirmed("nobody")).code == "E_UNKNOWN_ROUTE"
    book, _ = tried()
    book.must(CONFIRM)
    assert book.say(CONFIRM).code == "E_NOTHING_TO_CONFIRM"


# Others change it in between


def test_a_later_change_must_say_that_it_displaces_the_way_back_and_wins() -> None:
    book, end = tried()
    book.wait(MINUTE)
    refused = book.say(change("3", 3))
    assert refused.code == "E_SCHEDULED"
    assert "revision 3, which takes 2 back" in refused.detail
    book.must(change("3", 3, cancels=(3,)))
    assert answer(book, end) == "3"
    assert book.say(CONFIRM).code == "E_NOTHING_TO_CONFIRM"


def test_a_change_at_once_wins_without_asking() -> None:
    book, end = tried()
    book.wait(MINUTE)
    book.must(change("3", 3, at_once=True))
    assert answer(book, end) == "3"


def test_a_controller_does_not_step_in_between() -> None:
    book, end = tried()
    book.wait(MINUTE)
    assert book.say(automatic(book, change("3", 3))).code == "E_SCHEDULED"
    assert answer(book, end) == "1"


def test_a_freeze_keeps_the_way_back_because_a_person_asked_for_it() -> None:
    book, end = tried()
    book.must(automatic(book, change("3", 3, at=end + MINUTE)))
    book.must(RouteFrozen(ROUTE, frozen=True))
    assert [answer(book, t) for t in (end - 1, end, end + MINUTE)] == ["2", "1", "1"]
    book.must(CONFIRM)
    assert [answer(book, t) for t in (end, end + MINUTE)] == ["2", "2"]


def test_a_document_that_stands_for_the_way_back_is_the_way_back() -> None:
    book, end = tried()
    warmed = document({"1": 10_000, "3": 0})
    book.must(change(warmed, 3, at=end, cancels=(3,)))
    assert [answer(book, t) for t in (end - 1, end)] == ["2", "1"]
    book.must(CONFIRM)
    assert answer(book, end) == "2"


# Policies


def policy(*rights: Right, needed: int = 0, blackouts: tuple[Blackout, ...] = ()) -> PolicySet:
    approvals = (Approvals((ROUTE,), needed),) if needed else ()
    return PolicySet(LEAD, rights, approvals, blackouts)


def proposed(book: Book, asked: RoutingChanged) -> Verdict:
    number = book.must(RoutingProposed(asked, book.now + 60 * MINUTE)).offset
    book.wait(5 * MINUTE)
    return book.say(RoutingApproved(number), author="bob")


def test_it_waits_from_its_approval_on_and_needs_none_to_be_confirmed() -> None:
    book = served()
    book.must(policy(needed=1))
    verdict = proposed(book, trial("2", 1))
    assert [r.revision for r in verdict.revisions] == [2, 3]
    end = book.now + LEAD + TRIAL
    assert [answer(book, t) for t in (end - 1, end)] == ["2", "1"]
    book.must(CONFIRM)
    assert answer(book, end) == "2"


def test_who_may_not_route_may_not_confirm() -> None:
    book, end = tried()
    book.must(policy(Right(Act.ROUTE, ("*",), ("bob",))))
    assert book.say(CONFIRM, author="ann").code == "E_ROLE"
    assert answer(book, end) == "1"
    assert book.say(CONFIRM, author="bob").accepted


@pytest.mark.parametrize("before", [True, False])
def test_a_blackout_never_keeps_it_from_going_back(before: bool) -> None:  # noqa: FBT001
    book = served()
    end = book.now + LEAD + TRIAL
    blackout = policy(blackouts=(Blackout(end - MINUTE, end + 60 * MINUTE),))
    if before:
        book.must(blackout)
    tried(book)
    if not before:
        book.must(blackout)
    assert answer(book, end) == "1"


# What cannot go back by itself


def test_a_first_document_is_refused() -> None:
    verdict = served().say(trial(document("1", "early"), 0))
    assert verdict.code == "E_CONFIRM_WITHIN"
    assert "nothing to go back to" in verdict.detail


def test_several_routes_are_refused() -> None:
    book = served()
    book.must(change(document("1", "early"), 0))
    one, two = trial("2", 1), trial(document("2", "early"), 1)
    verdict = book.say(replace(one, changes=one.changes + two.changes))
    assert verdict.code == "E_CONFIRM_WITHIN"


def test_a_change_that_only_withdraws_is_refused() -> None:
    withdraws = (ModelVersion(ROUTE, "3"),)
    verdict = served().say(RoutingChanged((), withdraws=withdraws, confirm_within=TRIAL))
    assert verdict.code == "E_CONFIRM_WITHIN"
    assert "no route changes" in verdict.detail


def test_business_time_is_refused() -> None:
    book = served()
    book.must(change(document("1", "hour", time_field="hour"), 0))
    verdict = book.say(trial(document("2", "hour", time_field="hour"), 1))
    assert verdict.code == "E_CONFIRM_WITHIN"
    assert "business time" in verdict.detail


def test_more_than_a_week_is_refused() -> None:
    book = served()
    assert book.say(trial("2", 1, within=LONGEST_TRIAL + 1)).code == "E_CONFIRM_WITHIN"
    book.must(trial("2", 1, within=LONGEST_TRIAL))


@pytest.mark.parametrize("room", [1, 2])
def test_a_full_timeline_never_loses_what_is_in_force(room: int) -> None:
    book = served()
    scheduled = TIMELINE - 1 - room
    for number in range(scheduled):
        book.must(change("23"[number % 2], number + 1, at=book.now + (number + 1) * MINUTE))
    verdict = book.say(trial("1", scheduled + 1, at=book.now + TIMELINE * MINUTE))
    assert verdict.code == ("E_TOO_MANY" if room == 1 else "")
    assert answer(book, book.now) == "1"


@given(
    st.integers(1, 30 * MINUTE),
    st.integers(0, 40 * MINUTE),
    st.sampled_from([None, "at once", "later"]),
)
def test_it_stays_exactly_where_it_was_confirmed_in_time(
    within: int, after: int, when: str | None
) -> None:
    book = served()
    at = book.now + 10 * MINUTE if when == "later" else None
    book.must(trial("2", 1, within=within, at=at, at_once=when == "at once"))
    end = (at or book.now + LEAD) + within
    book.wait(after)
    accepted = book.say(CONFIRM).accepted
    assert accepted == (book.now + LEAD <= end)
    assert answer(book, end - 1) == "2" or end - 1 < (at or 0)
    assert answer(book, max(end, book.now + LEAD)) == ("2" if accepted else "1")
