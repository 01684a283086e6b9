"""A change of weights moves the fewest keys, whatever was before (R26)."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from modelwire.routing.ranges import Weight, check_whole, from_percent, reweigh
from modelwire_schemas.errors import Rejected
from modelwire_schemas.routing import BUCKETS, Variant
from tests.consumer_sdk.routing.strategies import shares, variants, weights


def owners(sides: Sequence[Variant], of: str) -> list[str]:
    """Return who has each bucket: its version or its name, found without the code under test."""
    who = [""] * BUCKETS
    for side in sides:
        for start, end in side.buckets:
            who[start:end] = [getattr(side, of)] * (end - start)
    return who


def moved(before: Sequence[str], after: Sequence[str]) -> int:
    return int(np.count_nonzero(np.array(before) != np.array(after)))


def smallest(before: Sequence[str], after: Sequence[str]) -> int:
    """Return half the sum of all differences: no change of these weights moves fewer."""
    old, new = Counter(before), Counter(after)
    return sum(abs(old[who] - new[who]) for who in old.keys() | new.keys()) // 2


@given(variants(), weights())
@example((Variant("a", "1", ((0, BUCKETS),)),), [("a", "2", BUCKETS)])
def test_a_change_moves_the_smallest_possible_share_of_keys(
    before: tuple[Variant, ...], wished: list[Weight]
) -> None:
    after = reweigh(before, wished)
    check_whole(after)
    assert [(v.name, v.version, v.weight) for v in after] == wished
    old, new = owners(before, "version"), owners(after, "version")
    assert moved(old, new) == smallest(old, new)


@given(variants(), st.data())
def test_who_keeps_name_and_version_only_grows_or_only_shrinks(
    before: tuple[Variant, ...], data: st.DataObject
) -> None:
    counts = data.draw(shares(len(before)))
    wished = [(v.name, v.version, n) for v, n in zip(before, counts, strict=True)]
    after = reweigh(before, wished)
    old, new = owners(before, "name"), owners(after, "name")
    assert moved(old, new) == smallest(old, new)
    for side in before:
        had = {bucket for bucket, who in enumerate(old) if who == side.name}
        has = {bucket for bucket, who in enumerate(new) if who == side.name}
        assert had <= has or has <= had


@given(st.lists(weights(), min_size=1, max_size=8))
def test_a_chain_of_changes_keeps_covering_everything_once(chain: list[list[Weight]]) -> None:
    sides: tuple[Variant, ...] = ()
    for wished in chain:
        sides = reweigh(sides, wished)
        check_whole(sides)


@given(variants(), weights())
def test_a_pause_and_resume_moves_nobody(before: tuple[Variant, ...], wished: list[Weight]) -> None:
    running = reweigh(before, wished)
    assert reweigh(running, wished) == running


@given(weights())
def test_who_is_taken_back_and_sent_again_is_the_same(wished: list[Weight]) -> None:
    whole = reweigh((), [("stable", "7", BUCKETS)])
    first = reweigh(whole, wished)
    again = reweigh(reweigh(first, [("stable", "7", BUCKETS)]), wished)
    assert again == first


@given(st.lists(st.integers(0, BUCKETS), min_size=1, max_size=10).map(sorted))
def test_widening_never_moves_a_key_back(steps: list[int]) -> None:
    sides = reweigh((), [("stable", "7", BUCKETS)])
    reached: set[int] = set()
    for step in steps:
        sides = reweigh(sides, [("canary", "8", step), ("stable", "7", BUCKETS - step)])
        has = {b for start, end in sides[0].buckets for b in range(start, end)}
        assert reached <= has
        reached = has


@given(variants(), st.data())
def test_a_new_name_moves_no_key(before: tuple[Variant, ...], data: st.DataObject) -> None:
    names = data.draw(st.permutations("abcdwxyz"))
    wished = [(names[i], side.version, side.weight) for i, side in enumerate(before)]
    after = reweigh(before, wished)
    assert owners(after, "version") == owners(before, "version")


@given(variants(), st.data())
def test_another_order_moves_no_key(before: tuple[Variant, ...], data: st.DataObject) -> None:
    order = data.draw(st.permutations(before))
    after = reweigh(before, [(side.name, side.version, side.weight) for side in order])
    assert owners(after, "name") == owners(before, "name")


A, B, C = ("a", "1"), ("b", "2"), ("c", "3")


def sides(*some: tuple[str, str, tuple[tuple[int, int], ...]]) -> tuple[Variant, ...]:
    return tuple(Variant(name, version, ranges) for name, version, ranges in some)


@pytest.mark.parametrize(
    ("before", "wished", "after"),
    [
        pytest.param(
            (),
            [(*B, 1000), (*A, 9000)],
            sides((*B, ((0, 1000),)), (*A, ((1000, 10000),))),
            id="a-first-document-gives-prefixes-in-the-order-written",
        ),
        pytest.param(
            sides((*B, ((0, 1000),)), (*A, ((1000, 10000),))),
            [(*B, 5000), (*A, 5000)],
            sides((*B, ((0, 1000), (6000, 10000))), (*A, ((1000, 6000),))),
            id="the-shrinking-one-gives-up-its-highest",
        ),
        pytest.param(
            sides((*A, ((0, 10000),))),
            [(*A, 8000), (*C, 500), (*B, 1500)],
            sides((*A, ((0, 8000),)), (*C, ((8000, 8500),)), (*B, ((8500, 10000),))),
            id="growing-ones-take-the-lowest-free-in-the-order-written",
        ),
        pytest.param(
            sides((*A, ((6000, 10000),)), (*B, ((0, 6000),))),
            [("a", "3", 4000), ("b", "4", 6000)],
            sides(("a", "3", ((6000, 10000),)), ("b", "4", ((0, 6000),))),
            id="new-versions-under-old-names-keep-the-groups",
        ),
        pytest.param(
            sides(("canary", "8", ((0, 1000),)), ("stable", "7", ((1000, 10000),))),
            [("stable", "8", 10000)],
            sides(("stable", "8", ((0, 10000),))),
            id="a-promotion-under-the-name-of-the-old",
        ),
        pytest.param(
            sides(("canary", "8", ((0, 1000),)), ("stable", "7", ((1000, 10000),))),
            [("canary", "7", 9000), ("stable", "8", 1000)],
            sides(("canary", "7", ((1000, 10000),)), ("stable", "8", ((0, 1000),))),
            id="names-that-change-places-move-no-key",
        ),
        pytest.param(
            sides((*A, ((0, 10000),))),
            [(*A, 10000), (*B, 0)],
            sides((*A, ((0, 10000),)), (*B, ())),
            id="weight-0-has-no-range",
        ),
        pytest.param(
            (Variant("a", "1", (), (("flights", 0),)), Variant("b", "2")),
            [(*A, 10000)],
            sides((*A, ((0, 10000),))),
            id="after-a-split-by-partition-everything-is-free",
        ),
    ],
)
def test_a_change_of_weights(
    before: tuple[Variant, ...], wished: list[Weight], after: tuple[Variant, ...]
) -> None:
    assert reweigh(before, wished) == after


@pytest.mark.parametrize(
    "wished",
    [
        pytest.param([(*A, 9900)], id="99-percent"),
        pytest.param([(*A, 9000), (*B, 1100)], id="101-percent"),
        pytest.param([(*A, 10001), (*B, -1)], id="a-weight-below-0"),
        pytest.param([(*A, 5000), (*A, 5000)], id="a-name-twice"),
        pytest.param([], id="nothing"),
    ],
)
def test_weights_that_miss_the_whole_are_refused(wished: list[Weight]) -> None:
    with pytest.raises(Rejected, match=r"^E_WEIGHTS: "):
        reweigh((), wished)


def test_ranges_before_that_miss_the_whole_are_refused() -> None:
    with pytest.raises(Rejected, match=r"^E_WEIGHTS: "):
        reweigh(sides((*A, ((0, 9000),))), [(*A, 10000)])


@pytest.mark.parametrize(
    ("ranges", "told"),
    [
        pytest.param([(), ()], r"buckets \[0, 10000\) belong to nobody", id="nothing"),
        pytest.param([((0, 500),), ((501, 10000),)], r"\[500, 501\) belong to nobody", id="a-hole"),
        pytest.param(
            [((0, 500),), ((500, 9999),)], r"\[9999, 10000\) belong to nobody", id="short"
        ),
        pytest.param([((1, 10000),)], r"\[0, 1\) belong to nobody", id="late"),
        pytest.param(
            [((0, 500),), ((499, 10000),)], r"\[499, 500\) belong to two variants", id="doubled"
        ),
        pytest.param(
            [((0, 10000),), ((20, 30),)], r"\[20, 30\) belong to two variants", id="within"
        ),
        pytest.param([((0, 10001),)], r"range \[0, 10001\) of variant a", id="beyond"),
        pytest.param([((-1, 10000),)], r"range \[-1, 10000\) of variant a", id="below"),
        pytest.param([((0, 0), (0, 10000))], r"range \[0, 0\) of variant a", id="empty"),
        pytest.param([((0, 10000),), ((7, 3),)], r"range \[7, 3\) of variant b", id="backward"),
        pytest.param([((500, 10000), (0, 500))], r"range \[0, 500\) of variant a", id="unordered"),
    ],
)
def test_ranges_that_do_not_cover_everything_once(
    ranges: list[tuple[tuple[int, int], ...]], told: str
) -> None:
    some = [Variant("abc"[i], "1", r) for i, r in enumerate(ranges)]
    with pytest.raises(Rejected, match=rf"^E_WEIGHTS: .*{told}"):
        check_whole(some)


@given(variants())
def test_ranges_that_cover_everything_once_pass(some: tuple[Variant, ...]) -> None:
    check_whole(some)


@pytest.mark.parametrize(
    ("percents", "counts"),
    [
        pytest.param({"a": 10, "b": 90}, {"a": 1000, "b": 9000}, id="integers"),
        pytest.param({"a": 0.07, "b": 99.93}, {"a": 7, "b": 9993}, id="floats-are-exact"),
        pytest.param({"a": "33.33", "b": "66.67"}, {"a": 3333, "b": 6667}, id="text"),
        pytest.param(
            {"a": Decimal("0.10"), "b": Decimal("99.9")}, {"a": 10, "b": 9990}, id="decimal"
        ),
        pytest.param({"a": 0, "b": 1e2}, {"a": 0, "b": 10000}, id="nothing-and-all"),
    ],
)
def test_percents_become_buckets(
    percents: dict[str, float | Decimal | str], counts: dict[str, int]
) -> None:
    assert from_percent(percents) == counts


@pytest.mark.parametrize(
    "percents",
    [
        pytest.param({}, id="none"),
        pytest.param({"a": 99}, id="99"),
        pytest.param({"a": 50, "b": 51}, id="101"),
        pytest.param({"a": -1, "b": 101}, id="below-0"),
        pytest.param({"a": float("nan"), "b": 100}, id="nan"),
        pytest.param({"a": float("inf")}, id="infinity"),
        pytest.param({"a": 1e300}, id="enormous"),
        pytest.param({"a": "1e400"}, id="beyond-floats"),
        pytest.param({"a": "1e-999999"}, id="almost-nothing"),
        pytest.param({"a": "33.333", "b": "66.667"}, id="three-decimals"),
        pytest.param({"a": "ten", "b": 90}, id="a-word"),
        pytest.param({"a": "", "b": 100}, id="empty"),
    ],
)
def test_percents_that_are_none_are_refused(percents: dict[str, float | str]) -> None:
    with pytest.raises(Rejected, match=r"^E_WEIGHTS: "):
        from_percent(percents)
