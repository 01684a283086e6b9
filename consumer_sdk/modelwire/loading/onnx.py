"""ONNX models through onnxruntime: only the artifact's own files, one thread, no telemetry."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from modelwire.loading import memory
from modelwire.loading.formats import LoadOptions, Run, out_of_memory, told
from modelwire.loading.tensors import Array
from modelwire_schemas.errors import ModelwireError, Rejected, Unavailable
from modelwire_schemas.release import Artifact, Tensor

TINY = (
    b'\x08\x08:3\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01g'
    b"Z\r\n\x01x\x12\x08\n\x06\x08\x01\x12\x02\n\x00"
    b"b\r\n\x01y\x12\x08\n\x06\x08\x01\x12\x02\n\x00B\x04\n\x00\x10\r"
)
"""A whole model of one node, y = x: it warms the runtime and shows how that behaves."""

_DTYPES = {
    "bool": "bool",
    "double": "float64",
    "float": "float32",
    "float16": "float16",
    "string": "string",
} | {f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}


def onnxruntime() -> Any:  # noqa: ANN401 - the library ships no types
    """Return onnxruntime, imported at first use with its telemetry switched off.

    It reports home and leaves files in the user's cache folder unless told before its import.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime as runtime

    return runtime


class OnnxFormat:
    """Loads the one `.onnx` file of an artifact, and the weights beside it that it names."""

    name = "onnx"

    @property
    def runtime(self) -> str:
        """Return the runtime's name and version."""
        return f"onnxruntime {installed_version()}"

    def load(self, folder: Path, artifact: Artifact, options: LoadOptions) -> "OnnxModel":
        """Load from the file's path: bytes would hold the interpreter lock and stay in memory.

        Raises Rejected `E_LOAD`, `E_PROVIDER` or `E_CONTRACT`, Unavailable `E_NO_MEMORY`.
        """
        graph = folder / graph_file(artifact)
        try:
            session = onnxruntime().InferenceSession(
                str(graph), session_options(folder, artifact, options), ["CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime raises a dozen types of its own
            raise refusal(error, graph.name) from None
        return OnnxModel(session, folder, artifact, options)


class OnnxModel:
    """A session and what it says of itself; see `formats.Model`."""

    def __init__(
        self,
        session: Any,  # noqa: ANN401
        folder: Path,
        artifact: Artifact,
        options: LoadOptions,
    ) -> None:
        self.inputs = tuple(_tensor("input", node) for node in session.get_inputs())
        self.outputs = _outputs(session.get_outputs(), options.outputs)
        self.resident = artifact.size
        self._names = [tensor.name for tensor in self.outputs]
        self._session: Any = session
        self._mapped = [folder / file.name for file in artifact.files]
        self.fast: Run = self._quickest()

    def run(self, feed: Mapping[str, Array]) -> list[Array]:
        """Return the outputs for a feed, in the order of `outputs`."""
        session = self._session
        if session is None:
            return _closed(feed)
        answer: list[Array] = session.run(self._names, feed)
        return answer

    def close(self) -> None:
        """Advise the mapped pages away, then drop the session; nobody may be running it."""
        if self._session is None:
            return
        memory.release_mapped(self._mapped)
        self._session, self.fast = None, _closed
        memory.trim()

    def _quickest(self) -> Run:
        if not inner_run_works():
            return self.run
        inner = self._session._sess.run  # noqa: SLF001 - 1.4 µs quicker than the public one
        names, width, checked = self._names, len(self.inputs), self.run

        def fast(feed: Mapping[str, Array]) -> list[Array]:
            # A missing input is not found by the inner call, an unknown one is.
            if len(feed) != width:
                return checked(feed)
            answer: list[Array] = inner(names, feed, None)
            return answer

        return fast


def _closed(feed: Mapping[str, Array]) -> list[Array]:
    raise ValueError(f"the model is closed: {', '.join(feed)}")


def graph_file(artifact: Artifact) -> str:
    """Return the name of the artifact's one graph; raises Rejected `E_LOAD` if it is not one."""
    names = [file.name for file in artifact.files if file.name.endswith(".onnx")]
    if len(names) != 1:
        raise Rejected(
            "E_LOAD", f"the artifact has {len(names)} .onnx files", expected="exactly one graph"
        )
    return names[0]


def session_options(folder: Path, artifact: Artifact, options: LoadOptions) -> Any:  # noqa: ANN401
    """Return how a session is made: quiet, unspun, ONNX only, weights from `folder` only."""
    settings = onnxruntime().SessionOptions()
    settings.log_severity_level = 4
    settings.intra_op_num_threads = options.threads
    settings.inter_op_num_threads = 1
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    settings.add_session_config_entry("session.load_model_format", "ONNX")
    settings.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(folder)
    )
    if artifact.form == "mapped":
        # Packing would copy the weights; without it they stay in the page cache.
        settings.add_session_config_entry("session.disable_prepacking", "1")
    return settings


def refusal(error: Exception, where: str) -> ModelwireError:
    """Return what the runtime's error means, as one of ours."""
    text = told(error)
    if out_of_memory(error):
        return Unavailable("E_NO_MEMORY", f"there is no memory for it: {text}", where=where)
    if "Could not find an implementation" in text or "provider" in text.lower():
        return Rejected("E_PROVIDER", text, where=where, expected="kernels of the CPU provider")
    return Rejected("E_LOAD", text, where=where, expected="a model that onnxruntime loads")


@cache
def installed_version() -> str:
    """Return the version of onnxruntime without importing it, where its package tells."""
    for package in ("onnxruntime", "onnxruntime-gpu"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            return metadata.version(package)
    return str(onnxruntime().__version__)


@cache
def inner_run_works() -> bool:
    """Tell whether the private run below the public one is there and answers alike."""
    import numpy as np

    session = tiny_session()
    feed = {"x": np.array([1.5, -2.0], dtype=np.float32)}
    try:
        inner = session._sess.run(["y"], feed, None)  # noqa: SLF001
    except (AttributeError, TypeError):
        return False
    return bool(np.array_equal(inner[0], session.run(["y"], feed)[0]))


def tiny_session() -> Any:  # noqa: ANN401
    """Return a session of the smallest model."""
    settings = onnxruntime().SessionOptions()
    settings.log_severity_level = 4
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    return onnxruntime().InferenceSession(TINY, settings, ["CPUExecutionProvider"])


def _outputs(nodes: Sequence[Any], wanted: Sequence[str]) -> tuple[Tensor, ...]:
    """Return the wanted outputs, or all that are tensors."""
    given = {node.name: node for node in nodes}
    lost = [name for name in wanted if name not in given]
    if lost:
        there = ", ".join(given)
        raise Rejected("E_CONTRACT", f"the model has no output {lost[0]!r}", expected=there)
    tensors = [name for name, node in given.items() if node.type.startswith("tensor(")]
    return tuple(_tensor("output", given[name]) for name in wanted or tensors)


def _tensor(kind: str, node: Any) -> Tensor:  # noqa: ANN401
    inside = node.type.removeprefix("tensor(").removesuffix(")")
    if inside not in _DTYPES:
        raise Rejected(
            "E_CONTRACT",
            f"{kind} {node.name!r} is a {node.type}",
            expected="a tensor of numbers, bool or text",
            todo="export the model with another type (zipmap=False for scikit-learn)",
        )
    shape = tuple(size if isinstance(size, int) and size >= 0 else None for size in node.shape)
    return Tensor(node.name, _DTYPES[inside], shape)
