"""A key has one spelling in bytes, and its bucket is murmur3's, one by one and in bulk."""

import enum
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from modelwire.routing.bulk import buckets
from modelwire.routing.hashing import bucket
from modelwire.routing.keys import Key, coordinate_bytes, key_bytes
from modelwire_schemas.errors import Rejected
from modelwire_schemas.routing import BUCKETS
from tests.consumer_sdk.routing.murmur import murmur3

texts = st.text(st.characters(codec="utf-8"))
keys: st.SearchStrategy[Key] = st.one_of(texts, st.binary(), st.integers())
salts = st.text(st.characters(codec="utf-8", exclude_characters="|"), max_size=20)

LONE_SURROGATE = "N142\ud800"


class Tier(enum.IntEnum):
    GOLD = 7


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"", 0, id="nothing"),
        pytest.param(b"test", 0xBA6BD213, id="one-block"),
        pytest.param(b"Hello, world!", 0xC0363E43, id="a-tail-of-one"),
        pytest.param(
            b"The quick brown fox jumps over the lazy dog", 0x2E4FF723, id="a-tail-of-three"
        ),
    ],
)
def test_the_reference_gives_the_published_hashes(data: bytes, expected: int) -> None:
    assert murmur3(data) == expected


@given(salts, st.binary())
def test_a_bucket_is_the_scaled_hash_of_salt_bar_and_key(salt: str, key: bytes) -> None:
    assert bucket(salt, key) == murmur3(salt.encode() + b"|" + key) * BUCKETS >> 32


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        pytest.param("N14228", b"N14228", id="text"),
        pytest.param("Zürich", b"Z\xc3\xbcrich", id="text-as-utf-8"),
        pytest.param("", b"", id="empty-text-is-a-key"),
        pytest.param(b"\x00\xff", b"\x00\xff", id="bytes-as-they-are"),
        pytest.param(7, b"7", id="an-integer-in-decimal"),
        pytest.param(-(2**63), b"-9223372036854775808", id="a-negative-integer"),
        pytest.param(np.int64(7), b"7", id="an-integer-of-numpy"),
        pytest.param(np.str_("N1"), b"N1", id="text-of-numpy"),
        pytest.param(Tier.GOLD, b"7", id="an-enumerated-integer"),
    ],
)
def test_a_key_has_one_spelling(key: object, expected: bytes) -> None:
    assert key_bytes(key) == expected


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(True, id="bool"),
        pytest.param(np.bool_(True), id="bool-of-numpy"),  # noqa: FBT003
        pytest.param(1.0, id="float"),
        pytest.param(None, id="none"),
        pytest.param(("a", 1), id="tuple"),
        pytest.param(bytearray(b"a"), id="bytes-that-change"),
        pytest.param(LONE_SURROGATE, id="text-without-utf-8"),
        pytest.param(10**5000, id="an-integer-without-end"),
    ],
)
def test_what_has_no_bytes_is_no_key(key: object) -> None:
    with pytest.raises(Rejected, match=r"^E_KEY: "):
        key_bytes(key)
    with pytest.raises(Rejected, match=r"^E_KEY: "):
        buckets("salt", ["N14228", key])


def test_coordinates_are_a_key_of_three_parts() -> None:
    assert coordinate_bytes(("flights", 3, 1042)) == b"flights|3|1042"


@given(salts, st.lists(keys))
@example("salt", [])
@example("salt", ["", "\0", "a\0b"])
@example("s\0lt", ["a", "b"])
@example("salt", ["é", "\U0001f6eb", "x" * 1000])
@example("salt", [b"\0", b""])
def test_in_bulk_the_buckets_are_the_same(salt: str, some: list[Key]) -> None:
    assert buckets(salt, some).tolist() == [bucket(salt, key_bytes(key)) for key in some]


@given(salts, st.lists(texts) | st.lists(st.binary()))
def test_in_bulk_text_and_bytes_take_their_quick_ways_to_the_same_buckets(
    salt: str, some: list[str] | list[bytes]
) -> None:
    assert buckets(salt, some).tolist() == [bucket(salt, key_bytes(key)) for key in some]


def test_assigning_one_by_one_does_not_load_numpy() -> None:
    modules = "sys, modelwire.routing.assign, modelwire.routing.checks, modelwire.routing.ranges"
    code = f"import {modules}; print('numpy' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
