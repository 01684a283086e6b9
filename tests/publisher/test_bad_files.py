"""What is no model is refused with its name, and nothing is written."""

import gzip
import os
import re
import resource
import signal
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import onnx
import pytest
from onnx import TensorProto, helper

from modelwire.loading.probe import Prober
from modelwire_log.memory.log import MemoryLog
from modelwire_publisher import Stage
from tests.models import hostile
from tests.models.good import bytes_of, mlp, model_of, save_mapped, save_sized
from tests.publisher.conftest import Write
from tests.publisher.desk import FLIGHTS, Desk, when

FIELDS = ("a", "b", "c", "d")


def without_graph() -> bytes:
    return bytes_of(onnx.ModelProto(ir_version=8, producer_name="nobody"))


def without_outputs() -> bytes:
    model = onnx.load_from_string(mlp())
    del model.graph.output[:]
    return bytes_of(model)


def with_an_input_twice() -> bytes:
    model = onnx.load_from_string(mlp())
    model.graph.input.add().CopyFrom(model.graph.input[0])
    return bytes_of(model)


def with_a_fixed_batch() -> bytes:
    one = helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, 4])
    return bytes_of(model_of([helper.make_node("ReduceSum", ["features"], ["late"])], [one]))


def deep() -> bytes:
    """Hold a graph in a graph in a graph, 20,000 times."""
    graph = b""
    for _ in range(20_000):
        attribute = _message(6, graph)
        graph = _message(1, _message(5, attribute))
        if len(graph) > 60_000:
            break
    return b"\x08\x08" + _message(7, graph)


def _message(number: int, content: bytes) -> bytes:
    size, length = len(content), b""
    while size > 0x7F:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


FILES = [
    pytest.param(hostile.empty(), "E_EMPTY: the file is empty", id="empty"),
    pytest.param(hostile.web_page(), "E_FORMAT: this is HTML", id="html"),
    pytest.param(hostile.lfs_pointer(), "git-lfs pointer.*run git lfs pull", id="git-lfs"),
    pytest.param(hostile.zipped(), "E_FORMAT: this is a zip archive", id="zip"),
    pytest.param(gzip.compress(mlp()), "E_FORMAT: this is a gzip file", id="gzip"),
    pytest.param(hostile.pickled(), "E_FORMAT: this is a pickle", id="pickle"),
    pytest.param(b"\0\0\0\x1cORTM" + b"\0" * 90, "E_FORMAT: this is an ORT flatbuffer", id="ort"),
    pytest.param(b'{"weights": [1, 2]}', "E_FORMAT: this is JSON", id="json"),
    pytest.param(b"auc 0.896\n", "E_FORMAT: this is plain text", id="text"),
    pytest.param(without_graph(), "E_FORMAT: the file holds no graph", id="no-graph"),
    pytest.param(hostile.truncated(), "E_LOAD: the file is cut or damaged", id="truncated"),
    pytest.param(bytes(range(1, 200)), "E_LOAD: the file is cut or damaged", id="noise"),
    pytest.param(mlp() + mlp(), "E_LOAD: .*it has two graphs", id="two-files-in-one"),
    pytest.param(deep(), "E_LOAD", id="deep"),
    pytest.param(hostile.unknown_operator(), "E_LOAD.*Foretell", id="unknown-operator"),
    pytest.param(hostile.future_opset(), "E_LOAD.*9999", id="future-opset"),
    pytest.param(with_an_input_twice(), "E_(LOAD|CONTRACT)", id="an-input-twice"),
    pytest.param(without_outputs(), "E_(LOAD|CONTRACT)", id="no-outputs"),
    pytest.param(with_a_fixed_batch(), "E_CONTRACT: .*a fixed first axis of 1", id="fixed-batch"),
    pytest.param(
        hostile.foreign_weights(), "E_PATH: tensor 'weight'.*etc/passwd", id="weights-above"
    ),
    pytest.param(hostile.foreign_weights("/etc/passwd"), "E_PATH", id="weights-at-the-root"),
    pytest.param(hostile.foreign_weights("w.bin\0.x"), "E_PATH", id="weights-with-nul"),
    pytest.param(hostile.foreign_weights(""), "E_PATH", id="weights-nowhere"),
    pytest.param(
        hostile.foreign_weights("gone.bin"), "E_EXTERNAL: .*tensor 'weight'", id="weights-gone"
    ),
    pytest.param(hostile.bomb(), "E_PROBE_CRASH: the probe died of SIGFPE", id="bomb"),
    pytest.param(hostile.memory(), "E_PROBE_MEMORY", id="memory"),
]


@pytest.mark.parametrize(("content", "why"), FILES)
def test_a_file_that_is_no_model_is_refused(
    desk: Desk, write: Write, content: bytes, why: str
) -> None:
    said = desk.why_not(file=write(content), fields=FIELDS)
    assert re.search(why, said), said


@pytest.mark.parametrize("name", ["hang_at_load", "hang_at_run"])
def test_a_model_that_does_not_come_back_is_refused(write: Write, name: str) -> None:
    hasty = Prober(seconds=1.0)
    try:
        said = Desk(MemoryLog(), hasty).why_not(file=write(getattr(hostile, name)()), fields=("a",))
    finally:
        hasty.close()
    assert said.startswith("E_PROBE_TIMEOUT")


def test_a_model_that_answers_nan_is_refused(desk: Desk, write: Write) -> None:
    events = write("a,b,c,d\n" + "1,2,3,4\n" * 12, "events.csv")
    said = desk.why_not(file=write(hostile.nan()), fields=FIELDS, sample=events)
    assert said.startswith("E_NAN: output 'late' is NaN at [0]")


# -- files that are in the way


def test_a_file_that_is_not_there_is_told(desk: Desk, tmp_path: Path) -> None:
    assert desk.why_not(file=tmp_path / "gone.onnx").startswith("E_NO_FILE: there is no such file")
    assert desk.why_not(file=FLIGHTS / "v1.onnx" / "x").startswith("E_NO_FILE")
    assert desk.why_not(file=tmp_path / "a\0b").startswith("E_NO_FILE")


def test_a_folder_is_no_file(desk: Desk, tmp_path: Path) -> None:
    assert desk.why_not(file=tmp_path).startswith("E_NOT_FILE: this is a folder")


def test_nobody_waits_for_a_pipe(desk: Desk, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert desk.why_not(file=tmp_path / "pipe").startswith("E_NOT_REGULAR")
    assert desk.why_not(file=Path(os.devnull)).startswith("E_NOT_REGULAR")


def test_a_file_that_may_not_be_read_is_told(desk: Desk, write: Write) -> None:
    path = write(mlp())
    path.chmod(0)
    with as_somebody():
        said = desk.why_not(file=path)
    assert said.startswith("E_READ: the file cannot be read: Permission denied")


def test_a_huge_file_is_refused_unread(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(5 * 1024**3)
    assert "has 5,368,709,120 bytes" in desk.why_not(file=path)


@pytest.mark.parametrize("change", ["grow", "shrink", "overwrite"])
def test_a_file_that_is_written_meanwhile_is_refused(desk: Desk, write: Write, change: str) -> None:
    path = write(mlp())
    os.utime(path, (0, 0))  # the clock of files is coarse

    def meanwhile() -> None:
        with path.open("r+b") as file:
            if change == "shrink":
                file.truncate(100)
            file.seek(0, os.SEEK_END if change == "grow" else os.SEEK_SET)
            file.write(b"\x08")

    said = desk.why_not(file=path, fields=FIELDS, progress=when(Stage.READ, meanwhile))
    assert said.startswith("E_CHANGED: the file changed while it was read")


def test_a_full_disk_is_told(write: Write, desk: Desk) -> None:
    """What is staged goes to a temporary folder; a limit on sizes stands for its full disk."""
    path = write(mlp(hidden=1000))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        said = desk.why_not(file=path, fields=FIELDS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert said.startswith("E_NO_SPACE")


def test_a_temporary_folder_that_is_not_there_is_told(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "sealed").mkdir(mode=0o500)
    with as_somebody(), elsewhere(tmp_path / "sealed"):
        said = desk.why_not()
    assert said.startswith("E_TEMPORARY: a file cannot be read or written: Permission denied")
    assert "set TMPDIR" in said


# -- weights beside the model


def test_weights_beside_the_model_are_published_with_it(desk: Desk, tmp_path: Path) -> None:
    path, weights = save_mapped(tmp_path / "model.onnx", 9)
    released = desk.publish(file=path, fields=FIELDS)
    (record,) = desk.releases()
    assert released.form == "mapped"
    assert {file.name: file.size for file in record.artifact.files} == {
        "model.onnx": path.stat().st_size,
        "model.onnx.data": weights.stat().st_size,
    }


def test_cut_weights_are_refused(desk: Desk, tmp_path: Path) -> None:
    path, weights = save_mapped(tmp_path / "model.onnx", 9)
    os.truncate(weights, 1_000_000)
    assert desk.why_not(file=path, fields=FIELDS).startswith("E_LOAD")


def test_weights_that_are_a_link_are_what_they_point_to(desk: Desk, tmp_path: Path) -> None:
    path, weights = save_mapped(tmp_path / "model.onnx", 9)
    weights.rename(tmp_path / "elsewhere")
    weights.symlink_to(tmp_path / "elsewhere")
    assert desk.publish(file=path, fields=FIELDS).form == "mapped"


# -- words


@pytest.mark.parametrize(
    "name",
    ["../../x", "", "x" * 300, "a\0b", "a\nb", "\x1b[31m", "a/b", "fl\u0456ghts", "e\u0301"],
)
def test_a_name_that_may_not_travel_is_refused(desk: Desk, name: str) -> None:
    assert desk.why_not(model=name).startswith("E_NAME: model ")


@pytest.mark.parametrize("version", ["", "a b", "../7", "v" * 65])
def test_a_version_that_may_not_travel_is_refused(desk: Desk, version: str) -> None:
    assert desk.why_not(version).startswith("E_VERSION")


def test_a_version_is_never_a_number(desk: Desk) -> None:
    said = desk.why_not(version=cast("str", 7))
    assert said.startswith('E_VERSION: version 7 is a number; expected a string: "7"')


def test_metadata_that_fits_no_record_is_refused(desk: Desk, tmp_path: Path) -> None:
    """Nothing is written before the whole record is known to be good."""
    labels = {f"label-{i}": "x" * 4000 for i in range(300)}
    path = save_sized(tmp_path / "large.onnx", 1)
    assert desk.why_not(file=path, fields=FIELDS, labels=labels).startswith("E_TOO_BIG")


def test_a_label_is_text(desk: Desk) -> None:
    assert desk.why_not(labels={"team": 7}).startswith("E_TYPE: label 'team' is 7")


def test_a_package_that_is_not_there_is_told(desk: Desk) -> None:
    said = desk.why_not(requirements=("no-such-package-at-all>=2",))
    assert said.startswith("E_REQUIREMENT: 'no-such-package-at-all>=2' is not installed")


def test_a_format_that_nobody_loads_is_told(desk: Desk) -> None:
    assert desk.why_not(artifact_format="pmml").startswith("E_FORMAT: no installed package")


@contextmanager
def as_somebody() -> Generator[None]:
    """Be a user who may not read everything, where the tests are run by one who may."""
    me = os.geteuid()
    if me == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if me == 0:
            os.seteuid(me)


@contextmanager
def elsewhere(folder: Path) -> Generator[None]:
    """Have temporary files go elsewhere; Python looks at TMPDIR only once."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
