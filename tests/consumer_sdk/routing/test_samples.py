"""Which events a shadow gets: by its own salt, in proportion, and the same ones everywhere."""

import math

import pytest

from modelwire.routing.samples import Sample
from modelwire_schemas.routing import BUCKETS, Clause, Op, Shadow
from tests.consumer_sdk.routing.murmur import murmur3

KEYS = [f"N{number}" for number in range(4000)]


def drawn(shadow: Shadow, keys: list[str] = KEYS) -> list[int]:
    return Sample(shadow).rows(keys, None, None, None)


BUCKET_OF = [murmur3(b"dark|" + key.encode()) * BUCKETS >> 32 for key in KEYS]


@pytest.mark.parametrize("share", [0, 1, 500, BUCKET_OF[0], BUCKET_OF[1] + 1, 9999])
def test_a_sample_holds_the_keys_below_its_share(share: int) -> None:
    found = drawn(Shadow("9", share, "dark"))
    assert found == [row for row, bucket in enumerate(BUCKET_OF) if bucket < share]
    expected = len(KEYS) * share / BUCKETS
    assert abs(len(found) - expected) <= 4 * math.sqrt(expected) + 1


def test_widening_a_sample_loses_nobody_and_other_salts_draw_others() -> None:
    few, more = drawn(Shadow("9", 1000, "dark")), drawn(Shadow("9", 2000, "dark"))
    assert set(few) < set(more)
    assert set(few) != set(drawn(Shadow("9", 1000, "light")))


def test_a_sample_of_all_asks_for_no_key() -> None:
    assert Sample(Shadow("9")).rows([None, 3.5, "x"], None, None, None) == [0, 1, 2]


def test_only_what_matches_is_drawn() -> None:
    match = Clause("origin", Op.IN, ("JFK",))
    bodies = [{"origin": "JFK"}, {"origin": "EWR"}, {}]
    assert Sample(Shadow("9", match=match)).rows(["a", "b", "c"], bodies, None, None) == [0]
    headers = [{"test": "yes"}, {}, {}]
    by_header = Sample(Shadow("9", match=Clause("header.test", Op.EXISTS)))
    assert by_header.rows(["a", "b", "c"], None, headers, None) == [0]
    assert not by_header.rows(["a"], None, None, None)


def test_without_a_key_the_coordinates_stand_for_it() -> None:
    sample = Sample(Shadow("9", 5000, "dark"))
    places = [("flights", 0, offset) for offset in range(200)]
    found = sample.rows([None] * 200, None, None, places)
    texts = [f"flights|0|{offset}" for offset in range(200)]
    assert found == drawn(Shadow("9", 5000, "dark"), texts)


def test_what_has_no_key_at_all_and_what_can_be_none_is_not_drawn() -> None:
    sample = Sample(Shadow("9", 9999, "dark"))
    assert sample.rows([None, True, 2.5], None, None, None) == []
    assert sample.rows([None, "N1"], None, None, [None, None]) == [1]
