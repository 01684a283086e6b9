"""Tables of every library become the same inputs as their rows would."""

import math
from array import array
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from modelwire.serving.features import compile_features
from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import Column, Scalar
from tests.consumer_sdk.serving.making import column_contract, equal, tensor_contract

# The three ship types that are too wide to be of use here, or none.
pd: Any = import_module("pandas")
pl: Any = import_module("polars")
pa: Any = import_module("pyarrow")

Cells = Mapping[str, Any]
Library = Callable[[Cells], Any]


def pandas_arrow(cells: Cells) -> object:
    return pd.DataFrame(dict(cells)).convert_dtypes(dtype_backend="pyarrow")


def pandas_nullable(cells: Cells) -> object:
    return pd.DataFrame(dict(cells)).convert_dtypes()


def record_batch(cells: Cells) -> object:
    return pa.RecordBatch.from_pydict(dict(cells))


LIBRARIES: list[Library] = [
    dict,
    pd.DataFrame,
    pandas_nullable,
    pandas_arrow,
    pl.DataFrame,
    pa.table,
    record_batch,
]
NULLS = [library for library in LIBRARIES if library is not pd.DataFrame]
"""Plain pandas has no null among integers and bools, so they become floats and objects there."""

MIXED = compile_features(
    column_contract(carrier="string", distance="float32", hour="int64", late="bool")
)
CELLS: Cells = {
    "late": [True, False, True],
    "carrier": ["UA", "é", ""],
    "distance": [719.5, 1, -2.25],
    "hour": [5, 6, 2**53 + 1],
    "beside": [None, None, "the point"],
}
FLOATS = compile_features(tensor_contract(["a", "b"]))


def rows_of(cells: Cells) -> list[dict[str, object]]:
    return [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)]


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_table_of_mixed_types_is_read_as_its_rows(library: Library) -> None:
    batch = MIXED.columns(library(CELLS))
    assert batch.good is None
    assert equal(batch.inputs, MIXED.rows(rows_of(CELLS)).inputs)


@pytest.mark.parametrize("library", LIBRARIES)
def test_columns_of_one_tensor_are_joined(library: Library) -> None:
    cells: Cells = {"b": [1, 2, 3], "a": [0.5, -1.5, 2.5]}
    assert equal(FLOATS.columns(library(cells)).inputs, FLOATS.rows(rows_of(cells)).inputs)


@pytest.mark.parametrize("library", NULLS)
def test_a_null_costs_its_row_only(library: Library) -> None:
    cells = {name: [*column, column[0]] for name, column in CELLS.items()}
    for row, name in enumerate(["late", "carrier", "distance", "hour"]):
        cells[name][row] = None
    batch = MIXED.columns(library({**cells, "late": [None, True, False, True]}))
    codes = {fault.row: (fault.error.code, fault.error.what) for fault in batch.faults}
    assert set(codes) == {0, 1, 2, 3}
    assert codes[0][1].startswith("field 'late'")
    assert all(code in ("E_FIELD_NULL", "E_FIELD_NAN") for code, _ in codes.values())


@pytest.mark.parametrize("library", NULLS)
@pytest.mark.parametrize(
    ("dtype", "default", "cells"),
    [
        ("int64", 7, [2**53 + 1, None, 3]),
        ("bool", True, [False, None, True]),
        ("string", "?", ["a", None, "b"]),
        ("float32", 7.0, [0.5, None, -1.5]),
        ("float64", 7.0, [1, None, 3]),
    ],
)
def test_a_default_stands_in_for_null(
    library: Library,
    dtype: str,
    default: Scalar,
    cells: list[object],
) -> None:
    features = compile_features(tensor_contract([Column("x", default=default)], dtype))
    filled = [default if cell is None else cell for cell in cells]
    if library in (pandas_nullable, pandas_arrow):  # made by way of float64
        filled[0] = 2**53 if dtype == "int64" else filled[0]
    batch = features.columns(library({"x": cells}))
    assert batch.good is None
    assert batch.inputs["features"].ravel().tolist() == filled


def test_nulls_of_plain_pandas_are_nulls() -> None:
    features = compile_features(column_contract(carrier="string", distance="float32"))
    table = pd.DataFrame({"carrier": ["UA", None, "B6"], "distance": [1.0, 2.0, None]})
    faults = features.columns(table).faults
    assert [(fault.row, fault.error.what) for fault in faults] == [
        (1, "field 'carrier' is NaN"),
        (2, "field 'distance' is NaN"),
    ]


def test_nullable_columns_keep_their_nan() -> None:
    features = compile_features(tensor_contract([Column("x", nullable=True), "y"]))
    table = {"x": np.array([1.0, math.nan, 3.0]), "y": np.array([1.0, 2.0, math.inf])}
    batch = features.columns(table)
    assert batch.good is not None
    assert batch.good.tolist() == [0, 1]
    assert str(batch.inputs["features"].tolist()) == "[[1.0, 1.0], [nan, 2.0]]"


def test_a_missing_column_gets_its_default() -> None:
    features = compile_features(tensor_contract([Column("x", default=7), "y"]))
    assert features.columns({"y": [1, 2]}).inputs["features"].tolist() == [[7, 1], [7, 2]]


def test_columns_of_the_right_type_are_not_copied() -> None:
    features = compile_features(column_contract(x="float32", y="float64"))
    numbers = np.ones(4, np.float32)
    tables: list[Any] = [
        {"x": numbers, "y": np.ones(4)},
        pd.DataFrame({"x": numbers, "y": np.ones(4)}, copy=False),
        pl.DataFrame({"x": numbers, "y": np.ones(4)}),
        pa.RecordBatch.from_pydict({"x": pa.array(numbers), "y": np.ones(4)}),
    ]
    for table in tables:
        column = table["x"]
        held: Any = column.to_numpy() if hasattr(column, "to_numpy") else column
        assert np.shares_memory(features.columns(table).inputs["x"], held)


def test_a_table_is_left_as_it_was() -> None:
    features = compile_features(tensor_contract([Column("x", default=7)]))
    given = np.array([1, math.nan, 3], np.float32)
    assert features.columns({"x": given}).inputs["features"].ravel().tolist() == [1, 7, 3]
    assert np.isnan(given[1])


@pytest.mark.parametrize(
    "column",
    [
        array("d", [1.0, 2.0]),
        range(1, 3),
        (1, 2),
        np.array([1, 2], ">i2"),
        np.array([9, 1, 9, 2, 9], np.float16)[1::2],
        memoryview(array("f", [1.0, 2.0])),
        pd.Series([1, 2], index=[5, 5]),
        pd.Series([1, 2], dtype="category"),
        pl.Series([1, 2], dtype=pl.UInt8),
        pa.chunked_array([[1], [2]]),
        pa.array([1.0, 2.0]),
    ],
    ids=lambda column: type(column).__name__,
)
def test_a_column_may_be_whatever_holds_values(column: object) -> None:
    features = compile_features(tensor_contract(["x"]))
    assert features.columns({"x": column}).inputs["features"].tolist() == [[1.0], [2.0]]


def test_integers_become_floats_as_they_do_one_by_one() -> None:
    # Rounded to float32 at once these go up, by way of float64 they go down.
    numbers = [2**60 + 2**36 + 1, -(2**60) - 2**36 - 1]
    features = compile_features(tensor_contract(["x"]))
    made = features.columns({"x": np.array(numbers)}).inputs
    assert equal(made, features.rows([{"x": number} for number in numbers]).inputs)


def test_an_integer_beyond_64_bits_is_out_of_range_in_a_column() -> None:
    features = compile_features(tensor_contract(["x"]))
    batch = features.columns({"x": np.array([2**63 - 1, 2**63], np.uint64)})
    assert [(fault.row, fault.error.code) for fault in batch.faults] == [(1, "E_FIELD_RANGE")]


def test_a_masked_value_is_null() -> None:
    features = compile_features(tensor_contract(["x"]))
    (fault,) = features.columns({"x": np.ma.masked_equal([1.0, 2.0], 2.0)}).faults
    assert (fault.row, fault.error.code) == (1, "E_FIELD_NULL")


@pytest.mark.parametrize("library", [dict, pd.DataFrame, pl.DataFrame, pa.table])
def test_dates_are_no_numbers(library: Library) -> None:
    features = compile_features(tensor_contract(["x"]))
    cells = {"x": np.array(["2013-01-01", "2013-01-02"], "datetime64[ns]")}
    assert [f.error.code for f in features.columns(library(cells)).faults] == ["E_FIELD_TYPE"] * 2


@pytest.mark.parametrize("library", [dict, pd.DataFrame, pl.DataFrame, pa.table])
def test_bools_and_digits_are_no_numbers(library: Library) -> None:
    for cells in ([True, False], ["1", "2"]):
        batch = FLOATS.columns(library({"a": cells, "b": [1.0, 2.0]}))
        assert [fault.error.code for fault in batch.faults] == ["E_FIELD_TYPE"] * 2
        assert [array.shape for array in batch.inputs.values()] == [(0, 2)]


@pytest.mark.parametrize(
    ("table", "code", "words"),
    [
        ({"a": [1, 2]}, "E_FIELD_MISSING", "field 'b' is missing"),
        (pl.DataFrame({"a": [1]}), "E_FIELD_MISSING", "field 'b' is missing"),
        ({}, "E_FIELD_MISSING", "field 'a' is missing"),
        ({"a": [1, 2], "b": [1, 2, 3]}, "E_SHAPE", "'b' has 3 rows, and column 'a' has 2"),
        ({"a": [], "b": []}, "E_EMPTY_BATCH", "no rows"),
        (pa.table({"a": [], "b": []}), "E_EMPTY_BATCH", "no rows"),
        ({"a": 1.0, "b": 2.0}, "E_SHAPE", "column 'a' is a float"),
        ({"a": "12", "b": "34"}, "E_SHAPE", "column 'a' is a str"),
        ({"a": np.ones((2, 1)), "b": [1, 2]}, "E_SHAPE", "column 'a' has 2 axes"),
        ({"a": np.float32(1), "b": [1]}, "E_SHAPE", "column 'a' has 0 axes"),
        (pd.DataFrame([[1, 2, 3]], columns=["a", "a", "b"]), "E_SHAPE", "column 'a' has 2 axes"),
        (pl.LazyFrame({"a": [1], "b": [1]}).select("a"), "E_SHAPE", "a LazyFrame is no table"),
        ("ab", "E_SHAPE", "a str is no table"),
        (None, "E_SHAPE", "a NoneType is no table"),
        (np.ones((2, 2)), "E_SHAPE", "a ndarray is no table"),
    ],
    ids=range(15),
)
def test_what_is_no_table_of_the_contract_is_refused(table: Any, code: str, words: str) -> None:  # noqa: ANN401
    with pytest.raises(Rejected) as caught:
        FLOATS.columns(table)
    assert caught.value.code == code
    assert words in str(caught.value)
