"""Good models as ONNX bytes: input float32 `features` [n, k], output float32 `late` [n]."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, ValueInfoProto, external_data_helper, helper, numpy_helper

WIDTH = 1024  # of the layers of a sized model: 4 MiB of float32 each


def model_of(
    nodes: Sequence[NodeProto],
    inputs: Sequence[ValueInfoProto],
    weights: Sequence[TensorProto] = (),
    *,
    outputs: Mapping[str, int] | None = None,
    opsets: Mapping[str, int] | None = None,
) -> onnx.ModelProto:
    """Return a model of these nodes, with `outputs` (name → type; `late` if none given) of [n]."""
    named = outputs or {"late": TensorProto.FLOAT}
    graph = helper.make_graph(
        nodes,
        "test",
        inputs,
        [helper.make_tensor_value_info(name, kind, ["n"]) for name, kind in named.items()],
        weights,
    )
    domains = {"": 17, **(opsets or {})}
    imports = [helper.make_opsetid(domain, version) for domain, version in domains.items()]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def bytes_of(model: onnx.ModelProto) -> bytes:
    """Return `model` as the bytes of its file."""
    return bytes(model.SerializeToString())


def take_features(k: int) -> ValueInfoProto:
    """Return the input `features`, float32 of shape [n, k]."""
    return helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", k])


def constant(name: str, value: NDArray[np.generic]) -> NodeProto:
    """Return a node whose output `name` is `value`."""
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))


def weight(name: str, *shape: int, seed: int = 0) -> TensorProto:
    """Return float32 weights that keep the size of what passes through them."""
    drawn = np.random.default_rng(seed).standard_normal(shape, np.float32)
    return numpy_helper.from_array(drawn / np.float32(np.sqrt(shape[0])), name)


def mlp(k: int = 4, *, hidden: int = 16, seed: int = 0) -> bytes:
    """Return a small network: k features, one hidden layer, a probability. About 1 kB.

    Other seeds give other answers.
    """
    nodes = [
        helper.make_node("MatMul", ["features", "w1"], ["h"]),
        helper.make_node("Tanh", ["h"], ["active"]),
        helper.make_node("MatMul", ["active", "w2"], ["score"]),
        helper.make_node("Sigmoid", ["score"], ["late"]),
    ]
    weights = [weight("w1", k, hidden, seed=seed), weight("w2", hidden, seed=seed + 1)]
    return bytes_of(model_of(nodes, [take_features(k)], weights))


def constant_answer(value: float, k: int = 4) -> bytes:
    """Return a model that answers `value` to every row."""
    nodes = [*rows_of("features"), *repeated("late", np.array([value], np.float32))]
    return bytes_of(model_of(nodes, [take_features(k)]))


def with_version_id(version_id: int, k: int = 4) -> bytes:
    """Return a model that says who it is: `late` is the row's mean, `version_id` int64 its own id.

    Both have shape [n], so a mixture of versions in a batch shows.
    """
    nodes = [
        helper.make_node("ReduceMean", ["features"], ["late"], axes=[1], keepdims=0),
        *rows_of("features"),
        *repeated("version_id", np.array([version_id], np.int64)),
    ]
    outputs = {"late": TensorProto.FLOAT, "version_id": TensorProto.INT64}
    return bytes_of(model_of(nodes, [take_features(k)], outputs=outputs))


def rows_of(source: str) -> list[NodeProto]:
    """Return nodes whose output `rows` is [n], n being the rows of `source`."""
    return [helper.make_node("Shape", [source], ["rows"], start=0, end=1)]


def repeated(name: str, value: NDArray[np.generic]) -> list[NodeProto]:
    """Return nodes whose output `name` repeats `value` for each of the `rows`."""
    source = f"{name}_of_a_row"
    return [constant(source, value), helper.make_node("Expand", [source, "rows"], [name])]


def slow(rounds: int, k: int = 4) -> bytes:
    """Return a model whose run takes about `rounds` times 2 µs at one row, in one loop.

    It answers the sigmoid of the row's sum, taken `rounds` + 1 times.
    """
    body = helper.make_graph(
        [
            helper.make_node("Add", ["so_far", "total"], ["next"]),
            helper.make_node("Identity", ["go_on"], ["go_on_then"]),
        ],
        "round",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("so_far", TensorProto.FLOAT, ["n"]),
        ],
        [
            helper.make_tensor_value_info("go_on_then", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, ["n"]),
        ],
    )
    nodes = [
        constant("axis", np.array([1], np.int64)),
        helper.make_node("ReduceSum", ["features", "axis"], ["total"], keepdims=0),
        constant("rounds", np.array(rounds, np.int64)),
        constant("always", np.array(1, np.bool_)),
        helper.make_node("Loop", ["rounds", "always", "total"], ["sum"], body=body),
        helper.make_node("Sigmoid", ["sum"], ["late"]),
    ]
    return bytes_of(model_of(nodes, [take_features(k)]))


def sized(megabytes: int, k: int = 4, *, seed: int = 0) -> onnx.ModelProto:
    """Return a dense float32 model of at least `megabytes` (10^6 bytes) of weights.

    It is k → 1024 → … → 1024 → 1; each layer between holds 4.19 MB, so that the mapped form has
    few and large tensors.
    """
    layers = -(-megabytes * 1_000_000 // (WIDTH * WIDTH * 4))
    weights = [weight("first", k, WIDTH, seed=seed)]
    nodes = [helper.make_node("MatMul", ["features", "first"], ["x0"])]
    for layer in range(layers):
        weights.append(weight(f"w{layer}", WIDTH, WIDTH, seed=seed + layer))
        nodes.append(helper.make_node("MatMul", [f"x{layer}", f"w{layer}"], [f"m{layer}"]))
        nodes.append(helper.make_node("Tanh", [f"m{layer}"], [f"x{layer + 1}"]))
    weights.append(weight("last", WIDTH, seed=seed))
    nodes.append(helper.make_node("MatMul", [f"x{layers}", "last"], ["score"]))
    nodes.append(helper.make_node("Sigmoid", ["score"], ["late"]))
    return model_of(nodes, [take_features(k)], weights)


def save_sized(path: Path, megabytes: int, k: int = 4, *, seed: int = 0) -> Path:
    """Write a sized model as one file and return its path."""
    path.write_bytes(bytes_of(sized(megabytes, k, seed=seed)))
    return path


def save_mapped(path: Path, megabytes: int, k: int = 4, *, seed: int = 0) -> tuple[Path, Path]:
    """Write a sized model in the mapped form; return the graph's path and the weights' path.

    The weights lie beside the graph as `<path's name>.data`.
    """
    model = sized(megabytes, k, seed=seed)
    weights = path.with_name(path.name + ".data")
    external_data_helper.convert_model_to_external_data(
        model, location=weights.name, size_threshold=1 << 20
    )
    onnx.save_model(model, path)
    weights.chmod(0o644)  # it is written for its owner alone
    return path, weights
