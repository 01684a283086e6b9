"""Files that call themselves models and are not: each as bytes, with what becomes of it."""

import io
import pickle
import zipfile
from collections.abc import Callable, Mapping
from enum import Enum

import numpy as np
import onnx
from examples.flights.bad_files import WEB_PAGE, bomb as bomb_with
from onnx import NodeProto, TensorProto, helper

from tests.models.good import bytes_of, constant, mlp, model_of, slow, take_features


class Fate(Enum):
    """What becomes of a process that loads the file with onnxruntime and runs it once."""

    REFUSED = "onnxruntime raises while it loads the file"
    KILLED_AT_LOAD = "SIGFPE while it loads the file"
    KILLED_AT_RUN = "SIGFPE while it runs"
    HANGS_AT_LOAD = "does not come back from loading"
    HANGS_AT_RUN = "does not come back from running"
    EATS_MEMORY = "takes gigabytes while it loads or runs"
    ANSWERS_NAN = "runs and answers NaN"


def bomb(features: int = 4) -> bytes:
    """Kill the process that loads it: two constants whose quotient raises SIGFPE."""
    return bytes_of(bomb_with([take_features(features)]))


def bomb_at_run() -> bytes:
    """Kill the process that runs it: as `bomb`, but the quotient is known only with an input.

    It takes int64 `features` of shape [n, 1] and is harmless as long as nobody sends the lowest.
    """
    number = helper.make_tensor_value_info("features", TensorProto.INT64, ["n", 1])
    nodes = [
        constant("minus_one", np.array([-1], np.int64)),
        constant("axis", np.array([1], np.int64)),
        helper.make_node("Squeeze", ["features", "axis"], ["column"]),
        helper.make_node("Div", ["column", "minus_one"], ["quotient"]),
        helper.make_node("Cast", ["quotient"], ["late"], to=TensorProto.FLOAT),
    ]
    return bytes_of(model_of(nodes, [number]))


def hang_at_load(levels: int = 30) -> bytes:
    """Hang the process that loads it: each function calls the next one twice, to be inlined."""
    functions = [
        helper.make_function(
            "bomb",
            f"level_{level}",
            ["x"],
            ["y"],
            [call(level + 1, levels, "x", "half"), call(level + 1, levels, "half", "y")],
            [helper.make_opsetid("", 17), helper.make_opsetid("bomb", 1)],
        )
        for level in range(levels)
    ]
    model = model_of([call(0, levels, "features", "late")], [take_features(1)], opsets={"bomb": 1})
    model.functions.extend(functions)
    return bytes_of(model)


def call(level: int, levels: int, source: str, target: str) -> NodeProto:
    """Return a call of the function of this level, or what the last level does."""
    if level == levels:
        return helper.make_node("Neg", [source], [target])
    return helper.make_node(f"level_{level}", [source], [target], domain="bomb")


def hang_at_run() -> bytes:
    """Hang the process that runs it: a loop of 2^62 rounds."""
    return slow(2**62)


def memory(gigabytes: int = 64) -> bytes:
    """Ask for `gigabytes` of memory in some 300 bytes."""
    shape = np.array([gigabytes << 28], np.int64)  # float32: 4 bytes each
    nodes = [
        constant("shape", shape),
        helper.make_node("ConstantOfShape", ["shape"], ["huge"]),
        constant("axis", np.array([1], np.int64)),
        helper.make_node("ReduceSum", ["features", "axis"], ["total"], keepdims=0),
        helper.make_node("ReduceMax", ["huge"], ["most"], keepdims=0),
        helper.make_node("Add", ["total", "most"], ["late"]),
    ]
    return bytes_of(model_of(nodes, [take_features(4)]))


def nan(features: int = 4) -> bytes:
    """Answer NaN to every row: 0 / 0."""
    nodes = [
        constant("axis", np.array([1], np.int64)),
        helper.make_node("ReduceSum", ["features", "axis"], ["total"], keepdims=0),
        helper.make_node("Sub", ["total", "total"], ["nought"]),
        helper.make_node("Div", ["nought", "nought"], ["late"]),
    ]
    return bytes_of(model_of(nodes, [take_features(features)]))


def foreign_weights(location: str = "../../etc/passwd") -> bytes:
    """Name a file outside of the model's folder as its weights."""
    weight = TensorProto(name="weight", data_type=TensorProto.FLOAT, dims=[4])
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "16")):
        weight.external_data.add(key=key, value=value)
    node = helper.make_node("MatMul", ["features", "weight"], ["late"])
    return bytes_of(model_of([node], [take_features(4)], [weight]))


def unknown_operator() -> bytes:
    """Use an operator that no runtime has."""
    node = helper.make_node("Foretell", ["features"], ["late"], domain="com.example")
    return bytes_of(model_of([node], [take_features(4)], opsets={"com.example": 1}))


def future_opset() -> bytes:
    """Be written for a later ONNX than there is."""
    model = onnx.load_from_string(mlp(4))
    model.opset_import[0].version = 9_999
    return bytes_of(model)


def truncated() -> bytes:
    """Be the first two thirds of a good model."""
    whole = mlp(4)
    return whole[: len(whole) * 2 // 3]


def lfs_pointer() -> bytes:
    """Be what git checks out where git-lfs is not installed."""
    return (
        b"version https://git-lfs.github.com/spec/v1\n"
        b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
        b"size 12345\n"
    )


def pickled() -> bytes:
    """Be a pickle, as of a scikit-learn model."""
    return pickle.dumps({"coef_": [0.1, 0.2], "intercept_": 0.3})


def zipped() -> bytes:
    """Be a zip archive with a good model inside."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("model.onnx", mlp(4))
    return target.getvalue()


def web_page() -> bytes:
    """Be the sign-in page that came instead of the model."""
    return WEB_PAGE


def empty() -> bytes:
    """Be nothing at all."""
    return b""


Case = tuple[Callable[[], bytes], Fate]

CASES: Mapping[str, Case] = {
    "bomb": (bomb, Fate.KILLED_AT_LOAD),
    "bomb-at-run": (bomb_at_run, Fate.KILLED_AT_RUN),
    "hang-at-load": (hang_at_load, Fate.HANGS_AT_LOAD),
    "hang-at-run": (hang_at_run, Fate.HANGS_AT_RUN),
    "memory": (memory, Fate.EATS_MEMORY),
    "nan": (nan, Fate.ANSWERS_NAN),
    "foreign-weights": (foreign_weights, Fate.REFUSED),
    "unknown-operator": (unknown_operator, Fate.REFUSED),
    "future-opset": (future_opset, Fate.REFUSED),
    "truncated": (truncated, Fate.REFUSED),
    "lfs-pointer": (lfs_pointer, Fate.REFUSED),
    "pickle": (pickled, Fate.REFUSED),
    "zip": (zipped, Fate.REFUSED),
    "web-page": (web_page, Fate.REFUSED),
    "empty": (empty, Fate.REFUSED),
}
