"""An array goes to a model's only input as it is, once type and shape are right."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelwire.loading.onnx import onnxruntime
from modelwire.serving.features import compile_features
from modelwire_schemas.errors import Rejected
from tests.consumer_sdk.serving.making import column_contract, tensor_contract

FEATURES = compile_features(tensor_contract(["a", "b", "c"]))
VALUES = compile_features(column_contract(rank=1, x="float32"))


def test_a_batch_of_the_right_type_is_not_copied() -> None:
    given = np.ones((4, 3), np.float32)
    assert FEATURES.array(given)["features"] is given


def test_one_axis_is_one_row() -> None:
    given = np.ones(3, np.float32)
    made = FEATURES.array(given)["features"]
    assert made.shape == (1, 3)
    assert np.shares_memory(made, given)


def test_an_input_with_one_axis_takes_a_batch_of_values() -> None:
    assert VALUES.array(np.ones(5, np.float32))["x"].shape == (5,)


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32", "uint64", ">f4"])
def test_a_number_of_another_type_is_converted(dtype: str) -> None:
    made = FEATURES.array(np.full((2, 3), 5, dtype))["features"]
    assert made.dtype == np.float32
    assert made.tolist() == [[5.0] * 3] * 2


def test_nan_and_infinity_are_left_to_the_caller() -> None:
    wide = np.array([[np.nan, np.inf, 1.0]])
    assert np.array_equal(FEATURES.array(wide)["features"], wide, equal_nan=True)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (np.ones((2, 4), np.float32), "E_SHAPE"),
        (np.ones(4, np.float32), "E_SHAPE"),
        (np.ones((2, 3, 1), np.float32), "E_SHAPE"),
        (np.float32(1), "E_SHAPE"),
        ([[1.0, 2.0, 3.0]], "E_SHAPE"),
        (None, "E_SHAPE"),
        (np.ones((0, 3), np.float32), "E_EMPTY_BATCH"),
        (np.array([["1", "2", "3"]]), "E_FIELD_TYPE"),
        (np.ones((1, 3), bool), "E_FIELD_TYPE"),
        (np.ones((1, 3), object), "E_FIELD_TYPE"),
        (np.full((1, 3), 1e39), "E_FIELD_RANGE"),
    ],
)
def test_an_array_that_does_not_fit_is_refused(given: Any, code: str) -> None:  # noqa: ANN401
    with pytest.raises(Rejected) as caught:
        FEATURES.array(given)
    assert caught.value.code == code


def test_a_model_of_many_inputs_or_of_text_takes_no_array() -> None:
    for contract in (column_contract(x="float32", y="float32"), tensor_contract(["x"], "string")):
        with pytest.raises(Rejected, match="E_SHAPE: the event is a ndarray"):
            compile_features(contract).array(np.ones((1, 1), np.float32))


def test_onnxruntime_takes_arrays_in_any_layout() -> None:
    model = Path(__file__).parents[3] / "examples/flights/numeric.onnx"
    session = onnxruntime().InferenceSession(str(model), providers=["CPUExecutionProvider"])
    fields = ["a", "b", "c", "d"]
    features = compile_features(tensor_contract(fields))
    wide = np.random.default_rng(1).normal(size=(16, 8)).astype(np.float32)
    locked = wide[:, :4].copy()
    locked.flags.writeable = False
    rows = [dict(zip(fields, row, strict=True)) for row in wide[:, :4].tolist()]
    wanted = session.run(None, {"features": np.ascontiguousarray(wide[:, :4])})[0]
    for inputs in (
        features.array(wide[:, :4]),
        features.array(np.asfortranarray(wide[:, :4])),
        features.array(locked),
        features.rows(rows).inputs,
        features.columns({name: wide[:, i] for i, name in enumerate(fields)}).inputs,
    ):
        assert np.array_equal(session._sess.run(["late"], inputs, None)[0], wanted)
