"""Small models, and the artifacts and releases around them."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from modelwire.loading.cache import Cache
from modelwire.loading.fetch import fetch
from modelwire.loading.tensors import Array
from modelwire_schemas.release import (
    Artifact,
    ArtifactFile,
    Contract,
    ReleasePublished,
    Tensor,
    manifest_digest,
)

FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING

MLP_CONTRACT = Contract(
    inputs=(Tensor("features", "float32", (None, 4)),),
    outputs=(Tensor("late", "float32", (None,)),),
    feeds=(),
)
"""What `good.mlp()` takes and gives."""


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


def artifact(files: Mapping[str, bytes], form: str = "packed", kind: str = "onnx") -> Artifact:
    """Return the artifact of these files, by value."""
    listed = tuple(
        ArtifactFile(name, len(data), hashlib.sha256(data).hexdigest())
        for name, data in files.items()
    )
    digest = manifest_digest(kind, form, listed)
    return Artifact(kind, form, digest, listed, inline=tuple(files.values()))


def release(made: Artifact, contract: Contract = MLP_CONTRACT) -> ReleasePublished:
    """Return a release of the artifact."""
    return ReleasePublished("flights-late", "1", made, contract)


def stored(cache: Cache, data: bytes) -> tuple[Path, Artifact]:
    """Put a model of one file into the cache; return its folder and artifact."""
    made = artifact({"model.onnx": data})
    return fetch(release(made), None, "artifacts", cache), made


def rows(seed: int = 0, count: int = 3) -> Array:
    """Return rows for `good.mlp()`."""
    made: Array = np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)
    return made
