"""Tensors keep their values on the way, and a difference is told where it stands."""

import re

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays

from modelwire.loading.tensors import DTYPES, Array, compare, first_nan, from_array, to_array
from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import TensorValue

NUMBERS = st.sampled_from(sorted(DTYPES)).flatmap(
    lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0))
)


@given(NUMBERS)
def test_numbers_come_back_bit_by_bit(array: Array) -> None:
    back = to_array(from_array("x", array))
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


@given(arrays.arrays(object, arrays.array_shapes(), elements=st.text()))
def test_texts_come_back(array: Array) -> None:
    assert np.array_equal(to_array(from_array("x", array)), array)


def test_big_endian_arrays_travel_as_little_endian() -> None:
    assert from_array("x", np.array([1], ">i4")).data == b"\x01\x00\x00\x00"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(TensorValue("x", "float32", (2,), b"1234"), id="too-short"),
        pytest.param(TensorValue("x", "float32", (-1,), b""), id="negative-axis"),
        pytest.param(TensorValue("x", "complex64", (1,), b"12345678"), id="unknown-type"),
        pytest.param(TensorValue("x", "object", (1,), b"12345678"), id="objects"),
        pytest.param(TensorValue("x", "string", (2,), strings=("a",)), id="too-few-strings"),
        pytest.param(TensorValue("x", "int8", (1,), b"1", ("a",)), id="bytes-and-strings"),
        pytest.param(TensorValue("x", "int8", (2**40, 2**40), b"1"), id="far-too-large"),
    ],
)
def test_a_value_that_does_not_fit_itself_is_refused(value: TensorValue) -> None:
    with pytest.raises(Rejected, match=r"^E_TENSOR: .*tensor 'x'"):
        to_array(value)


def test_a_type_that_does_not_travel_is_refused() -> None:
    with pytest.raises(Rejected, match="complex128"):
        from_array("x", np.array([1j]))


@pytest.mark.parametrize(
    ("got", "wanted", "told"),
    [
        pytest.param([1.0, 2.0], [1.0, 2.0], None, id="equal"),
        pytest.param([1.0, 2.0], [1.0, 2.000001], None, id="within-tolerance"),
        pytest.param([1e9], [1e9 + 100], None, id="within-relative-tolerance"),
        pytest.param([[1.0], [2.0]], [[1.0], [2.1]], r"\[1, 0\], expected .*2\.1", id="off"),
        pytest.param([np.nan], [np.nan], None, id="nan-is-nan"),
        pytest.param([np.nan], [1.0], r"nan\) at \[0\]", id="nan-for-a-number"),
        pytest.param([1.0], [np.nan], r"\[0\], expected .*nan", id="number-for-nan"),
        pytest.param([np.inf], [np.inf], None, id="infinity-is-infinity"),
        pytest.param([np.inf], [-np.inf], r"\[0\]", id="infinities-differ"),
        pytest.param([1.0], [1.0, 2.0], r"shape \(1,\), expected \(2,\)", id="shape"),
        pytest.param([1, 2], [1, 3], r"\[1\]", id="integers-are-exact"),
        pytest.param([1, 2], [1.0, 2.0], "is int64, expected float64", id="type"),
        pytest.param(["a", "b"], ["a", "c"], r"'b' at \[1\], expected 'c'", id="texts"),
    ],
)
def test_the_first_difference_is_told(
    got: list[object], wanted: list[object], told: str | None
) -> None:
    outputs = {"y": np.array(got, dtype=object if isinstance(got[0], str) else None)}
    found = compare(outputs, [from_array("y", np.array(wanted))], 1e-6)
    if told is None:
        assert found is None
    else:
        assert found is not None
        assert found.startswith("output 'y' ")
        assert re.search(told, found)


def test_a_missing_output_is_a_difference() -> None:
    assert compare({}, [from_array("y", [1.0])], 0) == "output 'y' is missing"


def test_the_first_nan_is_told_with_its_place() -> None:
    assert first_nan({"label": np.array([1]), "y": np.array([[0.0], [np.nan]])}) == (
        "output 'y' is NaN at [1, 0]"
    )
    assert first_nan({"y": np.array([np.inf]), "t": np.array(["nan"], dtype=object)}) is None
