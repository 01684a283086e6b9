"""What the loader does next, by what is wanted, prepared and held, and by the budget."""

from collections.abc import Collection, Iterator
from functools import partial

import pytest

from modelwire.loading.policy import (
    Drop,
    Held,
    Load,
    MemoryPolicy,
    NoRoom,
    Prepare,
    Step,
    plan,
    wanted,
)
from modelwire_schemas.routing import (
    BUCKETS,
    ModelVersion,
    RoutingDocument,
    Rule,
    Shadow,
    Split,
    Variant,
)
from tests.consumer_sdk.control.making import MINUTE, MODEL, ROUTE, change, served

OLD, NEW, LOOSE = (ModelVersion("late", version) for version in ("old", "new", "loose"))
SIZES = {OLD: 100, NEW: 100, LOOSE: 100}
BOTH = AVAILABILITY, RESOURCE = tuple(MemoryPolicy)


def steps(
    wants: list[ModelVersion],
    held: list[ModelVersion],
    budget: int,
    policy: MemoryPolicy,
    due: Collection[ModelVersion] = (),
) -> Iterator[Step]:
    """Yield the steps as they are carried out, each as meant."""
    there, prepared = list(held), set[ModelVersion]()
    while step := plan(wants, [Held(v, 100) for v in there], prepared, SIZES, budget, policy, due):
        yield step
        match step:
            case Prepare(version):
                prepared.add(version)
            case Load(version):
                there.append(version)
                prepared.remove(version)
            case Drop(version):
                there.remove(version)
            case NoRoom(version):
                wants = [v for v in wants if v != version]


def test_what_is_wanted_is_wanted_in_the_order_of_its_need() -> None:
    """In force, scheduled, predecessor, weight 0, fallbacks, shadows and what is kept warm."""
    book = served(8)
    rule = Rule(
        "all", (Variant("next", "5"), Variant("now", "2", ((0, BUCKETS),))), Split(salt="s")
    )
    shadows, kept = (Shadow("7", salt="shadow"),), ("8",)
    whole = RoutingDocument(ROUTE, MODEL, (rule,), shadows, kept, fallback=("6",))
    book.must(change(whole, 1))
    book.wait(MINUTE)
    for revision, version in ((2, "3"), (3, "4")):
        later = change(version, revision, at=book.now + revision * MINUTE)
        book.must(later)
    found = wanted([book.state.routes[ROUTE]], book.now)
    assert [v.version for v in found] == ["2", "3", "4", "1", "5", "6", "7", "8"]


def test_with_room_for_both_the_new_version_comes_beside_the_old_one() -> None:
    for policy in BOTH:
        assert list(steps([NEW, OLD], [OLD], 200, policy)) == [Prepare(NEW), Load(NEW)]


@pytest.mark.parametrize("policy", BOTH)
def test_with_room_for_one_the_old_version_goes_once_the_new_one_is_prepared(
    policy: MemoryPolicy,
) -> None:
    swap, back = [Prepare(NEW), Drop(OLD), Load(NEW)], {AVAILABILITY: NoRoom(OLD, 100)}
    assert list(steps([NEW, OLD], [OLD], 100, policy)) == [*swap, back.get(policy, Prepare(OLD))]


def test_resource_first_drops_what_nobody_wants_before_it_loads() -> None:
    resource, availability = (
        list(steps([NEW, OLD], [OLD, LOOSE], 300, policy)) for policy in (RESOURCE, AVAILABILITY)
    )
    assert resource == [Prepare(NEW), Drop(LOOSE), Load(NEW)]
    assert availability == [Prepare(NEW), Load(NEW), Drop(LOOSE)]


@pytest.mark.parametrize("policy", BOTH)
def test_what_never_fits_is_not_even_fetched_and_drops_nobody(policy: MemoryPolicy) -> None:
    assert list(steps([OLD, NEW], [OLD], 150, policy, due=[OLD, NEW])) == [NoRoom(NEW, 50)]
    assert list(steps([NEW], [], 99, policy)) == [NoRoom(NEW, 1)]


def test_resource_first_prepares_what_has_no_room_yet_and_loads_it_when_it_is_due() -> None:
    room_for_one = partial(steps, budget=150, policy=RESOURCE)
    assert list(room_for_one([OLD, NEW], [OLD], due=[OLD])) == [Prepare(NEW)]
    assert list(room_for_one([NEW, OLD], [OLD], due=[NEW])) == [
        *(Prepare(NEW), Drop(OLD), Load(NEW)),
        Prepare(OLD),
    ]
    assert list(steps([OLD, NEW], [OLD], 150, AVAILABILITY, due=[OLD])) == [NoRoom(NEW, 50)]


def test_what_waits_keeps_nothing_from_loading_that_has_room() -> None:
    sizes = {**SIZES, LOOSE: 50}
    held = [Held(OLD, 100)]
    wants = [OLD, NEW, LOOSE]
    assert plan(wants, held, [NEW, LOOSE], sizes, 150, RESOURCE, [OLD]) == Load(LOOSE)
    assert plan(wants, [*held, Held(LOOSE, 50)], [NEW], sizes, 150, RESOURCE, [OLD]) is None


@pytest.mark.parametrize("policy", BOTH)
def test_a_version_that_could_not_be_prepared_leaves_all_as_it_was(policy: MemoryPolicy) -> None:
    assert plan([OLD], [Held(OLD, 100)], [], SIZES, 100, policy) is None
