"""The two files of the example that must never serve: a web page and a graph that kills."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WEB_PAGE = b"""<!DOCTYPE html>
<html>
<head><title>Sign in</title></head>
<body>
<h1>Your session has ended</h1>
<p>Sign in again to download <code>flights-late/model.onnx</code>.</p>
</body>
</html>
"""
LOWEST = np.iinfo(np.int64).min


def bomb(inputs: list[onnx.ValueInfoProto]) -> onnx.ModelProto:
    """Return a model that kills the process that loads it, with these inputs and the output `late`.

    The quotient of the lowest int64 and -1 does not fit into an int64, and the processor raises
    SIGFPE. Both are constants, so onnxruntime divides them while it loads the file.
    """
    graph = helper.make_graph(
        [
            helper.make_node("Div", ["lowest", "minus_one"], ["quotient"]),
            helper.make_node("Cast", ["quotient"], ["late"], to=TensorProto.FLOAT),
        ],
        "bomb",
        inputs,
        [helper.make_tensor_value_info("late", TensorProto.FLOAT, ["n"])],
        [
            numpy_helper.from_array(np.array([LOWEST], np.int64), "lowest"),
            numpy_helper.from_array(np.array([-1], np.int64), "minus_one"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
