"""What an event must hold, what it becomes, and what each bad one is told."""

import math
from collections import UserDict
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from modelwire.serving.features import compile_features
from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import Column, Contract, Feed, Tensor
from tests.consumer_sdk.serving.making import OUTPUTS, column_contract, tensor_contract

FLIGHT = tensor_contract(["dep_delay", "distance"])
MIXED = column_contract(carrier="string", distance="float32", origin="string", hour="int64")
GOOD = {"dep_delay": 4, "distance": 719.0}


def refusal(call: Callable[[], object]) -> Rejected:
    with pytest.raises(Rejected) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(caught.value.code + ": ")
    return caught.value


def told(contract: Contract, event: Mapping[str, object]) -> str:
    """What a bad event is told; the same alone and among good rows."""
    features = compile_features(contract)
    error = refusal(lambda: features.one(event))
    (fault,) = features.rows([event]).faults
    assert str(fault.error) == str(error)
    return str(error)


def test_fields_become_columns_in_the_contracts_order() -> None:
    inputs = compile_features(FLIGHT).one({"distance": 719.0, "other": "x", "dep_delay": 4})
    assert inputs["features"].dtype == np.float32
    assert inputs["features"].tolist() == [[4.0, 719.0]]


def test_a_model_with_one_input_a_column_gets_each_by_name() -> None:
    event = {"carrier": "UA", "distance": 719, "origin": "EWR", "hour": 5}
    inputs = compile_features(MIXED).one(event)
    assert {name: array.tolist() for name, array in inputs.items()} == {
        "carrier": [["UA"]],
        "distance": [[719.0]],
        "origin": [["EWR"]],
        "hour": [[5]],
    }
    assert [array.dtype for array in inputs.values()] == [object, object, np.float32, np.int64]


def test_an_input_with_one_axis_gets_one() -> None:
    features = compile_features(column_contract(rank=1, carrier="string", distance="float64"))
    batch = features.rows([{"carrier": "UA", "distance": 1}, {"carrier": "B6", "distance": 2}])
    assert batch.inputs["carrier"].tolist() == ["UA", "B6"]
    assert batch.inputs["distance"].tolist() == [1.0, 2.0]


def test_one_field_may_feed_two_inputs() -> None:
    contract = Contract(
        (Tensor("a", "float32", (None, 2)), Tensor("b", "float64", (None,))),
        OUTPUTS,
        (Feed("a", (Column("x"), Column("x"))), Feed("b", (Column("x"),))),
    )
    inputs = compile_features(contract).one({"x": 3})
    assert inputs["a"].tolist() == [[3.0, 3.0]]
    assert inputs["b"].tolist() == [3.0]


@pytest.mark.parametrize(
    ("value", "code", "words"),
    [
        (None, "E_FIELD_NULL", "is null"),
        (math.nan, "E_FIELD_NAN", "is NaN"),
        (np.float32("nan"), "E_FIELD_NAN", "is NaN"),
        (math.inf, "E_FIELD_INFINITE", "is inf"),
        (-math.inf, "E_FIELD_INFINITE", "is -inf"),
        (2**63, "E_FIELD_RANGE", "is 9223372036854775808 (int)"),
        (-(2**63) - 1, "E_FIELD_RANGE", "at most 64 bits"),
        pytest.param(10**5000, "E_FIELD_RANGE", "an int of 16610 bits", id="a hostile integer"),
        (1e39, "E_FIELD_RANGE", "a number that float32 can hold"),
        ("4", "E_FIELD_TYPE", "is '4' (str); expected a number"),
        (b"4", "E_FIELD_TYPE", "(bytes)"),
        (True, "E_FIELD_TYPE", "is True (bool)"),
        (Decimal(4), "E_FIELD_TYPE", "(Decimal)"),
        (4 + 0j, "E_FIELD_TYPE", "(complex)"),
        (np.str_("4"), "E_FIELD_TYPE", "(str_)"),
        (np.datetime64("2013-01-01"), "E_FIELD_TYPE", "(datetime64)"),
        ([4.0], "E_SHAPE", "holds a list of 1; expected one value"),
        (np.ones(2), "E_SHAPE", "holds a ndarray of 2"),
        ({"value": 4}, "E_SHAPE", "holds a dict of 1"),
        ("x" * 10_000, "E_FIELD_TYPE", "xxx..."),
        ("a\nb", "E_FIELD_TYPE", r"'a\nb'"),
    ],
)
def test_a_field_that_is_no_number_is_told_what_it_is(value: object, code: str, words: str) -> None:
    error = told(FLIGHT, {**GOOD, "distance": value})
    assert error.startswith(f"{code}: field 'distance' ")
    assert words in error
    assert len(error) < 300


def test_a_missing_field_is_named() -> None:
    assert told(FLIGHT, {"dep_delay": 4}).startswith("E_FIELD_MISSING: field 'distance' is missing")


@pytest.mark.parametrize("event", [None, 4, [4.0, 719.0], "4", object()])
def test_what_is_no_mapping_is_refused(event: Any) -> None:  # noqa: ANN401
    assert told(FLIGHT, event).startswith(f"E_SHAPE: the event is a {type(event).__name__}")


def test_the_first_field_at_fault_is_told_over_all_inputs() -> None:
    event = {"carrier": 5, "distance": "far", "origin": None, "hour": 1.5}
    assert "'carrier'" in told(MIXED, event)
    assert "'distance'" in told(MIXED, {**event, "carrier": "UA"})


@pytest.mark.parametrize(
    ("dtype", "value", "code"),
    [
        ("int64", 2**63, "E_FIELD_RANGE"),
        ("int8", 128, "E_FIELD_RANGE"),
        ("int8", np.int64(128), "E_FIELD_RANGE"),
        ("uint8", -1, "E_FIELD_RANGE"),
        ("uint64", 2**64, "E_FIELD_RANGE"),
        ("int32", 1.5, "E_FIELD_TYPE"),
        ("int32", 1.0, "E_FIELD_TYPE"),
        ("int32", True, "E_FIELD_TYPE"),
        ("int32", "1", "E_FIELD_TYPE"),
        ("int32", math.nan, "E_FIELD_NAN"),
        ("bool", 1, "E_FIELD_TYPE"),
        ("bool", "true", "E_FIELD_TYPE"),
        ("bool", None, "E_FIELD_NULL"),
        ("float16", 65520, "E_FIELD_RANGE"),
        ("float64", 10**400, "E_FIELD_RANGE"),
        ("string", 5, "E_FIELD_TYPE"),
        ("string", b"UA", "E_FIELD_TYPE"),
        ("string", "\ud800", "E_FIELD_TYPE"),
        ("string", None, "E_FIELD_NULL"),
        ("string", ["UA"], "E_SHAPE"),
    ],
)
def test_each_type_takes_only_its_own(dtype: str, value: object, code: str) -> None:
    assert told(tensor_contract(["x"], dtype), {"x": value}).startswith(f"{code}: field 'x' ")


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("int64", -(2**63)),
        ("uint64", 2**64 - 1),
        ("int8", np.int64(-128)),
        ("bool", np.True_),
        ("float16", 65504),
        ("float32", 2**63 - 1),
        ("float32", 1e38),
        ("float32", 1e300 * 0),
        ("float64", 1.7e308),
        ("float64", np.float32(0.1)),
        ("string", "Zürich ✈"),
        ("string", ""),
        ("string", np.str_("UA")),
    ],
)
def test_the_edges_of_each_type_are_taken(dtype: str, value: object) -> None:
    features = compile_features(tensor_contract(["x"], dtype))
    expected = np.array([[value]], object if dtype == "string" else dtype)
    for made in (features.one({"x": value}), features.rows([{"x": value}]).inputs):
        assert np.array_equal(made["features"], expected)
        assert made["features"].dtype == expected.dtype


@pytest.mark.parametrize(
    "absent", [{}, {"x": None}, {"x": math.nan}], ids=["missing", "null", "NaN"]
)
@pytest.mark.parametrize(
    ("dtype", "column", "stands_in"),
    [
        ("float32", Column("x", default=7.5), 7.5),
        ("float32", Column("x", nullable=True, default=7.5), 7.5),
        ("int64", Column("x", default=7), 7),
        ("bool", Column("x", nullable=True, default=True), True),
        ("string", Column("x", default="?"), "?"),
        ("string", Column("x", nullable=True), ""),
    ],
)
def test_a_default_stands_in_for_what_is_not_there(
    absent: dict[str, object], dtype: str, column: Column, stands_in: object
) -> None:
    features = compile_features(tensor_contract([column], dtype))
    assert features.one(absent)["features"].tolist() == [[stands_in]]
    assert features.rows([absent]).inputs["features"].tolist() == [[stands_in]]


def test_a_nullable_number_becomes_nan_and_its_row_stays() -> None:
    features = compile_features(
        tensor_contract([Column("x", nullable=True), Column("y", nullable=True)])
    )
    assert np.isnan(features.one({"x": 1})["features"]).tolist() == [[False, True]]
    batch = features.rows([{"x": 1, "y": 2}, {"y": None}, {"x": math.nan, "y": 3}])
    assert batch.good is None
    assert np.isnan(batch.inputs["features"]).sum(axis=1).tolist() == [0, 2, 1]


@pytest.mark.parametrize("odd", [True, "7", 2**63, math.inf, Decimal(7), None, {}])
def test_a_fault_beside_filled_nulls_is_found(odd: object) -> None:
    columns = [Column("x", nullable=True), Column("y", default=7), Column("z")]
    features = compile_features(tensor_contract(columns))
    rows: list[dict[str, object]] = [{"x": 1, "y": None, "z": 3}, {"x": None, "y": 2, "z": 3}]
    batch = features.rows(rows)
    assert batch.good is None
    assert str(batch.inputs["features"].tolist()) == "[[1.0, 7.0, 3.0], [nan, 2.0, 3.0]]"
    batch = features.rows([*rows, {"x": 1, "y": 2, "z": odd}])
    assert [fault.row for fault in batch.faults] == [2]
    assert str(batch.inputs["features"].tolist()) == "[[1.0, 7.0, 3.0], [nan, 2.0, 3.0]]"


def test_a_bool_among_many_numbers_is_found() -> None:
    features = compile_features(tensor_contract(["x"]))
    for numbers in (np.arange(100.0), np.arange(100.0) % 2):
        rows: list[dict[str, object]] = [{"x": number} for number in numbers.tolist()]
        assert features.rows(rows).good is None
        rows[50] = {"x": True}
        assert [fault.row for fault in features.rows(rows).faults] == [50]


def test_numbers_whose_sum_is_too_large_are_each_fine() -> None:
    features = compile_features(tensor_contract(["x", "y"], "float64"))
    event = {"x": 1.7e308, "y": 1.7e308}
    assert features.one(event)["features"].tolist() == [[1.7e308, 1.7e308]]
    assert features.rows([event, event]).good is None


def test_a_batch_without_a_good_row_has_inputs_without_rows() -> None:
    batch = compile_features(MIXED).rows([{}, {}])
    assert batch.good is not None
    assert len(batch.good) == 0
    assert [array.shape for array in batch.inputs.values()] == [(0, 1)] * 4
    assert [fault.error.code for fault in batch.faults] == ["E_FIELD_MISSING"] * 2


def test_an_empty_batch_is_refused() -> None:
    assert refusal(lambda: compile_features(FLIGHT).rows([])).code == "E_EMPTY_BATCH"


def test_an_event_may_be_any_mapping() -> None:
    event = UserDict[str, object](GOOD)
    assert compile_features(FLIGHT).one(event)["features"].tolist() == [[4.0, 719.0]]


def test_inputs_are_new_and_may_be_written() -> None:
    features = compile_features(FLIGHT)
    inputs = features.one(GOOD)
    inputs["features"][0, 0] = 99
    assert features.one(GOOD)["features"].tolist() == [[4.0, 719.0]]


@pytest.mark.parametrize(
    ("contract", "words"),
    [
        (tensor_contract([Column("x", nullable=True)], "int64"), "nullable, and int64 has no null"),
        (tensor_contract([Column("x", default="7")]), "default of column 'x' does not fit"),
        (tensor_contract([Column("x", default=300)], "int8"), "default of column 'x' does not fit"),
        (tensor_contract([Column("x", default=True)]), "default of column 'x' does not fit"),
        (tensor_contract(["x"], "complex64"), "no event field can feed a complex64"),
        (Contract((Tensor("a", "float32", (None, 1)),), OUTPUTS, ()), "no event field feeds input"),
        (
            Contract((Tensor("a", "bool", (None, None)),), OUTPUTS, (Feed("a", ()),)),
            "no field feeds",
        ),
    ],
)
def test_a_contract_that_cannot_be_kept_is_refused_when_it_is_compiled(
    contract: Contract, words: str
) -> None:
    error = refusal(lambda: compile_features(contract))
    assert error.code == "E_CONTRACT"
    assert words in str(error)
