"""From when on a change holds, and what it displaces, by the fold's time (R1 to R7)."""

from modelwire.control.state import ALWAYS, LEAD
from modelwire.control.telling import told_time
from modelwire.control.timeline import in_force
from modelwire_schemas.policy import PolicySet
from tests.consumer_sdk.control.making import (
    MINUTE,
    ROUTE,
    Book,
    both,
    change,
    document,
    served,
    withdrawal,
)

# Fold time (R1, R2, R3)


def test_a_change_holds_from_its_append_and_the_lead_on() -> None:
    book = served()
    assert book.must(change("2", 1)).effective == book.now + LEAD


def test_earliest_never_falls_when_append_times_do() -> None:
    book = served()
    book.must(change("2", 1))
    earliest = book.state.earliest
    book.wait(-30_000)
    assert book.must(change("3", 2)).effective == earliest
    book.wait(30_001)
    book.must(PolicySet(LEAD))
    assert book.state.earliest == earliest + 1


def test_a_record_is_judged_by_the_lead_before_it() -> None:
    book = served()
    before = book.now
    book.must(PolicySet(2000))
    assert book.state.earliest == before + LEAD
    book.must(change("2", 1))
    assert book.state.earliest == before + 2000
    book.must(PolicySet(100))
    book.wait(100)
    book.must(change("3", 2))
    assert book.state.earliest == before + 2000


def test_a_lead_out_of_range_is_rejected() -> None:
    assert Book().say(PolicySet(60_001)).code == "E_LEAD"


def test_a_change_before_earliest_comes_too_early() -> None:
    book = served()
    earliest = book.now + LEAD
    refused = book.say(change("2", 1, at=earliest - 1))
    assert refused.code == "E_TOO_EARLY"
    assert f"expected {told_time(earliest)} or later" in refused.detail
    assert book.say(change("2", 1, at=earliest)).accepted


def test_a_route_with_a_business_time_may_change_in_its_past() -> None:
    book = served()
    book.must(change(document("1", "early", time_field="dep"), 0))
    book.must(change(document("2", "early", time_field="dep"), 1, at=1_356_998_400_000))
    head = book.state.routes["early"].head
    assert (head.visible, head.effective) == (book.now + LEAD, 1_356_998_400_000)


# Time sources (R7)


def test_a_first_document_has_no_time() -> None:
    book = served()
    later = book.now + MINUTE
    assert book.say(change(document("1", "early"), 0, at=later)).code == "E_FIRST"


def test_a_route_keeps_its_time_source() -> None:
    refused = served().say(change(document("2", time_field="dep"), 1))
    assert refused.code == "E_TIME_SOURCE"


def test_routes_that_change_together_have_one_time_source() -> None:
    book = served()
    mixed = both(document("2"), document("2", "early", time_field="dep"), 1, 0)
    assert book.say(mixed).code == "E_TIME_SOURCE"


# Scheduled changes (R6)


def test_a_change_that_displaces_scheduled_ones_must_name_them_all() -> None:
    book = served()
    late, later = book.now + MINUTE, book.now + 2 * MINUTE
    book.must(change("2", 1, at=late))
    book.must(change("3", 2, at=later))
    refused = book.say(change("1", 3, cancels=(7,)))
    assert refused.code == "E_SCHEDULED"
    assert f"{ROUTE}@2" in refused.detail
    assert f"{ROUTE}@3" in refused.detail
    half = book.say(change("1", 3, cancels=(3,)))
    assert half.code == "E_SCHEDULED"
    assert f"{ROUTE}@3" not in half.detail
    assert book.say(change("1", 3, at=late + 1, cancels=(3,))).accepted
    assert [a.revision for a in book.state.routes[ROUTE].timeline] == [1, 2, 4]


def test_a_change_displaces_one_that_is_scheduled_for_the_very_same_time() -> None:
    book = served()
    book.must(change("2", 1, at=book.now + LEAD + 10))
    book.wait(10)
    assert book.say(change("3", 2)).code == "E_SCHEDULED"
    assert book.say(change("3", 2, cancels=(2,))).accepted


def test_two_changes_of_now_in_one_moment_displace_nothing_that_was_scheduled() -> None:
    book = served()
    book.must(change("2", 1))
    assert book.say(change("3", 2)).accepted


def test_a_change_behind_a_scheduled_one_displaces_nothing() -> None:
    book = served()
    book.must(change("2", 1, at=book.now + MINUTE))
    assert book.say(change("3", 2, at=book.now + 2 * MINUTE)).accepted
    assert [a.revision for a in book.state.routes[ROUTE].timeline] == [1, 2, 3]


def test_a_change_at_once_displaces_everything_without_asking() -> None:
    book = served()
    book.must(change("2", 1, at=book.now + MINUTE))
    verdict = book.must(change("3", 2, at_once=True))
    route = book.state.routes[ROUTE]
    assert [a.revision for a in route.timeline] == [3]
    assert route.head.at_once
    assert verdict.effective == ALWAYS
    assert in_force(route, 0, 0) == route.head


def test_a_change_at_once_has_no_time() -> None:
    book = served()
    assert book.say(change("2", 1, at=book.now + MINUTE, at_once=True)).code == "E_AT_ONCE"


def test_a_business_time_to_come_blocks_only_what_lies_before_it() -> None:
    book = served()
    book.must(change(document("1", "early", time_field="dep"), 0))
    book.must(change(document("2", "early", time_field="dep"), 1, at=2_000))
    refused = book.say(change(document("3", "early", time_field="dep"), 2, at=1_000))
    assert refused.code == "E_SCHEDULED"
    assert book.say(change(document("3", "early", time_field="dep"), 2, at=3_000)).accepted


def test_what_was_displaced_before_is_not_to_be_named_again() -> None:
    book = served()
    book.must(change(document("1", "early", time_field="dep"), 0))
    book.must(change(document("2", "early", time_field="dep"), 1, at=2_000))
    book.wait(1_000)
    book.must(change(document("3", "early", time_field="dep"), 2, at=1_000, cancels=(2,)))
    refused = book.say(change(document("2", "early", time_field="dep"), 3, at=500))
    assert refused.code == "E_SCHEDULED"
    assert "early@2" not in refused.detail
    asked = change(document("2", "early", time_field="dep"), 3, at=500, cancels=(3,))
    assert book.say(asked).accepted


def test_a_route_takes_only_so_many_changes_to_come() -> None:
    book = served(2)
    for revision in range(1, 32):
        book.must(change("2", revision, at=book.now + revision * MINUTE))
    refused = book.say(change("1", 32, at=book.now + 33 * MINUTE))
    assert refused.code == "E_TOO_MANY"
    assert book.say(withdrawal("1")).code == "E_IN_USE"
    assert book.say(change("1", 32, at_once=True)).accepted
