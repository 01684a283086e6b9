"""What every command means: verdicts, their codes, and what they leave in the state."""

import pytest
from hypothesis import given, strategies as st

from modelwire.control.fold import MAX_EXPIRY, fold
from modelwire.control.saved import state_hash
from modelwire.control.state import ALWAYS, LEAD, Entry, State
from modelwire_schemas.control import ControlRecord
from modelwire_schemas.errors import Conflict, Corrupt, ModelwireError, Rejected
from modelwire_schemas.policy import PolicySet
from modelwire_schemas.routing import (
    ModelVersion,
    RoutingChanged,
    RoutingDocument,
    Rule,
    Split,
    Variant,
)
from tests.consumer_sdk.control.making import (
    BEGIN,
    MINUTE,
    MODEL,
    ROUTE,
    Book,
    both,
    change,
    contract,
    document,
    record,
    release,
    served,
    withdrawal,
)
from tests.schemas import strategies

# What is released


def test_a_release_is_there_once_it_is_accepted() -> None:
    book = Book()
    book.must(release("1"))
    found = book.state.release(MODEL, "1")
    assert found is not None
    assert (found.offset, found.appended, found.author) == (0, BEGIN, "ann")


def test_the_same_release_again_is_accepted_and_changes_nothing() -> None:
    book = served()
    before = book.state.releases
    verdict = book.say(release("1"))
    assert verdict.accepted
    assert "already published at offset 0" in verdict.detail
    assert book.state.releases == before


def test_a_second_digest_for_a_version_loses_and_names_the_first() -> None:
    book = served()
    verdict = book.say(release("1", content="other bytes"), author="bob")
    assert verdict.code == "E_CONFLICT"
    assert verdict.winner == "ann at offset 0"
    assert "another digest" in verdict.detail
    with pytest.raises(Conflict, match="ann at offset 0"):
        verdict.check()


def test_the_same_bytes_with_another_contract_lose_and_are_told_so() -> None:
    book = served()
    verdict = book.say(release("1", takes=contract("delay")))
    assert verdict.code == "E_CONFLICT"
    assert "another contract" in verdict.detail


def test_a_contract_that_is_not_whole_is_rejected() -> None:
    broken = contract("late", "a", "b")
    verdict = Book().say(
        release("1", takes=type(broken)(broken.inputs, broken.outputs, broken.feeds[:0]))
    )
    assert verdict.code == "E_CONTRACT"


# Request ids and expiry (R19)


def test_a_repeated_request_gets_its_first_verdict_and_is_not_done_twice() -> None:
    book = served()
    first = book.say(change("2", 1), request_id="once")
    again = book.say(change("2", 1), request_id="once")
    assert again.accepted
    assert (again.repeats, again.offset) == (first.offset, first.offset + 1)
    assert again.revisions == first.revisions
    assert book.state.routes[ROUTE].head.revision == 2


def test_a_repeated_request_that_lost_has_still_lost() -> None:
    book = served()
    book.must(change("2", 1))
    first = book.say(change("3", 1), request_id="once")
    book.must(change("3", 2))
    again = book.say(change("3", 1), request_id="once")
    assert (again.code, again.winner) == (first.code, first.winner)


def test_an_id_that_is_used_for_something_else_is_rejected() -> None:
    book = served()
    first = book.say(change("2", 1), request_id="once")
    verdict = book.say(change("3", 2), request_id="once")
    assert verdict.code == "E_ID_REUSED"
    assert f"offset {first.offset}" in verdict.detail
    assert book.state.routes[ROUTE].head.document == document("2")


def test_an_id_may_be_used_again_once_it_has_expired() -> None:
    book = served()
    book.must(change("2", 1))
    book.say(change("3", 2), request_id="once", expires=book.now + 1000)
    book.wait(1001)
    assert book.say(change("1", 3), request_id="once").accepted
    assert set(book.state.requests) >= {"once"}


def test_ids_are_forgotten_when_they_expire() -> None:
    book = served()
    assert len(book.state.requests) == 4
    book.wait(10 * MINUTE)
    book.say(PolicySet(LEAD), request_id="last")
    assert set(book.state.requests) == {"last"}


def test_a_command_that_expired_on_its_way_has_no_effect() -> None:
    book = served()
    verdict = book.say(change("2", 1), expires=book.now)
    assert verdict.code == "E_EXPIRED"
    assert book.state.routes[ROUTE].head.revision == 1


def test_expiry_is_judged_by_the_folds_time_which_never_falls() -> None:
    book = served()
    until = book.now - 1
    book.wait(-MINUTE)
    assert book.say(PolicySet(LEAD), expires=until).accepted
    book.wait(MINUTE)
    book.say(PolicySet(LEAD))
    book.wait(-MINUTE)
    assert book.say(PolicySet(LEAD), expires=until).code == "E_EXPIRED"


def test_an_expiry_too_far_ahead_is_refused() -> None:
    book = served()
    assert book.say(change("2", 1), expires=book.now + MAX_EXPIRY + 1).code == "E_EXPIRY"
    assert book.say(change("2", 1), expires=book.now + MAX_EXPIRY).accepted


# Documents


def test_the_first_document_of_a_route_holds_from_ever() -> None:
    book = served()
    head = book.state.routes[ROUTE].head
    assert (head.revision, head.visible, head.effective) == (1, ALWAYS, ALWAYS)
    assert not head.at_once


def test_a_change_from_an_old_revision_loses_and_names_the_winner() -> None:
    book = served()
    won = book.say(change("2", 1), author="bob", reason="it is better")
    lost = book.say(change("3", 1))
    assert lost.code == "E_CONFLICT"
    assert lost.winner == f"bob at offset {won.offset}: it is better"
    with pytest.raises(Conflict, match="bob"):
        lost.check()
    assert book.state.routes[ROUTE].head.document == document("2")


def test_of_two_first_documents_the_second_loses_and_names_the_winner() -> None:
    book = served()
    assert book.say(change("2", 0)).winner == "ann at offset 3"


def test_a_change_of_a_route_that_is_not_there_is_rejected() -> None:
    assert served().say(change(document("1", "early"), 3)).code == "E_UNKNOWN_ROUTE"


def test_an_unknown_model_is_rejected_with_a_near_one() -> None:
    verdict = served().say(change(document("1", "early", "flihgts"), 0))
    assert verdict.code == "E_UNKNOWN_MODEL"
    assert "did you mean flights" in verdict.detail


def test_an_unknown_version_is_rejected_with_the_near_ones() -> None:
    book = Book()
    for version in ("1.0.1", "1.0.2", "7"):
        book.must(release(version))
    verdict = book.say(change(document("1.0.3"), 0))
    assert verdict.code == "E_UNKNOWN_VERSION"
    assert "1.0.1" in verdict.detail
    assert "1.0.2" in verdict.detail


def test_a_withdrawn_version_can_not_be_named_and_not_be_published_again() -> None:
    book = served()
    book.must(withdrawal("3"))
    assert book.say(change("3", 1)).code == "E_WITHDRAWN"
    assert book.say(release("3")).code == "E_WITHDRAWN"


def test_buckets_that_do_not_cover_the_whole_are_rejected() -> None:
    holes = RoutingDocument(
        ROUTE, MODEL, (Rule("all", (Variant("1", "1", ((0, 9_999),)),), Split(salt="s")),)
    )
    assert served().say(change(holes, 1)).code == "E_WEIGHTS"


def test_a_change_without_a_document_is_rejected() -> None:
    assert served().say(RoutingChanged(())).code == "E_EMPTY"


def test_a_route_stands_once_in_a_change() -> None:
    assert served().say(both(document("2"), document("3"), 1, 1)).code == "E_TWICE"


def test_several_routes_change_together() -> None:
    book = served()
    book.must(change(document("1", "early"), 0))
    verdict = book.say(both(document("2"), document("3", "early"), 1, 1))
    assert [(r.route, r.revision) for r in verdict.revisions] == [("late", 2), ("early", 2)]
    offsets = {route.head.offset for route in book.state.routes.values()}
    assert offsets == {verdict.offset}


def test_of_several_routes_none_changes_when_one_can_not() -> None:
    book = served()
    book.must(change(document("1", "early"), 0))
    before = book.state.routes
    assert book.say(both(document("2"), document("9", "early"), 1, 1)).code == "E_UNKNOWN_VERSION"
    assert book.say(both(document("2"), document("3", "early"), 1, 7)).code == "E_CONFLICT"
    assert book.state.routes == before


def test_a_version_that_does_not_fit_the_routes_contract_needs_a_word() -> None:
    book = served()
    book.must(release("4", takes=contract("delay")))
    refused = book.say(change("4", 1))
    assert refused.code == "E_CONTRACT"
    assert "output 'late' is gone" in refused.detail
    assert book.say(change(document("4", contract_changed=True), 1)).accepted


def test_keys_are_drawn_anew_only_on_demand() -> None:
    book = served()
    book.must(change({"1": 5000, "2": 5000}, 1))
    assert book.say(change(document({"1": 4000, "2": 6000}, salt="t"), 2)).code == "E_RESHUFFLE"
    drawn = document({"1": 4000, "2": 6000}, salt="t", reshuffle=True)
    assert book.say(change(drawn, 2)).accepted


# Withdrawals, as R21 has them


def test_a_version_in_use_is_not_withdrawn_and_its_routes_are_named() -> None:
    book = served()
    book.must(change(document("1", "early"), 0))
    refused = book.say(withdrawal("1"))
    assert refused.code == "E_IN_USE"
    assert "early, late" in refused.detail


def test_a_version_of_a_scheduled_document_is_in_use() -> None:
    book = served()
    book.must(change("2", 1, at=book.now + MINUTE))
    assert book.say(withdrawal("2")).code == "E_IN_USE"
    assert book.say(withdrawal("1")).code == "E_IN_USE"
    book.wait(MINUTE)
    assert book.say(withdrawal("1")).accepted


def test_a_fallback_is_in_use_too() -> None:
    book = served()
    book.must(change(document("2", fallback=("1",)), 1))
    book.wait(MINUTE)
    assert book.say(withdrawal("1")).code == "E_IN_USE"


def test_one_record_may_flip_and_withdraw() -> None:
    book = served()
    assert book.say(change("2", 1, withdraws=("1",))).accepted
    old = book.state.release(MODEL, "1")
    assert old is not None
    assert old.withdrawn


def test_a_record_that_withdraws_what_it_leaves_in_use_does_neither() -> None:
    book = served()
    before = (book.state.routes, book.state.releases)
    later = book.now + MINUTE
    assert book.say(change("2", 1, at=later, withdraws=("1",))).code == "E_IN_USE"
    assert book.say(change("2", 1, withdraws=("2",))).code == "E_IN_USE"
    assert (book.state.routes, book.state.releases) == before


def test_a_change_may_only_withdraw() -> None:
    book = served()
    only = RoutingChanged((), withdraws=(ModelVersion(MODEL, "3"),))
    assert book.say(only).accepted
    assert book.say(change("3", 1)).code == "E_WITHDRAWN"


def test_what_is_not_released_is_not_withdrawn() -> None:
    assert served().say(withdrawal("9")).code == "E_UNKNOWN_VERSION"


# Damage, and whatever else may stand there


def test_a_damaged_entry_is_folded_with_its_reason() -> None:
    book = served()
    damaged = Corrupt("E_CORRUPT", "the record has CRC32C 0", where="control[0]@4")
    verdict = book.put(damaged)
    assert (verdict.offset, verdict.code) == (4, "E_CORRUPT")
    assert "CRC32C" in verdict.detail
    assert book.state.offset == 4
    assert book.must(change("2", 1)).accepted


def test_time_goes_on_over_a_damaged_entry() -> None:
    book = served()
    book.put(Rejected("E_SCHEMA", "a record that is no command"))
    assert (book.state.now, book.state.earliest) == (book.now, book.now + LEAD)


anything: st.SearchStrategy[ControlRecord | ModelwireError] = st.one_of(
    strategies.control_records(), st.just(Corrupt("E_CORRUPT", "damage"))
)


@given(st.lists(st.tuples(st.integers(0, 2**40), anything), max_size=8))
def test_nothing_that_may_travel_raises(given: list[tuple[int, ControlRecord]]) -> None:
    entries = [Entry(i, appended, what) for i, (appended, what) in enumerate(given)]
    state, verdicts = fold(State(), entries)
    assert [v.offset for v in verdicts] == list(range(len(entries)))
    assert state.offset == len(entries) - 1


def test_equal_prefixes_have_equal_states_however_they_were_read() -> None:
    book = served()
    for revision in range(1, 40):
        book.wait(7 * MINUTE // 10)
        book.say(change(str(1 + revision % 3), revision - revision % 5 // 4))
        book.say(change("9", revision))
    whole, verdicts = fold(State(), book.entries)
    for size in (1, 2, 3, 7, 50):
        state, told = State(), list[object]()
        for start in range(0, len(book.entries), size):
            state, some = fold(state, book.entries[start : start + size])
            told += some
        assert told == verdicts
        assert state == whole
        assert state_hash(state) == state_hash(whole)


def test_a_fold_leaves_the_state_it_began_with_alone() -> None:
    book = served()
    before, hashed = book.state, state_hash(book.state)
    entry = Entry(4, book.now, record(change("2", 1), "x", book.now + MINUTE))
    after, _ = fold(before, [entry])
    assert after.routes[ROUTE].head.revision == 2
    assert before.routes[ROUTE].head.revision == 1
    assert state_hash(before) == hashed
