"""What the policy allows: rights, approvals, blackouts, releases that run out (R3, R22)."""

from dataclasses import replace

import pytest

from modelwire.control.saved import dump, load, state_hash
from modelwire.control.timeline import in_force
from modelwire_schemas.control import Body
from modelwire_schemas.policy import Act, Approvals, Blackout, PolicySet, Right, matches
from modelwire_schemas.rollout import Phase
from modelwire_schemas.routing import RolloutAborted, RouteFrozen
from tests.consumer_sdk.control.making import (
    LEAD,
    MINUTE,
    MODEL,
    ROUTE,
    Book,
    change,
    document,
    release,
    served,
    withdrawal,
)
from tests.consumer_sdk.control.rollouts import automatic, head, stepped


def ruled(
    *rights: Right,
    approvals: tuple[Approvals, ...] = (),
    blackouts: tuple[Blackout, ...] = (),
    book: Book | None = None,
) -> Book:
    """Return a book with version 1 in service and a policy."""
    book = book or served()
    book.must(PolicySet(LEAD, rights, approvals, blackouts))
    book.wait(1)
    return book


def version(book: Book, ts: int) -> str | None:
    found = in_force(book.state.routes[ROUTE], ts, ts)
    assert found is not None
    return found.document.sole_version()


@pytest.mark.parametrize(
    ("pattern", "fitting", "other"),
    [
        ("late", "late", "late-2"),
        ("*", "", None),
        ("late*", "late", "alate"),
        ("*late", "x-late", "late-x"),
        ("a*b*c", "aXbYc", "acb"),
        ("a*a", "aa", "a"),
        ("a*b*b", "abb", "ab"),
        ("*a*", "xax", "xx"),
        ("[a-z]?", "[a-z]?", "ab"),
        ("a**b", "ab", "b"),
        ("a*" * 120 + "b", "a" * 130 + "b", "a" * 250),
    ],
)
def test_a_star_stands_for_any_characters_and_nothing_else_does(
    pattern: str, fitting: str, other: str | None
) -> None:
    assert matches(pattern, fitting)
    assert other is None or not matches(pattern, other)


def test_a_policy_is_part_of_the_state() -> None:
    book = ruled(Right(Act.ROUTE, ("*",), ("ann",)), blackouts=(Blackout(1, 2, "why"),))
    assert load(dump(book.state)) == book.state
    assert state_hash(book.state) != state_hash(replace(book.state, policy=PolicySet(LEAD)))


# Rights

ASKED: dict[str, tuple[Act, Body]] = {
    "a release": (Act.RELEASE, release("9")),
    "a withdrawal": (Act.RELEASE, withdrawal("3")),
    "a change": (Act.ROUTE, change("2", 1)),
    "a freeze": (Act.ROUTE, RouteFrozen(ROUTE, frozen=True)),
    "a change that withdraws": (Act.RELEASE, change("2", 1, withdraws=("3",))),
}


@pytest.mark.parametrize(("act", "body"), ASKED.values(), ids=ASKED)
def test_who_has_no_right_is_told_who_has(act: Act, body: Body) -> None:
    book = ruled(Right(act, ("*",), ("bob",), ("lead-*",)))
    verdict = book.say(body, author="ann", role="operator")
    assert verdict.code == "E_ROLE"
    assert "ann as operator may not" in verdict.detail
    assert "expected one of bob, lead-*" in verdict.detail
    assert book.say(body, author="bob").accepted


def test_a_role_is_as_good_as_a_name() -> None:
    book = ruled(Right(Act.ROUTE, ("late*",), (), ("lead-*",)))
    assert book.say(change("2", 1), author="ann", role="lead-of-day").accepted
    assert book.say(change("1", 2), author="ann", role="operator").code == "E_ROLE"


def test_what_no_right_speaks_of_everybody_may_do() -> None:
    book = ruled(Right(Act.ROUTE, ("other",), ("bob",)), Right(Act.RELEASE, ("x-*",), ("bob",)))
    book.must(change("2", 1))
    book.must(release("9"))


def test_a_controller_without_a_right_is_refused() -> None:
    book = ruled(Right(Act.ROUTE, ("*",), (), ("operator",)))
    asked = stepped(book, 500, 1)
    assert book.say(asked, author="controller-1", role="controller").code == "E_ROLE"
    book = ruled(Right(Act.ROUTE, ("*",), (), ("operator", "controller")))
    assert book.say(stepped(book, 500, 1), author="c", role="controller").accepted


def test_an_abort_needs_the_right_to_route() -> None:
    book = served()
    book.must(stepped(book, 500, 1))
    ruled(Right(Act.ROUTE, ("*",), ("bob",)), book=book)
    assert book.say(RolloutAborted(ROUTE, "late-2"), author="ann").code == "E_ROLE"
    assert book.say(RolloutAborted(ROUTE, "late-2"), author="bob").accepted


# Approvals that a change by itself lacks

TWO = (Approvals(("late*",), 1), Approvals(("late",), 2))


def test_a_change_that_needs_approval_is_not_made_by_itself() -> None:
    book = ruled(approvals=TWO)
    verdict = book.say(change("2", 1))
    assert verdict.code == "E_APPROVAL"
    assert "needs 2 approvals" in verdict.detail
    book.must(change(document("1", "early"), 0))


def test_going_back_at_once_needs_nobody() -> None:
    book = served()
    book.must(change("2", 1))
    book.wait(MINUTE)
    ruled(approvals=TWO, blackouts=(Blackout(0, 2**60),), book=book)
    assert book.say(change("1", 2)).code == "E_APPROVAL"
    assert book.say(change("3", 2, at_once=True)).code == "E_APPROVAL"
    book.must(change("1", 2, at_once=True))


def test_a_rollouts_beginning_is_approved_and_its_steps_go_by_themselves() -> None:
    book = ruled(approvals=TWO)
    assert book.say(stepped(book, 500, 1)).code == "E_APPROVAL"
    book = served()
    book.must(stepped(book, 500, 1))
    ruled(approvals=TWO, book=book)
    book.must(stepped(book, 2_000, 2, step=1))
    other = stepped(book, 9_000, 3, name="late-3")
    assert book.say(other).code == "E_APPROVAL"
    whole = head(book)
    assert whole.rollout is not None
    planned = replace(whole, rollout=replace(whole.rollout, plan='{"steps": 9}'))
    mended = replace(planned, rules=document({"1": 0, "2": 10_000}).rules)
    assert book.say(automatic(book, change(mended, 3))).code == "E_APPROVAL"


def test_a_rollback_and_a_pause_need_nobody_at_any_time() -> None:
    book = served()
    book.must(stepped(book, 500, 1))
    book.wait(MINUTE)
    ruled(approvals=TWO, blackouts=(Blackout(0, 2**60),), book=book)
    assert book.say(stepped(book, 2_000, 2, step=1)).code == "E_BLACKOUT"
    book.must(stepped(book, 500, 2, phase=Phase.PAUSED))
    book.must(stepped(book, 0, 3, phase=Phase.ROLLED_BACK, at_once=True))


def test_to_make_a_scheduled_change_earlier_is_a_change() -> None:
    book = served()
    later = book.now + 10 * MINUTE
    book.must(change("2", 1, at=later))
    ruled(approvals=TWO, book=book)
    assert book.say(change("2", 2, cancels=(2,))).code == "E_APPROVAL"
    book.must(change("2", 2, at=later, cancels=(2,)))


def test_to_warm_a_version_needs_nobody_at_any_time() -> None:
    book = ruled(approvals=TWO, blackouts=(Blackout(0, 2**60),))
    book.must(change({"1": 10_000, "2": 0}, 1))
    book.must(change(replace(document("1"), keep_warm=("3",)), 2))
    assert book.say(change({"1": 9_999, "2": 1}, 3)).code == "E_APPROVAL"
    assert book.say(change(document("1", fallback=("3",)), 3)).code == "E_APPROVAL"
    assert book.say(change(document("1", salt="t"), 3)).code == "E_APPROVAL"


# Blackouts


def test_nothing_takes_effect_in_a_blackout() -> None:
    book = served()
    start = book.now + 10 * MINUTE
    ruled(blackouts=(Blackout(start, start + MINUTE, "the holidays"),), book=book)
    verdict = book.say(change("2", 1, at=start))
    assert verdict.code == "E_BLACKOUT"
    assert "the holidays" in verdict.detail
    assert book.say(change("2", 1, at=start + MINUTE - 1)).code == "E_BLACKOUT"
    book.must(change("2", 1, at=start + MINUTE))
    book.must(change("3", 2, at=start - 1, cancels=(2,)))


def test_a_blackout_tells_its_times_as_people_read_them_also_those_beyond_any_calendar() -> None:
    book = ruled(blackouts=(Blackout(0, 2**62),))
    told = book.say(change("2", 1, at=4_102_444_800_000)).detail
    assert "from 1970-01-01T00:00:00Z to 4611686018427387904 ms" in told
    assert "2100-01-01T00:00:00Z" in told


def test_now_is_judged_by_when_it_holds() -> None:
    book = served()
    start = book.now + LEAD + 1
    ruled(blackouts=(Blackout(start, start + MINUTE),), book=book)
    assert book.now + LEAD == start
    assert book.say(change("2", 1)).code == "E_BLACKOUT"
    assert book.say(change("2", 1, at_once=True)).code == "E_BLACKOUT"
    assert book.say(change(document("1", "new"), 0)).code == "E_BLACKOUT"
    book.wait(MINUTE)
    book.must(change("2", 1))


def test_a_blackout_removes_what_would_take_effect_inside() -> None:
    book = served()
    first, second = book.now + MINUTE, book.now + 10 * MINUTE
    book.must(change("2", 1, at=first))
    book.must(change("3", 2, at=second))
    verdict = book.must(PolicySet(LEAD, blackouts=(Blackout(first, first + MINUTE),)))
    assert [r.revision for r in verdict.revisions] == [4, 5]
    assert version(book, first) == version(book, second - 1) == "1"
    assert version(book, second) == "3"
    assert load(dump(book.state)) == book.state


def test_an_abort_passes_a_blackout() -> None:
    book = served()
    book.must(stepped(book, 500, 1))
    book.wait(MINUTE)
    ruled(blackouts=(Blackout(0, 2**60),), book=book)
    book.must(RolloutAborted(ROUTE, "late-2"))
    assert version(book, book.now) == "1"


# Releases that run out


def aged(until: int) -> Book:
    """Return a book with version 1 in service and a version 4 that is valid until then."""
    book = served()
    book.must(release("4", valid_until=until))
    return book


def test_a_release_that_ran_out_gets_no_new_weight() -> None:
    book = aged(served().now + MINUTE)
    book.must(change({"1": 5_000, "4": 5_000}, 1))
    book.wait(2 * MINUTE)
    for more in ({"1": 4_999, "4": 5_001}, {"1": 0, "4": 10_000}):
        verdict = book.say(change(more, 2))
        assert verdict.code == "E_EXPIRED_RELEASE"
        assert f"{MODEL} 4 was valid until" in verdict.detail
    book.must(change({"1": 5_000, "4": 5_000}, 2))
    book.must(change({"1": 9_000, "4": 1_000}, 3))
    book.must(change(document("1", fallback=("4",)), 4))
    found = book.state.release(MODEL, "4")
    assert found is not None
    assert load(dump(book.state)) == book.state


def test_what_takes_effect_after_the_end_is_too_late() -> None:
    book = aged(served().now + MINUTE)
    until = book.now + MINUTE
    assert book.say(change("4", 1, at=until)).code == "E_EXPIRED_RELEASE"
    book.must(change("4", 1, at=until - 1))


def test_going_back_to_a_release_that_ran_out_is_possible() -> None:
    book = aged(served().now + MINUTE)
    book.must(change("4", 1))
    book.wait(2 * MINUTE)
    book.must(change("2", 2))
    book.wait(MINUTE)
    assert book.say(change("4", 3)).code == "E_EXPIRED_RELEASE"
    book.must(change("4", 3, at_once=True))
