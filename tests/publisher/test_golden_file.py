"""Golden vectors of the publisher's own: the model has to give them, and keeps them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from modelwire.loading import tensors
from modelwire.loading.formats import LoadOptions
from modelwire.loading.onnx import OnnxFormat
from modelwire_schemas.release import Artifact, ArtifactFile
from tests.publisher.conftest import Write
from tests.publisher.desk import FLIGHTS, TENSOR, Desk

NUMERIC = FLIGHTS / "numeric.onnx"
ROWS = np.array([[5, 300, 9, 1], [90, 300, 18, 5], [0, 2500, 6, 6]], np.float32)


def answers() -> NDArray[np.float32]:
    artifact = Artifact("onnx", "packed", "", (ArtifactFile("numeric.onnx", 1, ""),))
    model = OnnxFormat().load(FLIGHTS, artifact, LoadOptions())
    (late,) = model.run({"features": ROWS})
    model.close()
    return np.asarray(late, np.float32)


def lines(late: NDArray[np.float32]) -> str:
    pairs = [
        {"inputs": dict(zip(TENSOR, map(float, row), strict=True)), "outputs": {"late": float(y)}}
        for row, y in zip(ROWS, late, strict=True)
    ]
    return "".join(f"{json.dumps(pair)}\n" for pair in pairs)


def why_not(desk: Desk, golden: Path) -> str:
    return desk.why_not(file=NUMERIC, fields=TENSOR, golden=golden)


@pytest.mark.parametrize("names", [("features", "late"), ("inputs/features", "outputs/late")])
def test_arrays_by_name_are_golden(desk: Desk, tmp_path: Path, names: tuple[str, str]) -> None:
    path = tmp_path / "golden.npz"
    arrays: dict[str, NDArray[Any]] = {names[0]: ROWS.astype(np.float64), names[1]: answers()}
    np.savez(path, allow_pickle=False, **arrays)
    released = desk.publish(file=NUMERIC, fields=TENSOR, golden=path)
    (golden,) = desk.releases()[0].golden
    assert "golden 3 rows within 1e-05" in map(str, released.checks)
    assert np.array_equal(tensors.to_array(golden.inputs[0]), ROWS)
    assert np.array_equal(tensors.to_array(golden.outputs[0]), answers())


def test_json_lines_are_golden(desk: Desk, write: Write) -> None:
    path = write(lines(answers()), "golden.jsonl")
    desk.publish(file=NUMERIC, fields=TENSOR, golden=path)
    record = desk.releases()[0]
    assert np.array_equal(tensors.to_array(record.golden[0].inputs[0]), ROWS)
    assert record.warmup == record.golden[0].inputs


def test_text_is_golden_too(desk: Desk, write: Write) -> None:
    event = {
        "carrier": "UA", "origin": "EWR", "dest": "IAH", "distance": 1400, "sched_hour": 5,
        "dep_delay": 2, "wind_speed": None, "precip": 0.0, "visib": 10,
    }  # fmt: skip
    pair = {"inputs": event, "outputs": {"late": 0.25}}
    desk.publish(golden=write(json.dumps(pair), "golden.jsonl"), tolerance=1.0)
    assert desk.releases()[0].golden[0].inputs[0].strings == ("UA",)


def test_a_model_that_answers_otherwise_is_refused(desk: Desk, write: Write) -> None:
    late = answers()
    late[1] += 0.01
    why = why_not(desk, write(lines(late), "golden.jsonl"))
    assert why.startswith("E_GOLDEN: output 'late' is ")
    assert "at [1], expected" in why


def test_a_tolerance_may_be_wider(desk: Desk, write: Write) -> None:
    path = write(lines(answers() + np.float32(0.01)), "golden.jsonl")
    desk.publish(file=NUMERIC, fields=TENSOR, golden=path, tolerance=0.1)
    assert desk.releases()[0].golden[0].tolerance == 0.1


def test_a_golden_nan_is_refused(desk: Desk, tmp_path: Path) -> None:
    np.savez(tmp_path / "g.npz", features=ROWS, late=np.array([0.5, np.nan, 0.5], np.float32))
    assert why_not(desk, tmp_path / "g.npz").startswith("E_GOLDEN: golden output 'late' is NaN")


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        ({"late": ROWS[:, 0]}, "no array for input 'features'"),
        ({"features": ROWS}, "it holds no output"),
        ({"features": ROWS, "late": ROWS[:2, 0]}, "its arrays have 2, 3 rows"),
        ({"features": ROWS, "late": np.array(["a", "b", "c"])}, "array 'late' is <U1"),
        ({"features": ROWS.astype(complex), "late": ROWS[:, 0]}, "is complex"),
        ({"features": ROWS[:0], "late": ROWS[:0, 0]}, "its arrays have 0 rows"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    desk: Desk, tmp_path: Path, arrays: dict[str, NDArray[np.generic]], why: str
) -> None:
    np.savez(
        tmp_path / "g.npz",
        allow_pickle=False,
        **{name: np.asarray(a) for name, a in arrays.items()},
    )
    said = why_not(desk, tmp_path / "g.npz")
    assert said.startswith("E_GOLDEN")
    assert why in said


class Dangerous:
    """Touches a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.target,)


def test_a_pickle_inside_is_not_run(desk: Desk, tmp_path: Path) -> None:
    hidden = np.array([Dangerous(tmp_path / "was-here")], dtype=object)
    np.savez(tmp_path / "g.npz", features=hidden)
    assert why_not(desk, tmp_path / "g.npz").startswith("E_GOLDEN")
    assert not (tmp_path / "was-here").exists()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "E_EMPTY"),
        ("\n\n", "E_GOLDEN: it has no lines"),
        ("late,1\n", "E_GOLDEN"),
        ("[1]\n", "E_GOLDEN: line 1 is not"),
        ('{"inputs": {}}\n', "E_GOLDEN: line 1 is not"),
        ('{"inputs": {}, "outputs": 3}\n', "E_GOLDEN: line 1 is not"),
        (
            '{"inputs": {"dep_delay": 1}, "outputs": {"late": 1}}\n',
            "E_FIELD_MISSING: line 1: field",
        ),
    ],
)
def test_lines_that_are_none_are_refused(desk: Desk, write: Write, said: str, why: str) -> None:
    assert why_not(desk, write(said, "golden.jsonl")).startswith(why)


def test_an_output_is_in_every_line_or_in_none(desk: Desk, write: Write) -> None:
    first, second, third = lines(answers()).splitlines()
    said = "\n".join([first, second, third.replace('"late"', '"label"')])
    assert "output 'late' is missing in line 3" in why_not(desk, write(said, "golden.jsonl"))


def test_a_bomb_of_zeros_is_not_unpacked(desk: Desk, tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "g.npz", features=np.zeros((10**6, 4), np.float32))
    assert why_not(desk, tmp_path / "g.npz").startswith(
        "E_TOO_BIG: the golden vectors have 16,000,"
    )
