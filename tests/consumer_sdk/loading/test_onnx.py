"""ONNX models say what they are, read only their own files, and give their memory back."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import psutil
import pytest
from onnx import helper

from modelwire.loading import memory, onnx
from modelwire.loading.formats import LoadOptions, find, named, warm
from modelwire.loading.tensors import Array, from_array
from modelwire_schemas.errors import ModelwireError, Rejected
from modelwire_schemas.release import Tensor
from tests.consumer_sdk.loading.graphs import (
    FLOAT,
    INT64,
    STRING,
    model,
    square,
    weights_elsewhere,
)
from tests.consumer_sdk.loading.making import artifact, rows
from tests.models import hostile
from tests.models.good import mlp


def load(
    folder: Path,
    files: Mapping[str, bytes],
    options: LoadOptions | None = None,
    form: str = "packed",
) -> onnx.OnnxModel:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return onnx.OnnxFormat().load(folder, artifact(files, form), options or LoadOptions())


def test_a_model_says_what_it_takes_and_gives(tmp_path: Path) -> None:
    made = model(
        [
            helper.make_node("Identity", ["carrier"], ["echo"]),
            helper.make_node("Cast", ["dep_delay"], ["late"], to=INT64),
        ],
        {"carrier": (STRING, ["n", 1]), "dep_delay": (FLOAT, [None, 3])},
        {"echo": (STRING, ["n", 1]), "late": (INT64, [None, 3])},
    )
    loaded = load(tmp_path, {"model.onnx": made})
    assert loaded.inputs == (
        Tensor("carrier", "string", (None, 1)),
        Tensor("dep_delay", "float32", (None, 3)),
    )
    assert loaded.outputs == (
        Tensor("echo", "string", (None, 1)),
        Tensor("late", "int64", (None, 3)),
    )
    feed = {
        "carrier": np.array([["UA"], ["Größe"]], dtype=object),
        "dep_delay": np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32),
    }
    answer = named(loaded, loaded.run(feed))
    assert answer["echo"].tolist() == [["UA"], ["Größe"]]
    assert answer["late"].tolist() == [[1, 2, 3], [4, 5, 6]]


def test_only_the_wanted_outputs_are_given(tmp_path: Path) -> None:
    made = model(
        [helper.make_node("Abs", ["x"], ["a"]), helper.make_node("Neg", ["x"], ["b"])],
        {"x": (FLOAT, [None])},
        {"a": (FLOAT, [None]), "b": (FLOAT, [None])},
    )
    loaded = load(tmp_path, {"model.onnx": made}, LoadOptions(outputs=("b",)))
    assert [tensor.name for tensor in loaded.outputs] == ["b"]
    assert [array.tolist() for array in loaded.fast({"x": np.ones(2, np.float32)})] == [[-1, -1]]


def test_a_wanted_output_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match=r"E_CONTRACT: .*'z'"):
        load(tmp_path, {"model.onnx": mlp()}, LoadOptions(outputs=("late", "z")))


def test_an_output_that_is_no_tensor_is_left_out(tmp_path: Path) -> None:
    sequence = helper.make_node("SequenceConstruct", ["x"], ["s"])
    graph = helper.make_graph(
        [sequence, helper.make_node("Abs", ["x"], ["y"])],
        "graph",
        [helper.make_tensor_value_info("x", FLOAT, [None])],
        [
            helper.make_tensor_sequence_value_info("s", FLOAT, None),
            helper.make_tensor_value_info("y", FLOAT, [None]),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    loaded = load(tmp_path, {"model.onnx": made.SerializeToString()})
    assert [tensor.name for tensor in loaded.outputs] == ["y"]


def test_the_quick_run_answers_like_the_public_one(tmp_path: Path) -> None:
    loaded = load(tmp_path, {"model.onnx": mlp()})
    assert onnx.inner_run_works()
    for count in (1, 3, 64):
        feed = {"features": rows(count=count)}
        assert np.array_equal(loaded.fast(feed)[0], loaded.run(feed)[0])


@pytest.mark.parametrize(
    "feed",
    [
        pytest.param({}, id="missing"),
        pytest.param({"z": rows()}, id="unknown"),
        pytest.param({"features": rows(), "z": rows()}, id="too-many"),
        pytest.param({"features": rows().astype(np.float64)}, id="wrong-type"),
        pytest.param({"features": rows()[:, :2]}, id="wrong-shape"),
    ],
)
def test_a_wrong_feed_raises_and_does_no_harm(
    tmp_path: Path, feed: Mapping[str, Array], capfd: pytest.CaptureFixture[str]
) -> None:
    loaded = load(tmp_path, {"model.onnx": mlp()})
    for run in (loaded.run, loaded.fast):
        with pytest.raises(Exception, match=r"."):
            run(feed)
    assert capfd.readouterr() == ("", "")


def test_a_run_that_fails_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    add = helper.make_node("Add", ["a", "b"], ["y"])
    free = (FLOAT, [None])
    loaded = load(tmp_path, {"model.onnx": model([add], {"a": free, "b": free}, {"y": free})})
    with pytest.raises(Exception, match="Add"):
        loaded.run({"a": np.ones(2, np.float32), "b": np.ones(3, np.float32)})
    assert capfd.readouterr() == ("", "")


def test_weights_come_from_a_file_of_the_artifact(tmp_path: Path) -> None:
    weights = np.arange(4, dtype=np.float32)
    files = {"model.onnx": weights_elsewhere("weights"), "weights": weights.tobytes()}
    for form in ("packed", "mapped"):
        loaded = load(tmp_path, files, form=form)
        assert loaded.run({"x": np.zeros((1, 4), np.float32)})[0].tolist() == [[0, 1, 2, 3]]
        loaded.close()


def test_weights_from_anywhere_else_are_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(np.arange(4, dtype=np.float32).tobytes())
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link").symlink_to(secret)
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        for location in (str(secret), "../secret", "secret", "link", "x/../../secret", "."):
            with pytest.raises(Rejected, match="E_LOAD"):
                load(folder, {"model.onnx": weights_elsewhere(location)})
    finally:
        os.chdir(before)


NO_MODELS = [name for name, (_, fate) in hostile.CASES.items() if fate is hostile.Fate.REFUSED]


@pytest.mark.parametrize("name", NO_MODELS)
def test_what_is_no_model_is_refused(tmp_path: Path, name: str) -> None:
    make, _ = hostile.CASES[name]
    with pytest.raises(ModelwireError, match=r"^E_LOAD: ") as caught:
        load(tmp_path, {"model.onnx": make()})
    assert "\n" not in str(caught.value)


def test_an_operator_that_no_processor_here_has_is_told_apart(tmp_path: Path) -> None:
    node = helper.make_node(
        "Rfft", ["x"], ["y"], domain="com.microsoft", normalized=0, onesided=1, signal_ndim=1
    )
    made = model([node], {"x": (FLOAT, [None, 8])}, {"y": (FLOAT, None)})
    with pytest.raises(Rejected, match=r"^E_PROVIDER: Could not find an implementation for Rfft"):
        load(tmp_path, {"model.onnx": made})


def test_a_refusal_names_no_path_of_this_machine(tmp_path: Path) -> None:
    with pytest.raises(Rejected) as caught:
        load(tmp_path, {"model.onnx": hostile.unknown_operator()})
    assert str(tmp_path) not in str(caught.value)
    assert "com.example:Foretell" in str(caught.value)


def test_another_format_under_the_name_of_onnx_is_refused(tmp_path: Path) -> None:
    runtime = onnx.onnxruntime()
    (tmp_path / "plain.onnx").write_bytes(mlp())
    settings = runtime.SessionOptions()
    settings.optimized_model_filepath = str(tmp_path / "other.ort")
    settings.add_session_config_entry("session.save_model_format", "ORT")
    runtime.InferenceSession(str(tmp_path / "plain.onnx"), settings)
    with pytest.raises(Rejected, match="E_LOAD"):
        load(tmp_path / "model", {"model.onnx": (tmp_path / "other.ort").read_bytes()})


@pytest.mark.parametrize("names", [[], ["a.onnx", "b.onnx"], ["model.bin"]])
def test_an_artifact_has_one_graph(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(Rejected, match=r"E_LOAD: .* expected exactly one graph"):
        load(tmp_path, dict.fromkeys(names, mlp()))


SIDE = 3200
LARGE = SIDE * SIDE * 4
"""Bytes of a model that is large enough to be seen among all others: 41 MB."""


def large() -> dict[str, bytes]:
    weights = np.random.default_rng(0).random((SIDE, SIDE), dtype=np.float32)
    return {"model.onnx": square("weights", SIDE), "weights": weights.tobytes()}


def row() -> dict[str, Array]:
    return {"x": np.ones((1, SIDE), np.float32)}


def resident_bytes() -> int:
    return psutil.Process().memory_info().rss


def private_bytes() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Anonymous"))


def test_a_mapped_version_keeps_next_to_no_memory_of_its_own(tmp_path: Path) -> None:
    files = large()
    before = private_bytes()
    loaded = load(tmp_path, files, form="mapped")
    loaded.run(row())
    assert private_bytes() - before < 10_000_000 + 0.05 * LARGE
    packed = load(tmp_path, files, form="packed")
    assert private_bytes() - before > 0.95 * LARGE
    packed.close()
    loaded.close()


def test_a_closed_version_gives_its_pages_back(tmp_path: Path) -> None:
    for form in ("mapped", "packed"):
        loaded = load(tmp_path, large(), form=form)
        loaded.run(row())
        during = resident_bytes()
        loaded.close()
        loaded.close()
        assert during - resident_bytes() > 0.9 * LARGE


def test_pages_of_a_mapped_file_are_given_back_and_read_again(tmp_path: Path) -> None:
    loaded = load(tmp_path, large(), form="mapped")
    first = loaded.run(row())[0]
    before = resident_bytes()
    assert memory.release_mapped([tmp_path / "weights"], pause=0) >= LARGE
    assert before - resident_bytes() > 0.9 * LARGE
    assert np.array_equal(loaded.run(row())[0], first)
    loaded.close()


def test_warming_runs_the_model(tmp_path: Path) -> None:
    loaded = load(tmp_path, {"model.onnx": mlp()})
    warm(loaded, (from_array("features", rows()),))
    warm(loaded, ())
    with pytest.raises(Exception, match="features"):
        warm(loaded, (from_array("features", rows()[:, :1]),))


def test_the_runtime_neither_reports_home_nor_leaves_files(tmp_path: Path) -> None:
    script = (
        "import os; from modelwire.loading import onnx; onnx.tiny_session();"
        "print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    said = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")},
    )
    assert said.stdout == "1\n"
    assert list(tmp_path.rglob("*")) == []


def test_an_unknown_format_names_those_that_are_there() -> None:
    with pytest.raises(Rejected, match=r"E_FORMAT: .*'pickle'; expected one of onnx, python"):
        find("pickle")
