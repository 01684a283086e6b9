"""A freeze stops all that goes by itself, an abort ends a rollout at whichever step it is (R22)."""

from dataclasses import replace

import pytest

from modelwire.control.fold import steps
from modelwire.control.history import in_force_then
from modelwire.control.saved import dump, load
from modelwire.control.state import Freeze, State
from modelwire.control.timeline import in_force
from modelwire_schemas.rollout import Phase
from modelwire_schemas.routing import RolloutAborted, RouteFrozen, RoutingDocument
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
from tests.consumer_sdk.control.rollouts import automatic, head, stepped

FREEZE = RouteFrozen(ROUTE, frozen=True)
UNFREEZE = RouteFrozen(ROUTE, frozen=False)
ABORT = RolloutAborted(ROUTE, "late-2")


def answers(book: Book, ts: int) -> dict[str, int]:
    """Return the buckets of each version for an event of that time, as everyone settles it.

    Two readers agree: who keeps the state, and who reads all documents from the log.
    """
    found = in_force(book.state.routes[ROUTE], ts, ts)
    past = [a for _, _, brought in steps(State(), book.entries) for a in brought]
    assert found == in_force_then(past, ts, ts, book.state.offset)
    assert found is not None
    return {v.version: v.weight for v in found.document.rules[-1].variants}


# Freeze


def test_a_freeze_says_who_and_why_and_since_when() -> None:
    book = served()
    assert book.say(FREEZE, author="bob", reason="incident 7").accepted
    frozen = book.state.routes[ROUTE].frozen
    assert frozen == Freeze("bob", "incident 7", book.now, book.state.offset)
    assert load(dump(book.state)) == book.state


def test_a_frozen_route_takes_no_automatic_change_not_even_a_rollback() -> None:
    book = served()
    book.must(stepped(book, 500, 1))
    book.wait(MINUTE)
    book.say(FREEZE, author="bob", reason="incident 7")
    for asked in (
        stepped(book, 1_000, 2),
        stepped(book, 0, 2, phase=Phase.ROLLED_BACK, at_once=True),
    ):
        verdict = book.say(asked)
        assert verdict.code == "E_FROZEN"
        assert "by bob at offset" in verdict.detail
        assert "incident 7" in verdict.detail
    assert head(book).rules == document({"1": 9_500, "2": 500}).rules


def test_a_change_of_several_routes_is_refused_when_one_of_them_is_frozen() -> None:
    book = served()
    book.must(change(document("1", "early"), 0))
    book.must(FREEZE)
    one, two = change("2", 1), change(document("2", "early"), 1)
    both = replace(one, changes=one.changes + two.changes)
    assert book.say(automatic(book, both)).code == "E_FROZEN"
    assert book.say(automatic(book, two)).accepted


def test_a_persons_changes_pass_and_the_route_stays_frozen() -> None:
    book = served()
    book.must(FREEZE)
    book.must(change("2", 1))
    book.must(change("1", 2, at_once=True))
    assert book.state.routes[ROUTE].frozen is not None
    assert book.say(stepped(book, 500, 3)).code == "E_FROZEN"


def test_a_route_that_is_let_go_takes_automatic_changes_again() -> None:
    book = served()
    book.must(FREEZE)
    book.must(UNFREEZE)
    assert book.state.routes[ROUTE].frozen is None
    book.must(stepped(book, 500, 1))


def test_the_first_freeze_counts_and_letting_go_twice_harms_nobody() -> None:
    book = served()
    book.say(FREEZE, author="bob")
    again = book.say(FREEZE, author="ann")
    assert "already frozen by bob at offset" in again.detail
    frozen = book.state.routes[ROUTE].frozen
    assert frozen is not None
    assert frozen.author == "bob"
    book.must(UNFREEZE)
    assert "was not frozen" in book.must(UNFREEZE).detail


@pytest.mark.parametrize(
    "body", [RouteFrozen("nobody", frozen=True), RolloutAborted("nobody", "x")]
)
def test_a_route_that_is_not_there_cannot_be_stopped(body: RouteFrozen | RolloutAborted) -> None:
    verdict = served().say(body)
    assert verdict.code == "E_UNKNOWN_ROUTE"
    assert ROUTE in verdict.detail


def test_a_freeze_removes_what_a_controller_scheduled() -> None:
    book = served()
    book.must(stepped(book, 2_000, 1))
    book.wait(MINUTE)
    later = book.now + MINUTE
    book.must(stepped(book, 10_000, 2, at=later))
    verdict = book.say(FREEZE, author="bob", reason="incident 7")
    assert [r.revision for r in verdict.revisions] == [4]
    assert answers(book, later - 1)["2"] == 2_000
    assert answers(book, later)["2"] == 2_000
    assert answers(book, later + MINUTE)["2"] == 2_000
    now = book.state.routes[ROUTE].head
    assert (now.author, now.reason, now.restores, now.undoes) == ("bob", "incident 7", 2, (3,))
    assert not now.automatic
    assert load(dump(book.state)) == book.state


def test_what_may_be_settled_already_is_not_taken_back() -> None:
    book = served()
    book.must(stepped(book, 2_000, 1))
    effective = book.now + LEAD
    book.wait(LEAD - 1)
    assert book.say(FREEZE).revisions == ()
    assert answers(book, effective)["2"] == 2_000


def test_what_would_begin_with_the_freeze_is_taken_back() -> None:
    book = served()
    book.must(stepped(book, 2_000, 1))
    assert len(book.say(FREEZE).revisions) == 1
    assert answers(book, book.now + LEAD) == {"1": 10_000}


def test_what_people_scheduled_behind_it_still_comes() -> None:
    book = served()
    first, second = book.now + MINUTE, book.now + 2 * MINUTE
    book.must(stepped(book, 2_000, 1, at=first))
    book.say(change("3", 2, at=second), author="carl")
    verdict = book.say(FREEZE, author="bob")
    assert [r.revision for r in verdict.revisions] == [4, 5]
    assert answers(book, first) == {"1": 10_000}
    assert answers(book, second) == {"3": 10_000}
    assert book.state.routes[ROUTE].head.author == "carl"
    assert book.say(change("2", 5)).code == "E_SCHEDULED"
    book.must(change("2", 5, at=first, cancels=(5,)))


def test_what_was_removed_is_in_nobodys_way() -> None:
    book = served()
    book.must(stepped(book, 2_000, 1, at=book.now + MINUTE))
    book.must(FREEZE)
    book.must(change("2", 3))
    assert answers(book, book.now + 2 * MINUTE) == {"2": 10_000}


def test_what_people_scheduled_before_it_still_comes() -> None:
    book = served()
    first, second = book.now + MINUTE, book.now + 2 * MINUTE
    book.must(change("3", 1, at=first))
    book.must(stepped(book, 2_000, 2, at=second))
    book.must(FREEZE)
    assert answers(book, first) == {"3": 10_000}
    assert answers(book, second) == {"3": 10_000}


def test_a_freeze_holds_by_business_time_too() -> None:
    book = served()
    book.must(change(document("1", "hour", time_field="hour"), 0))
    later = book.now + MINUTE
    asked = change(document("2", "hour", time_field="hour"), 1, at=later)
    book.must(automatic(book, asked))
    seen = book.now + LEAD
    book.wait(MINUTE // 2)
    verdict = book.must(RouteFrozen("hour", frozen=True))
    assert [r.revision for r in verdict.revisions] == [3]
    route = book.state.routes["hour"]
    settled, now = in_force(route, seen, later), in_force(route, book.now + LEAD, later)
    assert settled is not None
    assert now is not None
    assert settled.document.sole_version() == "2"
    assert now.document.sole_version() == "1"


def test_a_freeze_brings_nothing_back_that_was_cancelled_by_business_time() -> None:
    book = served(4)
    book.must(change(document("1", "hour", time_field="hour"), 0))
    begin, middle, end = (book.now + n * MINUTE for n in (1, 7, 9))

    def to(version: str) -> RoutingDocument:
        return document(version, "hour", time_field="hour")

    for asked in (change(to("2"), 1, at=end), change(to("3"), 2, at=begin, cancels=(2,))):
        book.must(asked)
        book.wait(1_000)
    book.must(automatic(book, change(to("4"), 3, at=middle)))
    book.must(RouteFrozen("hour", frozen=True))
    route = book.state.routes["hour"]
    found = [in_force(route, book.now + LEAD, time) for time in (begin - 1, begin, middle, end)]
    assert [a and a.document.sole_version() for a in found] == ["1", "3", "3", "3"]


# Abort


def rolling(*weights: int) -> Book:
    """Return a book with a rollout that took these steps."""
    book = served()
    for step, weight in enumerate(weights):
        book.must(stepped(book, weight, step + 1, step=step))
        book.wait(MINUTE)
    return book


def test_an_abort_ends_a_rollout_where_it_began_and_at_once() -> None:
    book = rolling(0, 500, 5_000)
    verdict = book.say(ABORT, author="bob", reason="scores are off")
    assert [r.revision for r in verdict.revisions] == [5]
    now = book.state.routes[ROUTE].head
    assert now.at_once
    assert (now.restores, now.undoes) == (1, (2, 3, 4))
    assert now.document.sole_version() == "1"
    rollout = now.document.rollout
    assert rollout is not None
    assert (rollout.id, rollout.phase, rollout.note) == ("late-2", Phase.ABORTED, "scores are off")
    assert answers(book, book.now - 10 * MINUTE) == {"1": 10_000}
    assert load(dump(book.state)) == book.state


@pytest.mark.parametrize("first", [True, False])
def test_an_abort_wins_over_a_promotion_from_the_same_base(first: bool) -> None:  # noqa: FBT001
    book = rolling(500)
    promotion = stepped(book, 10_000, 2, step=2, phase=Phase.COMPLETED, at=book.now + MINUTE)
    if first:
        book.must(ABORT)
        assert book.say(promotion).code == "E_CONFLICT"
    else:
        book.must(promotion)
        book.must(ABORT)
    assert answers(book, book.now + 2 * MINUTE) == {"1": 10_000}


def test_an_abort_passes_a_freeze() -> None:
    book = rolling(500)
    book.must(FREEZE)
    book.must(ABORT)
    assert head(book).sole_version() == "1"


@pytest.mark.parametrize("phase", [Phase.COMPLETED, Phase.ABORTED, Phase.ROLLED_BACK])
def test_a_rollout_that_is_over_cannot_be_aborted(phase: Phase) -> None:
    book = rolling(500)
    book.must(stepped(book, 0, 2, step=1, phase=phase))
    book.wait(MINUTE)
    verdict = book.say(ABORT)
    assert verdict.code == "E_NO_ROLLOUT"
    assert f"rollout late-2, {phase}" in verdict.detail


def test_a_rollout_that_is_not_there_cannot_be_aborted() -> None:
    book = served()
    assert "no rollout" in book.say(ABORT).detail
    book = rolling(500)
    verdict = book.say(RolloutAborted(ROUTE, "late-1"))
    assert verdict.code == "E_NO_ROLLOUT"
    assert "rollout late-2, progressing" in verdict.detail


def test_a_persons_flip_ends_a_rollout_too() -> None:
    book = rolling(500)
    book.must(change("3", 2))
    assert book.say(ABORT).code == "E_NO_ROLLOUT"
    assert book.state.routes[ROUTE].base is None


def test_a_route_that_began_with_its_rollout_has_nothing_to_go_back_to() -> None:
    book = served()
    book.must(stepped(book, 500, 0, route="new"))
    assert book.say(RolloutAborted("new", "late-2")).code == "E_NO_EARLIER"


def test_a_second_rollout_goes_back_to_the_first_ones_end() -> None:
    book = rolling(500)
    book.must(stepped(book, 10_000, 2, step=1, phase=Phase.COMPLETED))
    book.wait(MINUTE)
    book.must(stepped(book, 9_000, 3, name="late-3"))
    book.must(RolloutAborted(ROUTE, "late-3"))
    assert {v.version: v.weight for v in head(book).rules[-1].variants} == {"1": 0, "2": 10_000}


def test_a_rollout_that_is_tried_again_goes_back_to_where_it_began_again() -> None:
    book = rolling(500)
    book.must(ABORT)
    book.must(stepped(book, 700, 3))
    base = book.state.routes[ROUTE].base
    assert base is not None
    assert base.revision == 3
    book.must(ABORT)
    assert head(book).sole_version() == "1"


def test_a_rollout_over_several_routes_ends_on_all_of_them() -> None:
    book = served()
    book.must(change(document("1", "early"), 0))
    for number, weight in enumerate((500, 1_000)):
        one = stepped(book, weight, 1 + number)
        two = stepped(book, weight, 1 + number, route="early")
        book.must(replace(one, changes=one.changes + two.changes))
        book.wait(MINUTE)
    verdict = book.must(ABORT)
    assert [(r.route, r.revision) for r in verdict.revisions] == [("early", 4), (ROUTE, 4)]
    assert head(book, "early").sole_version() == head(book).sole_version() == "1"


def test_what_an_abort_goes_back_to_cannot_be_withdrawn_under_it() -> None:
    book = rolling(500)
    whole = head(book)
    only = replace(document("2"), rollout=whole.rollout)
    book.must(automatic(book, change(only, 2)))
    book.wait(MINUTE)
    assert book.say(withdrawal("1")).code == "E_IN_USE"
    rollout = whole.rollout
    assert rollout is not None
    done = replace(only, rollout=replace(rollout, phase=Phase.COMPLETED))
    book.must(automatic(book, change(done, 3)))
    book.wait(MINUTE)
    book.must(withdrawal("1"))
