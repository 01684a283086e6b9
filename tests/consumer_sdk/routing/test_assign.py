"""Which version an event gets, and what the answer says: one row a situation."""

import gzip
import math
from collections import Counter
from collections.abc import Mapping
from csv import DictReader
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from modelwire.routing.assign import CompiledDocument
from modelwire.routing.assignment import Assignment, Counts, Reason
from modelwire.routing.hashing import bucket
from modelwire.routing.keys import Coordinates, Key, key_bytes
from modelwire.routing.ranges import reweigh
from modelwire_schemas.errors import Rejected
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
from tests.consumer_sdk.routing.strategies import LONE_SURROGATE, keys

FLIGHTS = Path(__file__).parents[3] / "examples/flights/flights_2013_jan_feb.csv.gz"
SALT = "late-2026-11"
PLACE: Coordinates = ("flights", 3, 1042)

WHOLE = (Variant("stable", "7", ((0, BUCKETS),)),)
CANARY = reweigh((), [("canary", "8", 1000), ("stable", "7", 9000)])
GOLD = Clause("tier", Op.IN, ("gold",))
TO_8 = Rule("gold", (Variant("canary", "8", ((0, BUCKETS),)),), match=GOLD)
BY_KEY = Rule("everyone", CANARY, Split(salt=SALT))


def compiled(
    *rules: Rule, force_header: str = "", counts: Counts | None = None
) -> CompiledDocument:
    document = RoutingDocument(
        "flights-late", "late", rules, keep_warm=("6",), force_header=force_header
    )
    return CompiledDocument(document, 5, counts)


def assign(
    document: CompiledDocument,
    key: Key | None = None,
    attributes: Mapping[str, object] | None = None,
    headers: Mapping[str, object] | None = None,
    coordinates: Coordinates | None = None,
) -> Assignment:
    return document.assign(key, attributes or {}, headers or {}, coordinates)


def test_one_version_that_has_everything_asks_for_nothing() -> None:
    document = compiled(Rule("everyone", WHOLE))
    assert document.sole == Assignment("7", "stable", "everyone", None, 5, Reason.SOLE)
    assert assign(document) is document.sole
    assert document.reads == frozenset()


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(compiled(BY_KEY), id="two-versions"),
        pytest.param(compiled(TO_8, Rule("everyone", WHOLE)), id="a-condition"),
        pytest.param(compiled(Rule("everyone", WHOLE), force_header="x"), id="a-header-may-force"),
        pytest.param(
            compiled(
                Rule("everyone", (Variant("a", "7", ((0, 1),)), Variant("b", "7", ((1, 10000),))))
            ),
            id="two-variants-of-one-version",
        ),
    ],
)
def test_a_document_that_has_to_ask_has_no_sole_answer(document: CompiledDocument) -> None:
    assert document.sole is None


def test_a_rule_that_matches_decides() -> None:
    answer = assign(compiled(TO_8, BY_KEY), "N14228", {"tier": "gold"})
    assert answer == Assignment("8", "canary", "gold", None, 5, Reason.MATCH)


def test_the_first_rule_that_matches_decides() -> None:
    late = Rule("late", WHOLE, match=Clause("delay", Op.GT, (15,)))
    document = compiled(TO_8, late, BY_KEY)
    assert assign(document, "a", {"tier": "gold", "delay": 20}).rule == "gold"
    assert assign(document, "a", {"tier": "free", "delay": 20}).rule == "late"
    assert assign(document, "a", {"tier": "free", "delay": 10}).rule == "everyone"


def test_where_no_condition_matches_the_last_rule_decides() -> None:
    answer = assign(compiled(TO_8, Rule("everyone", WHOLE)), "N14228", {"tier": "free"})
    assert answer == Assignment("7", "stable", "everyone", None, 5, Reason.DEFAULT)


@given(keys.filter(lambda key: isinstance(key, str | bytes) and key != LONE_SURROGATE))
def test_a_split_goes_by_the_bucket_of_the_key(key: Key) -> None:
    number = bucket(SALT, key_bytes(key))
    expected = ("8", "canary") if number < 1000 else ("7", "stable")
    answer = assign(compiled(BY_KEY), key, coordinates=PLACE)
    assert answer == Assignment(*expected, "everyone", number, 5, Reason.SPLIT)


def test_text_bytes_and_integer_of_one_spelling_are_one_key() -> None:
    document = compiled(BY_KEY)
    assert assign(document, "42") == assign(document, b"42") == assign(document, 42)


def test_the_second_answer_for_a_bucket_is_the_first_one() -> None:
    document = compiled(BY_KEY)
    assert assign(document, "N14228") is assign(document, b"N14228")


def test_a_field_may_hold_the_key() -> None:
    document = compiled(Rule("everyone", CANARY, Split(salt=SALT, field="tailnum")))
    answer = assign(document, "another", {"tailnum": "N14228"})
    assert answer == assign(compiled(BY_KEY), "N14228")
    assert document.reads == {"tailnum"}


@pytest.mark.parametrize("attributes", [{}, {"tailnum": None}], ids=["missing", "null"])
def test_without_the_field_the_coordinates_are_the_key(attributes: Mapping[str, object]) -> None:
    counts = Counts()
    document = compiled(Rule("everyone", CANARY, Split(salt=SALT, field="tailnum")), counts=counts)
    answer = assign(document, "N14228", attributes, coordinates=PLACE)
    assert answer.reason is Reason.NO_KEY
    assert counts == Counts(no_key=1)


def test_without_a_key_the_coordinates_decide_and_it_is_counted() -> None:
    counts = Counts()
    answer = assign(compiled(BY_KEY, counts=counts), coordinates=PLACE)
    assert answer.bucket == bucket(SALT, b"flights|3|1042")
    assert answer.reason is Reason.NO_KEY
    assert counts == Counts(no_key=1)


def test_with_neither_key_nor_coordinates_there_is_no_answer() -> None:
    with pytest.raises(Rejected, match=r"^E_NO_KEY: "):
        assign(compiled(BY_KEY))


@pytest.mark.parametrize("key", [True, 1.5, math.nan, ("a",), LONE_SURROGATE])
def test_a_key_without_bytes_is_refused(key: Key) -> None:
    with pytest.raises(Rejected, match=r"^E_KEY: "):
        assign(compiled(BY_KEY), key, coordinates=PLACE)


def test_a_split_by_event_goes_by_the_coordinates_whatever_the_key() -> None:
    document = compiled(Rule("everyone", CANARY, Split(SplitBy.EVENT, SALT)))
    answer = assign(document, "N14228", coordinates=PLACE)
    assert answer.bucket == bucket(SALT, b"flights|3|1042")
    assert answer.reason is Reason.EVENT
    with pytest.raises(Rejected, match=r"^E_NO_KEY: "):
        assign(document, "N14228")


ROLLING = Rule(
    "everyone",
    (
        Variant("next", "8", partitions=(("flights", 0), ("flights", 1))),
        Variant("stable", "7", partitions=(("flights", 2),)),
    ),
    Split(SplitBy.PARTITION),
)


@pytest.mark.parametrize(
    ("coordinates", "version"),
    [
        pytest.param(("flights", 1, 99), "8", id="listed"),
        pytest.param(("flights", 2, 99), "7", id="listed-in-the-last"),
        pytest.param(("flights", 3, 99), "7", id="not-listed"),
        pytest.param(("weather", 1, 99), "7", id="another-topic"),
        pytest.param(None, "7", id="unknown-source"),
    ],
)
def test_a_split_by_partition_goes_by_the_source(
    coordinates: Coordinates | None, version: str
) -> None:
    answer = assign(compiled(ROLLING), coordinates=coordinates)
    assert (answer.version, answer.bucket, answer.reason) == (version, None, Reason.PARTITION)


@pytest.mark.parametrize("value", ["6", b"6"])
def test_a_header_may_force_a_version_that_the_document_names(value: object) -> None:
    document = compiled(TO_8, BY_KEY, force_header="x-version")
    answer = assign(document, "N14228", {"tier": "gold"}, {"x-version": value})
    assert answer == Assignment("6", "", "", None, 5, Reason.FORCED)
    assert assign(document, headers={"x-version": "8"}).variant == "canary"
    assert document.reads == {"tier", "header.x-version"}


@pytest.mark.parametrize("value", ["5", b"\xff", 7, ["7"], ""])
def test_a_header_that_forces_something_else_is_counted_and_passed_over(value: object) -> None:
    counts = Counts()
    document = compiled(Rule("everyone", WHOLE), force_header="x-version", counts=counts)
    assert assign(document, headers={"x-version": value}).reason is Reason.DEFAULT
    assert counts == Counts(unknown_forced=1)


def test_a_header_forces_nothing_where_the_document_does_not_allow_it() -> None:
    document = compiled(TO_8, BY_KEY)
    assert assign(document, "a", {"tier": "gold"}, {"": "6", "x-version": "6"}).version == "8"


def test_a_field_that_a_condition_misses_is_counted() -> None:
    counts = Counts()
    assign(compiled(TO_8, BY_KEY, counts=counts), "N14228")
    assert counts == Counts(missing_field=1)


@given(st.data())
def test_a_salt_is_a_new_draw(data: st.DataObject) -> None:
    """Two salts agree on a tenth of the buckets' tenths, not on all of them."""
    salts = data.draw(st.lists(st.text("abc", max_size=4), min_size=2, max_size=2, unique=True))
    first, second = ([bucket(s, b"%d" % i) // 1000 for i in range(1000)] for s in salts)
    alike = sum(a == b for a, b in zip(first, second, strict=True))
    assert 30 < alike < 200


def test_real_keys_fall_into_the_arms_as_planned() -> None:
    """Each arm's count of planes lies within four standard deviations of its binomial."""
    with gzip.open(FLIGHTS, "rt", encoding="utf-8") as file:
        planes = sorted({row["tailnum"] for row in DictReader(file)} - {""})
    weights = [("a", "1", 100), ("b", "2", 1000), ("c", "3", 3333), ("d", "4", 5567)]
    for salt in range(20):
        document = compiled(Rule("everyone", reweigh((), weights), Split(salt=f"salt-{salt}")))
        found = Counter(assign(document, plane).variant for plane in planes)
        for name, _, weight in weights:
            share = weight / BUCKETS
            spread = math.sqrt(len(planes) * share * (1 - share))
            assert abs(found[name] - len(planes) * share) < 4 * spread
