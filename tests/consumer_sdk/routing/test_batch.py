"""A batch gets the answers that its events get one by one, and is counted alike."""

import pytest
from hypothesis import given, settings, strategies as st

from modelwire.routing.assign import CompiledDocument
from modelwire.routing.assignment import Assignment, Counts
from modelwire.routing.batch import assign_batch
from modelwire.routing.keys import Coordinates
from modelwire.routing.predicate import Fields
from modelwire.routing.ranges import reweigh
from modelwire_schemas.errors import Rejected
from modelwire_schemas.routing import BUCKETS, Clause, Op, RoutingDocument, Rule, Split, Variant
from tests.consumer_sdk.routing.strategies import (
    bodies,
    coordinates,
    documents,
    headers,
    keys,
    plain_bodies,
)

Event = tuple[object, Fields, Fields, Coordinates | None]

CANARY = reweigh((), [("canary", "8", 1000), ("stable", "7", 9000)])
TO_8 = Rule(
    "gold",
    (Variant("canary", "8", ((0, BUCKETS),)),),
    match=Clause("tier", Op.IN, ("gold",)),
)
TWO_RULES = RoutingDocument(
    "flights-late", "late", (TO_8, Rule("everyone", CANARY, Split(salt="s")))
)


def one(document: CompiledDocument, event: Event) -> Assignment | str:
    key, row, header, place = event
    try:
        return document.assign(key, row, header, place)  # type: ignore[arg-type]
    except Rejected as error:
        return str(error)


def agree(document: RoutingDocument, events: list[Event]) -> None:
    """Assert that batch and single events get the same answers, errors and counts."""
    single, batch = (CompiledDocument(document, 5, Counts()) for _ in range(2))
    expected = [one(single, event) for event in events]
    columns = ([event[i] for event in events] for i in range(4))
    found = assign_batch(batch, *columns)  # type: ignore[arg-type]
    assert len(found) == len(events)
    for row, answer in enumerate(expected):
        if isinstance(answer, str):
            with pytest.raises(Rejected) as caught:
                found[row]
            assert str(caught.value) == answer
        else:
            assert found[row] == answer
            assert row not in found.errors
    assert batch.counts == single.counts
    groups = {version: rows.tolist() for version, rows in found.by_version().items()}
    expected_groups: dict[str, list[int]] = {}
    for row, answer in enumerate(expected):
        if not isinstance(answer, str):
            expected_groups.setdefault(answer.version, []).append(row)
    assert groups == expected_groups


@settings(max_examples=200)
@given(documents(), st.lists(st.tuples(keys, bodies, headers, coordinates), max_size=12))
def test_any_batch_under_any_document(document: RoutingDocument, events: list[Event]) -> None:
    agree(document, events)


def same_kind(column: st.SearchStrategy[object]) -> st.SearchStrategy[list[Event]]:
    """Return events whose keys are all from one column, with plain rows and coordinates."""
    nothing: Fields = {}
    event = st.tuples(column, plain_bodies, st.just(nothing), coordinates)
    return st.lists(event, max_size=12)


@given(
    documents(),
    same_kind(st.text("ab\0", max_size=3))
    | same_kind(st.binary(max_size=3))
    | same_kind(st.integers()),
)
def test_a_batch_whose_keys_are_of_one_kind(document: RoutingDocument, events: list[Event]) -> None:
    agree(document, events)


class Restless(dict[str, object]):
    """A row that would grow when asked by index."""

    def __missing__(self, name: str) -> str:
        self[name] = "gold"
        return "gold"


def test_a_batch_does_not_touch_its_rows() -> None:
    row = Restless()
    agree(TWO_RULES, [("a", row, {}, None)])
    assert row == {}


def test_a_batch_without_rows_headers_or_coordinates() -> None:
    document = CompiledDocument(TWO_RULES, 5)
    found = assign_batch(document, ["a", None, 7])
    assert [found[0], found[2]] == [document.assign(key, {}, {}, None) for key in ("a", 7)]
    assert found.errors[1].code == "E_NO_KEY"
    assert found.variant.tolist()[1] == -1
    assert found.bucket.tolist()[1] == -1


def test_an_empty_batch_has_no_groups() -> None:
    found = assign_batch(CompiledDocument(TWO_RULES, 5), [])
    assert len(found) == 0
    assert found.by_version() == {}


def test_where_one_version_has_everything_the_batch_is_one_group() -> None:
    whole = Rule("everyone", (Variant("stable", "7", ((0, BUCKETS),)),))
    document = CompiledDocument(RoutingDocument("flights-late", "late", (whole,)), 5)
    found = assign_batch(document, [None, "a"])
    assert found[1] == document.sole
    assert found.by_version()["7"].tolist() == [0, 1]


def test_a_row_may_be_asked_from_behind() -> None:
    found = assign_batch(CompiledDocument(TWO_RULES, 5), ["a", None])
    with pytest.raises(Rejected, match=r"^E_NO_KEY: "):
        found[-1]
    assert found[-2] == found[0]
