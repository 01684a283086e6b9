"""Flip, split and prepare: the documents that they make, and what the fold says to them."""

from dataclasses import replace

import pytest
from hypothesis import given, settings, strategies as st

from modelwire.control.timeline import in_force
from modelwire_router.changes import When, flip, prepare, replace_document, split
from modelwire_schemas.errors import Rejected
from modelwire_schemas.rollout import Phase
from modelwire_schemas.routing import (
    BUCKETS,
    Clause,
    Op,
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
    document,
    release,
    served,
)
from tests.consumer_sdk.control.rollouts import stepped
from tests.router.changed import document_of, flips, in_rollout, weights


@pytest.mark.parametrize("by_split", [True, False])
def test_a_persons_change_ends_the_rollout(by_split: bool) -> None:  # noqa: FBT001
    book = flips("1", "2")
    book.must(stepped(book, 500, 2))
    if by_split:
        book.must(split(book.state, ROUTE, {"1": "50", "2": "50"}))
    else:
        book.must(flip(book.state, ROUTE, "1"))
    assert book.state.routes[ROUTE].head.document.rollout is None


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
