"""Models of a few nodes."""

from collections.abc import Mapping, Sequence

import onnx
from onnx import TensorProto, helper

FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, tuple[int, Sequence[int | str | None] | None]],
    outputs: Mapping[str, tuple[int, Sequence[int | str | None] | None]],
    weights: Sequence[onnx.TensorProto] = (),
) -> bytes:
    """Return a model of `nodes`; inputs and outputs are (element type, shape) by name."""
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info(name, *kind) for name, kind in inputs.items()],
        [helper.make_tensor_value_info(name, *kind) for name, kind in outputs.items()],
        initializer=list(weights),
    )
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("com.microsoft", 1)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    content: bytes = made.SerializeToString()
    return content


def one_node(operator: str) -> bytes:
    """Return y = operator(x) over float vectors."""
    return model(
        [helper.make_node(operator, ["x"], ["y"])],
        {"x": (FLOAT, [None])},
        {"y": (FLOAT, [None])},
    )


def weights_elsewhere(location: str) -> bytes:
    """Return y = x + w, whose w of 4 lies in the file `location`."""
    weights = TensorProto(name="w", data_type=FLOAT, dims=[4])
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=location)
    return model(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        {"x": (FLOAT, [None, 4])},
        {"y": (FLOAT, [None, 4])},
        [weights],
    )


def square(location: str, side: int) -> bytes:
    """Return y = x · w, whose w of side · side lies in the file `location`."""
    weights = TensorProto(name="w", data_type=FLOAT, dims=[side, side])
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=location)
    return model(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        {"x": (FLOAT, [None, side])},
        {"y": (FLOAT, [None, side])},
        [weights],
    )
