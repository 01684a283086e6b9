"""Batches through a route with real models: every kind of table, faulty rows, splits."""

import math
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import modelwire
from modelwire_schemas.errors import ModelwireError, NotReady, Rejected
from modelwire_schemas.routing import (
    BUCKETS,
    Clause,
    Op,
    RoutingDocument,
    Rule,
    Split,
    Variant,
)
from tests.world import FIELDS, READY_S, event, world_on

# The three ship types that are too wide to be of use here, or none.
pd: Any = import_module("pandas")
pl: Any = import_module("polars")
pa: Any = import_module("pyarrow")

VALUES = [0.0, 1.5, -2.0, 4.0, 100.0]
COLUMNS: Mapping[str, Any] = {field: np.array(VALUES, np.float32) for field in FIELDS}


def rows(_: Mapping[str, Any]) -> object:
    return [event(value) for value in VALUES]


def matrix(_: Mapping[str, Any]) -> object:
    return np.array([[value] * 4 for value in VALUES], np.float32)


KINDS: list[Callable[[Mapping[str, Any]], object]] = [
    rows,
    dict,
    matrix,
    pd.DataFrame,
    pl.DataFrame,
    pa.table,
    pa.RecordBatch.from_pydict,
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[modelwire.Models]:
    """One application for the whole module: each test has a route of its own name."""
    folder = tmp_path_factory.mktemp("batches")
    with world_on("memory:batches", folder) as world:
        world.release("1", "2")
        world.flip("1", route="whole")
        world.split({"1": "50", "2": "50"}, route="halves")
        world.write(_by_field())
        with world.connect() as connected:
            for name in ("whole", "halves", "by-field"):
                _both_warm(connected, name)
            yield connected


def _both_warm(models: modelwire.Models, name: str) -> None:
    models.route(name).wait_until_ready(READY_S)
    assert models.live.wait_for(lambda s: len(s.warm) == 2 or name == "whole", READY_S)


def _by_field() -> RoutingDocument:
    """Events with `a` above 1 get version 2, the others version 1."""
    whole = ((0, BUCKETS),)
    big = Rule("big", (Variant("two", "2", whole),), Split(salt="x"), Clause("a", Op.GT, (1,)))
    rest = Rule("rest", (Variant("one", "1", whole),), Split(salt="x"))
    return RoutingDocument("by-field", "late", (big, rest))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_table_gives_what_its_events_give(
    models: modelwire.Models, kind: Callable[[Mapping[str, Any]], object]
) -> None:
    route = models.route("whole")
    answers = route.predict_batch(kind(COLUMNS))
    singles = [route.predict(event(value)) for value in VALUES]
    assert len(answers) == len(VALUES)
    assert answers.errors == ()
    assert answers.outputs["late"].tolist() == [a.outputs["late"] for a in singles] == VALUES
    assert answers.outputs["version_id"].tolist() == [1] * len(VALUES)
    assert answers[0].outputs == singles[0].outputs
    assert answers[-1].version == "1"
    assert [a.outputs["late"] for a in answers if isinstance(a, modelwire.Answer)] == VALUES


@pytest.mark.parametrize("kind", KINDS)
def test_a_split_treats_a_batch_as_its_events_one_by_one(
    models: modelwire.Models, kind: Callable[[Mapping[str, Any]], object]
) -> None:
    route = models.route("halves")
    keys: list[str | bytes | int | None] = ["N1", b"N2", 3, "N4", "N8"]
    answers = route.predict_batch(kind(COLUMNS), keys=keys)
    for row, (value, key) in enumerate(zip(VALUES, keys, strict=True)):
        alone = route.predict(event(value), key=key)
        assert answers[row].outputs == alone.outputs
        assert answers[row].bucket == alone.bucket
        assert answers[row].provenance == alone.provenance
    assert set(answers.outputs["version_id"].tolist()) == {1, 2}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not matrix])
def test_rules_see_the_fields_of_every_kind_of_table(
    models: modelwire.Models, kind: Callable[[Mapping[str, Any]], object]
) -> None:
    answers = models.route("by-field").predict_batch(kind(COLUMNS))
    assert answers.outputs["version_id"].tolist() == [2 if v > 1 else 1 for v in VALUES]
    assert [answers[n].rule for n in (0, 1)] == ["rest", "big"]


def test_rules_find_no_fields_in_a_matrix(models: modelwire.Models) -> None:
    answers = models.route("by-field").predict_batch(matrix(COLUMNS))
    assert answers.outputs["version_id"].tolist() == [1] * len(VALUES)


FAULTY: list[tuple[object, str]] = [
    ({"a": 1.0, "b": 1.0, "c": 1.0}, "E_FIELD_MISSING: field 'd'"),
    (event(1.0, d=None), "E_FIELD_NULL: field 'd'"),
    (event(1.0, d="7"), "E_FIELD_TYPE: field 'd'"),
    (event(1.0, d=True), "E_FIELD_TYPE: field 'd'"),
    (event(1.0, d=math.nan), "E_FIELD_NAN: field 'd'"),
    (event(1.0, d=math.inf), "E_FIELD_INFINITE: field 'd'"),
    (event(1.0, d=2**63), "E_FIELD_RANGE: field 'd'"),
    (event(1.0, d=[1.0, 2.0]), "E_SHAPE: field 'd'"),
    (event(1.0, d={"x": 1}), "E_SHAPE: field 'd'"),
]


@pytest.mark.parametrize(("bad", "why"), FAULTY, ids=[why[:20] for _, why in FAULTY])
def test_a_faulty_event_is_refused_with_its_field_and_its_neighbours_pass(
    models: modelwire.Models, bad: object, why: str
) -> None:
    route = models.route("whole")
    with pytest.raises(Rejected) as caught:
        route.predict(bad)
    assert str(caught.value).startswith(why)
    answers = route.predict_batch([event(2.0), bad, event(3.0)])
    assert [(row, str(error)) for row, error in answers.errors] == [(1, str(caught.value))]
    assert answers.outputs["late"].tolist()[::2] == [2.0, 3.0]
    assert math.isnan(answers.outputs["late"][1])
    assert answers[2].outputs["late"] == 3.0
    with pytest.raises(Rejected, match=why.split(":", maxsplit=1)[0]):
        answers[1]
    assert isinstance(list(answers)[1], ModelwireError)


def test_a_batch_of_faults_has_columns_all_the_same(models: modelwire.Models) -> None:
    answers = models.route("whole").predict_batch([{}, {}])
    assert [row for row, _ in answers.errors] == [0, 1]
    assert np.isnan(answers.outputs["late"]).tolist() == [True, True]
    assert answers.outputs["version_id"].tolist() == [0, 0]


def test_faults_in_columns_are_by_row(models: modelwire.Models) -> None:
    table = {field: [1.0, None, 2.0] if field == "b" else [1.0, 1.0, 2.0] for field in FIELDS}
    answers = models.route("halves").predict_batch(table, keys=["a", "b", "c"])
    assert [(row, error.code) for row, error in answers.errors] == [(1, "E_FIELD_NULL")]
    assert answers.outputs["late"].tolist()[::2] == [1.0, 2.0]


@pytest.mark.parametrize("nothing", [[], {}, {"a": []}, np.zeros((0, 4), np.float32)])
def test_a_batch_without_rows_is_refused(models: modelwire.Models, nothing: object) -> None:
    with pytest.raises(Rejected, match="E_EMPTY_BATCH"):
        models.route("whole").predict_batch(nothing)


@pytest.mark.parametrize(
    "wrong",
    [
        *(5, None, {"a": [1.0], "b": [1.0, 2.0]}),
        *(np.zeros((3, 5), np.float32), np.zeros(4, np.float32), np.zeros((1, 2, 4), np.float32)),
    ],
)
def test_what_is_no_batch_is_refused(models: modelwire.Models, wrong: object) -> None:
    with pytest.raises(Rejected, match="E_SHAPE"):
        models.route("whole").predict_batch(wrong)


def test_an_array_as_an_event_is_one_row(models: modelwire.Models) -> None:
    route, row = models.route("whole"), np.full(4, 2.0, np.float32)
    late = [route.predict(one).outputs["late"] for one in (row, row[None], event(2.0))]
    assert late == [late[0]] * 3
    for at in (None, 1):
        with pytest.raises(Rejected, match="E_SHAPE: the event is 3 rows; expected one row"):
            route.predict(np.zeros((3, 4), np.float32), at=at)


def test_what_goes_with_rows_must_be_as_long(models: modelwire.Models) -> None:
    route, two = models.route("halves"), [event(), event()]
    with pytest.raises(Rejected, match="E_SHAPE: 1 keys for 2 rows"):
        route.predict_batch(two, keys=["a"])
    with pytest.raises(Rejected, match="E_SHAPE: 3 times for 2 rows"):
        route.predict_batch(two, keys=["a", "b"], at=[1, 2, 3])


def test_rows_without_a_key_fail_alone(models: modelwire.Models) -> None:
    answers = models.route("halves").predict_batch([event(), event()], keys=["a", None])
    assert [(row, error.code) for row, error in answers.errors] == [(1, "E_NO_KEY")]
    placed = models.route("halves").predict_batch(
        [event(), event()], keys=["a", None], sources=[None, ("events", 0, 7)]
    )
    assert [placed[n].reason for n in range(2)] == ["split", "no_key"]


def test_a_route_that_nobody_made_answers_no_batch(models: modelwire.Models) -> None:
    with pytest.raises(NotReady, match=r"E_NO_DOCUMENT|E_NOT_READY"):
        models.route("nobody").predict_batch([event()])
