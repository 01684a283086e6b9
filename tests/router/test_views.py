"""What people see of a route, beside the columns that every row has."""

from modelwire_router.views import proposal_rows, route_rows
from modelwire_schemas.routing import RouteFrozen, RoutingProposed
from tests.consumer_sdk.control.making import MINUTE, ROUTE, Book, change, release, served
from tests.consumer_sdk.control.rollouts import stepped


def row(book: Book, now: int = 0) -> dict[str, object]:
    (found,) = route_rows(book.state, [], ROUTE, now)
    return dict(found)


def test_a_release_that_ran_out_while_it_serves_is_named() -> None:
    book = served()
    until = book.now + MINUTE
    book.must(release("4", valid_until=until))
    book.must(change({"1": 5_000, "4": 5_000}, 1))
    book.wait(MINUTE // 2)
    book.must(change({"1": 5_000, "4": 5_000}, 2))
    assert row(book, until - 1)["expired"] == []
    assert row(book, until)["expired"] == ["4"]


def test_a_freeze_and_a_rollout_are_named() -> None:
    book = served()
    assert (row(book)["frozen"], row(book)["rollout"]) == ("", "")
    book.must(stepped(book, 500, 1))
    book.wait(MINUTE)
    book.say(RouteFrozen(ROUTE, frozen=True), author="bob", reason="incident 7")
    assert row(book)["frozen"] == "bob: incident 7"
    assert row(book)["rollout"] == "late-2: progressing"


def test_proposals_stand_oldest_first() -> None:
    book = served()
    for version in ("2", "3"):
        book.must(RoutingProposed(change(version, 1), book.now + MINUTE))
    assert [r["what"] for r in proposal_rows(book.state)] == ["late: 2 100 %", "late: 3 100 %"]
