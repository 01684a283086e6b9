"""A change that waits: n others approve it, and all checks run when the last one does (R3)."""

from dataclasses import replace

import pytest

from modelwire.control.proposals import LONGEST, OPEN
from modelwire.control.saved import dump, load
from modelwire.control.state import Verdict
from modelwire_schemas.policy import Act, Approvals, Blackout, PolicySet, Right
from modelwire_schemas.routing import RoutingApproved, RoutingChanged, RoutingProposed
from tests.consumer_sdk.control.making import LEAD, MINUTE, ROUTE, Book, change, document, served
from tests.consumer_sdk.control.rollouts import automatic, head, stepped


def asking(needed: int = 2, *rights: Right, blackouts: tuple[Blackout, ...] = ()) -> Book:
    """Return a book whose policy wants so many approvals for the route."""
    book = served()
    book.must(PolicySet(LEAD, rights, (Approvals((ROUTE,), needed),), blackouts))
    book.wait(1)
    return book


def proposed(book: Book, asked: RoutingChanged | None = None, *, author: str = "ann") -> int:
    """Propose a change, and return the proposal's number."""
    body = RoutingProposed(asked or change("2", 1), book.now + 60 * MINUTE)
    verdict = book.say(body, author=author, role="operator", reason="better")
    assert verdict.accepted, verdict
    return verdict.offset


def approved(book: Book, number: int, author: str, role: str = "operator") -> Verdict:
    return book.say(RoutingApproved(number), author=author, role=role)


def test_the_last_approval_makes_the_change_as_its_author_asked() -> None:
    book = asking(2)
    number = proposed(book)
    assert head(book).sole_version() == "1"
    assert "1 of 2" in approved(book, number, "bob").detail
    assert load(dump(book.state)) == book.state
    book.wait(MINUTE)
    verdict = approved(book, number, "carl")
    assert [r.revision for r in verdict.revisions] == [2]
    now = book.state.routes[ROUTE].head
    assert now.document.sole_version() == "2"
    assert (now.author, now.reason) == ("ann", "better")
    assert now.cause == f"proposal {number}, approved by bob, carl"
    assert now.effective == book.now + LEAD
    assert book.state.proposals == {}
    assert approved(book, number, "dora").code == "E_NO_PROPOSAL"


def test_a_rollout_begins_when_it_is_approved() -> None:
    book = asking(1)
    number = proposed(book, replace(stepped(book, 0, 1), automatic=False, decided_at=0))
    book.wait(30 * MINUTE)
    assert approved(book, number, "bob").accepted
    begun = head(book).rollout
    assert begun is not None
    assert (begun.started, begun.since) == (book.now, book.now)


def test_nobody_approves_a_change_of_their_own() -> None:
    book = asking(1)
    number = proposed(book)
    verdict = approved(book, number, "ann", role="lead")
    assert verdict.code == "E_APPROVAL"
    assert "of their own" in verdict.detail
    assert approved(book, number, "").code == "E_APPROVAL"
    assert approved(book, number, "bob").revisions


def test_nobody_approves_twice() -> None:
    book = asking(2)
    number = proposed(book)
    approved(book, number, "bob")
    assert "bob has approved it" in approved(book, number, "bob").detail
    assert head(book).sole_version() == "1"


def test_approving_needs_the_right() -> None:
    book = asking(1, Right(Act.APPROVE, ("l*",), ("carl",), ("lead",)))
    number = proposed(book)
    assert approved(book, number, "bob").code == "E_ROLE"
    assert approved(book, number, "bob", role="lead").revisions


def test_proposing_needs_the_right_to_route() -> None:
    book = asking(1, Right(Act.ROUTE, (ROUTE,), ("ann",)))
    body = RoutingProposed(change("2", 1), book.now + MINUTE)
    assert book.say(body, author="bob").code == "E_ROLE"
    assert approved(book, proposed(book), "bob").revisions


def test_who_may_not_approve_any_more_does_not_count() -> None:
    book = asking(2)
    number = proposed(book)
    approved(book, number, "bob")
    right = Right(Act.APPROVE, (ROUTE,), ("carl", "dora"))
    book.must(PolicySet(LEAD, (right,), (Approvals((ROUTE,), 2),)))
    assert "1 of 2" in approved(book, number, "carl").detail
    assert approved(book, number, "dora").revisions


def test_all_checks_run_when_the_last_one_approves() -> None:
    book = asking(1)
    number = proposed(book)
    other = proposed(book, change("3", 1), author="bob")
    assert approved(book, other, "ann").revisions
    verdict = approved(book, number, "bob")
    assert verdict.code == "E_CONFLICT"
    assert "bob at offset" in verdict.winner
    assert number in book.state.proposals


def test_a_time_that_passed_while_it_waited_is_too_early() -> None:
    book = asking(1)
    number = proposed(book, change("2", 1, at=book.now + MINUTE))
    book.wait(2 * MINUTE)
    assert approved(book, number, "bob").code == "E_TOO_EARLY"


def test_a_blackout_holds_for_what_was_approved_too() -> None:
    begin = served().now
    book = asking(1, blackouts=(Blackout(begin, begin + MINUTE),))
    number = proposed(book)
    assert approved(book, number, "bob").code == "E_BLACKOUT"
    book.wait(2 * MINUTE)
    assert approved(book, number, "bob").revisions


def test_what_needs_no_approval_waits_for_one_all_the_same() -> None:
    book = served()
    number = proposed(book)
    assert approved(book, number, "bob").revisions


def test_the_strictest_route_decides() -> None:
    book = asking(2)
    book.must(change(document("1", "early"), 0))
    one, two = change("2", 1), change(document("2", "early"), 1)
    number = proposed(book, replace(one, changes=one.changes + two.changes))
    assert not approved(book, number, "bob").revisions
    assert len(approved(book, number, "carl").revisions) == 2


def test_a_proposal_expires() -> None:
    book = asking(1)
    number = proposed(book)
    book.wait(60 * MINUTE)
    assert approved(book, number, "bob").code == "E_NO_PROPOSAL"
    assert book.state.proposals == {}


@pytest.mark.parametrize("wait", [0, -1, LONGEST + 1])
def test_a_proposal_waits_for_a_time_to_come_and_not_too_long(wait: int) -> None:
    book = asking(1)
    body = RoutingProposed(change("2", 1), book.now + wait)
    assert book.say(body).code == "E_EXPIRY"


def test_proposals_are_bounded() -> None:
    book = asking(1)
    number, *_ = [proposed(book) for _ in range(OPEN)]
    body = RoutingProposed(change("2", 1), book.now + MINUTE)
    assert book.say(body).code == "E_TOO_MANY"
    assert approved(book, number, "bob").revisions
    assert book.say(replace(body, until=book.now + 1)).accepted


def test_a_controller_proposes_nothing_and_nobody_neither() -> None:
    book = asking(1)
    asked = RoutingProposed(change("2", 1), book.now + MINUTE)
    assert book.say(asked, author="").code == "E_APPROVAL"
    own = replace(asked, change=automatic(book, change("2", 1)))
    assert book.say(own).code == "E_APPROVAL"


def test_a_proposal_that_is_not_there_names_those_that_are() -> None:
    book = asking(1)
    number = proposed(book)
    assert f"expected one of {number}" in approved(book, 0, "bob").detail
