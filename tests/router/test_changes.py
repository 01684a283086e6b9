"""Flip, split and undo: the documents that they make, and what the fold says to them."""

from dataclasses import replace

import pytest
from hypothesis import given, settings, strategies as st

from modelwire.control.history import past_of
from modelwire.control.timeline import in_force
from modelwire_router.changes import When, flip, prepare, replace_document, split, undo
from modelwire_schemas.errors import Conflict, NotFound, Rejected
from modelwire_schemas.rollout import Phase, Rollout
from modelwire_schemas.routing import (
    BUCKETS,
    Change,
    Clause,
    Op,
    RoutingChanged,
    RoutingDocument,
    Rule,
    Split,
    SplitBy,
    Variant,
)
from tests.consumer_sdk.control.making import (
    LEAD,
    MINUTE,
    MODEL,
    ROUTE,
    Book,
    change,
    contract,
    document,
    release,
    served,
    withdrawal,
)
from tests.consumer_sdk.control.rollouts import stepped


def flips(*versions: str) -> Book:
    """Return a book in which one version after the other had everything."""
    book = Book()
    for version in dict.fromkeys(versions):
        book.must(release(version))
    for version in versions:
        book.must(flip(book.state, ROUTE, version, model=MODEL))
        book.wait(MINUTE)
    return book


def test_an_undo_copies_rules_and_never_a_rollout() -> None:
    book = flips("1", "2")
    book.must(stepped(book, 500, 2))
    book.wait(MINUTE)
    book.must(stepped(book, 900, 3, step=1))
    book.wait(MINUTE)
    asked = undo(book.state, past_of(book.entries), ROUTE, step=True)
    assert asked.changes[0].document.rollout is None
    assert not asked.automatic
    book.must(asked)
    rules = book.state.routes[ROUTE].head.document.rules
    assert {v.version: v.weight for v in rules[-1].variants} == {"1": 9_500, "2": 500}


@pytest.mark.parametrize("by_split", [True, False])
def test_a_persons_change_ends_the_rollout(by_split: bool) -> None:  # noqa: FBT001
    book = flips("1", "2")
    book.must(stepped(book, 500, 2))
    if by_split:
        book.must(split(book.state, ROUTE, {"1": "50", "2": "50"}))
    else:
        book.must(flip(book.state, ROUTE, "1"))
    assert book.state.routes[ROUTE].head.document.rollout is None


def took_back(book: Book, *, step: bool = False, to: int | None = None) -> str | None:
    """Undo, and return the version that has everything then; the fold must take it."""
    asked = undo(book.state, past_of(book.entries), ROUTE, step=step, to=to)
    assert asked.at_once
    book.must(asked)
    return document_of(book).sole_version()


def document_of(book: Book, route: str = ROUTE) -> RoutingDocument:
    return book.state.routes[route].head.document


def weights(book: Book, route: str = ROUTE) -> dict[str, int]:
    return {v.version: v.weight for v in document_of(book, route).rules[-1].variants}


# What a flip makes


def test_a_flip_gives_one_version_everything() -> None:
    book = flips("1", "2")
    assert document_of(book).sole_version() == "2"


def test_a_new_route_takes_the_model_of_its_own_name() -> None:
    book = Book()
    book.must(release("1", "early"))
    book.must(flip(book.state, "early", "1"))
    assert document_of(book, "early").model == "early"


def test_a_flip_keeps_the_model_and_the_salt_of_its_route() -> None:
    book = served()
    book.must(flip(book.state, ROUTE, "2"))
    assert (document_of(book).model, document_of(book).rules[-1].split.salt) == (MODEL, "s")


def test_a_flip_of_a_route_that_was_split_by_partition_goes_through() -> None:
    book = served()
    listed = Rule(
        "all",
        (Variant("a", "2", (), (("flights", 0),)), Variant("b", "1")),
        Split(SplitBy.PARTITION),
    )
    book.must(replace_document(book.state, RoutingDocument(ROUTE, MODEL, (listed,))))
    book.must(flip(book.state, ROUTE, "3"))
    assert document_of(book).sole_version() == "3"
    book.must(replace_document(book.state, RoutingDocument(ROUTE, MODEL, (listed,))))
    book.must(split(book.state, ROUTE, {"1": "50", "2": "50"}))
    assert weights(book) == {"1": 5000, "2": 5000}


def test_a_flip_may_be_scheduled_and_cancel_what_was() -> None:
    book = served()
    book.must(flip(book.state, ROUTE, "2", when=When(at=book.now + MINUTE)))
    now = flip(book.state, ROUTE, "3")
    assert book.say(now).code == "E_SCHEDULED"
    book.must(flip(book.state, ROUTE, "3", when=When(cancel_scheduled=True)))
    assert book.state.routes[ROUTE].head.effective == book.now + LEAD


def test_a_word_that_is_no_version_is_refused_before_it_is_sent() -> None:
    with pytest.raises(Rejected, match="E_VERSION"):
        flip(served().state, ROUTE, "no/version")


# What a split makes


def test_a_split_divides_in_percent() -> None:
    book = served()
    book.must(split(book.state, ROUTE, {"1": "90", "2": "9.5", "3": "0.5"}))
    assert weights(book) == {"1": 9000, "2": 950, "3": 50}


def test_a_split_leaves_rules_with_a_condition_alone() -> None:
    book = served()
    staff = Rule(
        "staff", (Variant("2", "2", ((0, BUCKETS),)),), Split(salt="s"), Clause("tier", Op.EXISTS)
    )
    rest = document("1").rules
    book.must(replace_document(book.state, RoutingDocument(ROUTE, MODEL, (staff, *rest))))
    book.must(split(book.state, ROUTE, {"1": "90", "3": "10"}))
    assert document_of(book).rules[0] == staff
    assert weights(book) == {"1": 9000, "3": 1000}


def test_weights_that_are_not_a_hundred_are_refused() -> None:
    with pytest.raises(Rejected, match="E_WEIGHTS"):
        split(served().state, ROUTE, {"1": "90", "2": "9"})


def owners(book: Book) -> list[str]:
    of = [""] * BUCKETS
    for variant in document_of(book).rules[-1].variants:
        for start, end in variant.buckets:
            of[start:end] = [variant.version] * (end - start)
    return of


@given(st.lists(st.lists(st.integers(0, 100), min_size=3, max_size=3), min_size=1, max_size=5))
@settings(max_examples=40)
def test_every_split_moves_as_few_keys_as_it_can(wishes: list[list[int]]) -> None:
    book = served()
    for wish in wishes:
        low, high = sorted(wish[:2])
        shares = {"1": low, "2": high - low, "3": 100 - high}
        before, had = owners(book), weights(book)
        book.must(split(book.state, ROUTE, {v: str(w) for v, w in shares.items()}))
        book.wait(MINUTE)
        moved = sum(a != b for a, b in zip(before, owners(book), strict=True))
        least = sum(max(0, 100 * w - had.get(v, 0)) for v, w in shares.items())
        assert moved == least


def test_a_document_from_an_expected_revision_loses_when_the_route_moved_on() -> None:
    book = served()
    asked = replace_document(book.state, document("2"), expected=1)
    book.must(flip(book.state, ROUTE, "3"))
    assert book.say(asked).code == "E_CONFLICT"


# What is prepared


def rules_at(book: Book, ts: int, bt: int) -> tuple[Rule, ...]:
    """Return the rules for an event, without the versions that get nothing."""
    found = in_force(book.state.routes[ROUTE], ts, bt)
    assert found is not None
    return tuple(
        replace(rule, variants=tuple(v for v in rule.variants if v.weight or v.partitions))
        for rule in found.document.rules
    )


def test_a_prepared_version_is_named_and_gets_nothing() -> None:
    book = served()
    book.must(prepare(book.state, ROUTE, "2", book.now))
    assert weights(book) == {"1": BUCKETS, "2": 0}
    book.must(flip(book.state, ROUTE, "2"))
    assert weights(book) == {"2": BUCKETS}


@pytest.mark.parametrize("time_field", ["", "departed"])
@pytest.mark.parametrize("scheduled", [False, True])
def test_preparing_changes_no_answer_of_any_time_and_cancels_nothing(
    time_field: str, *, scheduled: bool
) -> None:
    book = Book()
    for version in "123":
        book.must(release(version))
    book.must(change(document("1", time_field=time_field), 0))
    if scheduled:
        book.must(flip(book.state, ROUTE, "2", when=When(at=book.now + MINUTE)))
    times = [book.now + ms for ms in (-MINUTE, 0, LEAD, MINUTE - 1, MINUTE, 2 * MINUTE)]
    asked = [(ts, bt) for ts in times for bt in ([0, *times] if time_field else [ts])]
    before = [rules_at(book, ts, bt) for ts, bt in asked]
    book.must(prepare(book.state, ROUTE, "3", book.now))
    assert [rules_at(book, ts, bt) for ts, bt in asked] == before
    assert "3" in document_of(book).versions()


def test_what_is_scheduled_within_the_lead_is_prepared_as_of_now() -> None:
    book = served()
    book.must(flip(book.state, ROUTE, "2", when=When(at=book.now + 2 * LEAD)))
    book.wait(LEAD + 1)
    asked = prepare(book.state, ROUTE, "3", book.now)
    assert asked.effective_at is None
    book.must(asked)


def test_a_version_is_prepared_beside_a_split_by_partition_without_getting_one() -> None:
    book = served()
    listed = Rule(
        "all",
        (Variant("a", "2", (), (("flights", 0),)), Variant("b", "1")),
        Split(SplitBy.PARTITION),
    )
    book.must(replace_document(book.state, RoutingDocument(ROUTE, MODEL, (listed,))))
    book.must(prepare(book.state, ROUTE, "3", book.now))
    assert document_of(book).rules == (listed,)
    assert document_of(book).keep_warm == ("3",)


def prepared_flips(*versions: str) -> Book:
    """Return a book of flips, each after its version was prepared."""
    book = flips(versions[0])
    for version in versions[1:]:
        book.must(release(version))
        book.must(prepare(book.state, ROUTE, version, book.now))
        book.must(flip(book.state, ROUTE, version))
        book.wait(MINUTE)
    return book


def test_undos_pass_by_what_was_only_prepared() -> None:
    book = prepared_flips("1", "2", "3")
    assert [took_back(book), took_back(book)] == ["2", "1"]
    with pytest.raises(NotFound, match="E_NO_EARLIER"):
        undo(book.state, past_of(book.entries), ROUTE)


def test_an_undo_right_after_preparing_takes_just_that_back() -> None:
    book = prepared_flips("1", "2")
    book.must(release("3"))
    book.must(prepare(book.state, ROUTE, "3", book.now))
    assert took_back(book) == "2"
    assert "3" not in document_of(book).versions()


def in_rollout(weights: dict[str, int], phase: Phase) -> RoutingDocument:
    return replace(
        document(weights), rollout=Rollout("r", "{}", step=0, started=0, since=0, phase=phase)
    )


def test_a_running_rollout_goes_on_beside_what_is_prepared_and_one_that_is_over_ends() -> None:
    book = served()
    running = Phase.PROGRESSING
    book.must(replace_document(book.state, in_rollout({"1": 9000, "2": 1000}, running)))
    book.must(prepare(book.state, ROUTE, "3", book.now))
    kept = document_of(book).rollout
    assert kept is not None
    assert kept.phase is running
    book.must(replace_document(book.state, in_rollout({"2": BUCKETS}, Phase.COMPLETED)))
    book.must(prepare(book.state, ROUTE, "3", book.now))
    assert document_of(book).rollout is None


def rolled_out(book: Book) -> Book:
    """Go from version 1 to version 2 by a rollout."""
    for share in (0, 5000, BUCKETS):
        weights = {"1": BUCKETS - share, "2": share}
        book.must(replace_document(book.state, in_rollout(weights, Phase.PROGRESSING)))
        book.wait(MINUTE)
    book.must(replace_document(book.state, in_rollout({"2": BUCKETS}, Phase.COMPLETED)))
    return book


def test_an_undo_takes_back_a_whole_rollout() -> None:
    book = rolled_out(served())
    assert took_back(book) == "1"
    assert document_of(book).rollout is None
    assert book.state.routes[ROUTE].head.restores == 1


# What an undo takes back


def test_an_undo_goes_back_to_where_one_version_had_everything() -> None:
    book = served()
    book.must(split(book.state, ROUTE, {"1": "90", "2": "10"}))
    book.must(split(book.state, ROUTE, {"1": "50", "2": "50"}))
    assert took_back(book) == "1"
    head = book.state.routes[ROUTE].head
    assert (head.restores, head.undoes) == (1, (2, 3))
    assert head.at_once


def test_an_undo_by_a_step_goes_back_to_the_document_before() -> None:
    book = served()
    book.must(split(book.state, ROUTE, {"1": "90", "2": "10"}))
    book.must(split(book.state, ROUTE, {"1": "50", "2": "50"}))
    assert took_back(book, step=True) is None
    assert weights(book) == {"1": 9000, "2": 1000}


def test_undos_go_further_back_every_time() -> None:
    book = flips("1", "2", "3")
    assert [took_back(book), took_back(book)] == ["2", "1"]
    with pytest.raises(NotFound, match="E_NO_EARLIER"):
        undo(book.state, past_of(book.entries), ROUTE)


def test_steps_back_go_further_every_time() -> None:
    book = flips("1", "2", "3")
    assert [took_back(book, step=True), took_back(book, step=True)] == ["2", "1"]
    with pytest.raises(NotFound, match="E_NO_EARLIER"):
        undo(book.state, past_of(book.entries), ROUTE, step=True)


def test_what_was_undone_is_skipped_after_a_new_flip() -> None:
    book = flips("1", "2", "3")
    took_back(book)
    book.must(release("4"))
    book.must(flip(book.state, ROUTE, "4"))
    assert took_back(book) == "2"


def test_an_undo_to_a_revision_redoes_and_counts_as_that_revision() -> None:
    book = flips("1", "2")
    assert took_back(book) == "1"
    assert took_back(book, to=2) == "2"
    book.must(release("3"))
    book.must(flip(book.state, ROUTE, "3"))
    assert took_back(book) == "2"


def test_there_is_no_going_back_to_a_revision_that_never_was() -> None:
    book = flips("1", "2")
    for revision in (0, 2, 7):
        with pytest.raises(NotFound, match="E_NO_EARLIER"):
            undo(book.state, past_of(book.entries), ROUTE, to=revision)


def test_a_route_that_is_not_there_can_not_be_undone() -> None:
    with pytest.raises(NotFound, match="E_UNKNOWN_ROUTE"):
        undo(served().state, [], "early")


def two_routes() -> Book:
    book = Book()
    for version in "123":
        book.must(release(version))
    book.must(change(document("1", "early"), 0))
    book.must(change(document("1"), 0))
    book.must(change(document("2", "early"), 1))
    pairs = (document("2"), 1), (document("3", "early"), 2)
    book.must(RoutingChanged(tuple(Change(d, replaces) for d, replaces in pairs)))
    return book


def test_a_change_of_several_routes_is_undone_whole() -> None:
    book = two_routes()
    assert took_back(book) == "1"
    assert document_of(book, "early").sole_version() == "2"
    assert book.state.routes["early"].head.offset == book.state.routes[ROUTE].head.offset


def test_an_undo_of_several_routes_to_a_revision_takes_the_others_to_that_moment() -> None:
    book = two_routes()
    assert took_back(book) == "1"
    assert took_back(book, to=2) == "2"
    assert document_of(book, "early").sole_version() == "3"


def test_a_change_of_several_routes_is_not_undone_when_one_has_moved_on() -> None:
    book = two_routes()
    book.must(flip(book.state, "early", "1"))
    with pytest.raises(Conflict, match="E_MOVED: route early") as moved:
        undo(book.state, past_of(book.entries), ROUTE)
    assert "ann at offset" in str(moved.value)
    assert undo(book.state, past_of(book.entries), "early").changes[0].restores == 3


def test_an_undo_over_a_break_of_contract_says_so_and_others_do_not() -> None:
    book = served()
    book.must(release("4", takes=contract("delay")))
    book.must(replace_document(book.state, document("4", contract_changed=True)))
    assert took_back(book) == "1"
    assert document_of(book).contract_changed
    book.must(flip(book.state, ROUTE, "2"))
    assert took_back(book) == "1"
    assert not document_of(book).contract_changed


def test_an_undo_over_another_draw_says_that_keys_are_reshuffled() -> None:
    book = served()
    book.must(split(book.state, ROUTE, {"1": "50", "2": "50"}))
    drawn = document({"1": 2000, "2": 8000}, salt="another", reshuffle=True)
    book.must(replace_document(book.state, drawn))
    took_back(book, step=True)
    assert document_of(book).reshuffle
    assert weights(book) == {"1": 5000, "2": 5000}


def test_an_undo_to_a_version_that_was_withdrawn_is_rejected() -> None:
    book = flips("1", "2")
    book.must(withdrawal("1"))
    assert book.say(undo(book.state, past_of(book.entries), ROUTE)).code == "E_WITHDRAWN"


def test_an_undo_displaces_what_was_scheduled() -> None:
    book = flips("1", "2", "3")
    book.must(flip(book.state, ROUTE, "1", when=When(at=book.now + MINUTE)))
    assert took_back(book) == "3"
    assert len(book.state.routes[ROUTE].timeline) == 1
