"""A large model becomes a graph and one file of weights, and stays the same model."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from modelwire.loading.formats import LoadOptions
from modelwire.loading.onnx import OnnxFormat
from modelwire_publisher.artifact import Staged, stage
from modelwire_publisher.progress import silent
from tests.models.good import bytes_of, mlp, save_mapped, save_sized, sized


def staged(path: Path, work: Path, *, keep_form: bool = False) -> Staged:
    work.mkdir()
    return stage(path, work, format=None, keep_form=keep_form, progress=silent)


def answers(one: Staged, rows: int = 7) -> bytes:
    model = OnnxFormat().load(one.folder, one.artifact, LoadOptions())
    drawn = np.random.default_rng(0).standard_normal((rows, 4), np.float32)
    (late,) = model.run({"features": drawn})
    model.close()
    return late.tobytes()


def test_every_weight_is_where_the_graph_says(tmp_path: Path) -> None:
    original = sized(9)
    path = tmp_path / "model.onnx"
    path.write_bytes(bytes_of(original))
    one = staged(path, tmp_path / "work")
    again = onnx.load(one.folder / "model.onnx")  # it brings the weights back in
    assert one.artifact.form == "mapped"
    assert len(again.graph.initializer) == len(original.graph.initializer)
    for before, after in zip(original.graph.initializer, again.graph.initializer, strict=True):
        assert before.name == after.name
        assert np.array_equal(numpy_helper.to_array(before), numpy_helper.to_array(after))
    for model in (original, again):
        del model.graph.initializer[:]
    assert bytes_of(original) == bytes_of(again)


def test_only_large_weights_move(tmp_path: Path) -> None:
    one = staged(save_sized(tmp_path / "model.onnx", 9), tmp_path / "work")
    graph = onnx.load(one.folder / "model.onnx", load_external_data=False).graph
    moved = {w.name for w in graph.initializer if w.data_location == TensorProto.EXTERNAL}
    assert moved == {"w0", "w1", "w2"}
    assert (one.folder / "model.onnx").stat().st_size < 30_000


def test_both_forms_answer_alike(tmp_path: Path) -> None:
    path = save_sized(tmp_path / "model.onnx", 9)
    mapped = answers(staged(path, tmp_path / "mapped"))
    packed = answers(staged(path, tmp_path / "packed", keep_form=True))
    assert np.allclose(
        np.frombuffer(mapped, np.float32), np.frombuffer(packed, np.float32), atol=1e-6
    )


def test_the_same_file_has_the_same_digest_wherever_it_is_staged(tmp_path: Path) -> None:
    path = save_sized(tmp_path / "model.onnx", 9)
    first = staged(path, tmp_path / "a")
    second = staged(path.rename(tmp_path / "b.onnx"), tmp_path / "b")
    assert first.artifact == second.artifact
    assert first.original == hashlib.sha256((tmp_path / "b.onnx").read_bytes()).hexdigest()


def test_a_small_model_stays_one_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(mlp())
    one = staged(path, tmp_path / "work")
    assert one.artifact.form == "packed"
    assert [file.name for file in one.artifact.files] == ["model.onnx"]
    assert (one.folder / "model.onnx").read_bytes() == mlp()


def test_types_that_would_be_copied_anyway_stay(tmp_path: Path) -> None:
    model = sized(9)
    for one in model.graph.initializer:
        half = numpy_helper.to_array(one).astype(np.float16)
        one.CopyFrom(numpy_helper.from_array(half, one.name))
    path = tmp_path / "model.onnx"
    path.write_bytes(bytes_of(model))
    assert staged(path, tmp_path / "work").artifact.form == "packed"


def test_a_model_that_is_mapped_already_is_left(tmp_path: Path) -> None:
    path, weights = save_mapped(tmp_path / "model.onnx", 9)
    one = staged(path, tmp_path / "work")
    assert one.artifact.form == "mapped"
    assert (one.folder / weights.name).read_bytes() == weights.read_bytes()
    assert one.original == ""


def test_the_weights_are_mapped_and_not_copied(tmp_path: Path) -> None:
    one = staged(save_sized(tmp_path / "model.onnx", 9), tmp_path / "work")
    model = OnnxFormat().load(one.folder, one.artifact, LoadOptions())
    maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    assert str(one.folder / "model.weights") in maps
    model.close()
