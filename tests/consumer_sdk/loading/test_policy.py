"""What the loader does next, by what is wanted, prepared and held, and by the budget."""

from collections.abc import Iterator

import pytest

from modelwire.loading.policy import Drop, Held, Load, MemoryPolicy, NoRoom, Prepare, Step, plan
from modelwire_schemas.routing import ModelVersion

OLD, NEW, LOOSE = (ModelVersion("late", version) for version in ("old", "new", "loose"))
SIZES = {OLD: 100, NEW: 100, LOOSE: 100}
BOTH = tuple(MemoryPolicy)


def steps(
    wants: list[ModelVersion], held: list[ModelVersion], budget: int, policy: MemoryPolicy
) -> Iterator[Step]:
    """Yield the steps as they are carried out, each as meant."""
    there, prepared = list(held), set[ModelVersion]()
    while step := plan(wants, [Held(v, 100) for v in there], prepared, SIZES, budget, policy):
        yield step
        match step:
            case Prepare(version):
                prepared.add(version)
            case Load(version):
                there.append(version)
            case Drop(version):
                there.remove(version)
            case NoRoom(version):
                wants = [v for v in wants if v != version]


def test_with_room_for_both_the_new_version_comes_beside_the_old_one() -> None:
    for policy in BOTH:
        assert list(steps([NEW, OLD], [OLD], 200, policy)) == [Prepare(NEW), Load(NEW)]


@pytest.mark.parametrize("policy", BOTH)
def test_with_room_for_one_the_old_version_goes_once_the_new_one_is_prepared(
    policy: MemoryPolicy,
) -> None:
    assert list(steps([NEW, OLD], [OLD], 100, policy)) == [
        Prepare(NEW),
        Drop(OLD),
        Load(NEW),
        NoRoom(OLD, 100),
    ]


def test_resource_first_drops_what_nobody_wants_before_it_loads() -> None:
    resource, availability = (
        list(steps([NEW, OLD], [OLD, LOOSE], 300, policy))
        for policy in (MemoryPolicy.RESOURCE, MemoryPolicy.AVAILABILITY)
    )
    assert resource == [Prepare(NEW), Drop(LOOSE), Load(NEW)]
    assert availability == [Prepare(NEW), Load(NEW), Drop(LOOSE)]


@pytest.mark.parametrize("policy", BOTH)
def test_what_never_fits_is_not_even_fetched_and_drops_nobody(policy: MemoryPolicy) -> None:
    assert list(steps([OLD, NEW], [OLD], 150, policy)) == [NoRoom(NEW, 50)]


@pytest.mark.parametrize("policy", BOTH)
def test_a_version_that_could_not_be_prepared_leaves_all_as_it_was(policy: MemoryPolicy) -> None:
    assert plan([OLD], [Held(OLD, 100)], [], SIZES, 100, policy) is None
