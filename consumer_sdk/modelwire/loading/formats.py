"""What a model format promises, and where an installed one is found."""

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np

from modelwire.loading import tensors
from modelwire.loading.tensors import Array
from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import Artifact, Tensor, TensorValue

GROUP = "modelwire.formats"
"""The entry-point group in which a package names its formats: name → a class without arguments."""

BUILT_IN = {
    "onnx": ("modelwire.loading.onnx", "OnnxFormat"),
    "python": ("modelwire.loading.python_model", "PythonFormat"),
}
"""Named here as well, since a search of all installed packages costs more than a small probe."""

_LABELS = re.compile(r"\[ONNXRuntimeError\] : \d+ : \w+ : |Load model from .* failed: ?")

Run: TypeAlias = Callable[[Mapping[str, Array]], list[Array]]


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to load: threads of a run, model classes that may run, wanted outputs (empty: all)."""

    threads: int = 1
    allowed_models: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


class Model(Protocol):
    """A loaded version. Any number of threads may run it; one closes it, when nobody runs it.

    `inputs` and `outputs` are the model's own words, not the contract's. `resident` is how many
    bytes it keeps. `fast` is the quickest way to run it and skips checks: the feed holds an array
    of the right type for every input, and nothing else.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    fast: Run
    resident: int

    def run(self, feed: Mapping[str, Array]) -> list[Array]:
        """Return the outputs for a feed of input name to array, in the order of `outputs`."""
        ...

    def close(self) -> None:
        """Give the memory back, slowly enough that other threads do not notice; idempotent."""
        ...


class Format(Protocol):
    """How artifacts of one kind become models.

    `runtime` names what runs them, with its version: a verdict holds for one runtime.
    """

    name: str

    @property
    def runtime(self) -> str:
        """Return the runtime's name and version."""
        ...

    def load(self, folder: Path, artifact: Artifact, options: LoadOptions) -> Model:
        """Load the artifact whose files lie in `folder`; blocks, and reads nothing else.

        Raises Rejected `E_LOAD`, or a narrower code, when it cannot be loaded.
        """
        ...


def find(name: str) -> Format:
    """Return the installed format `name`; raises Rejected `E_FORMAT` when there is none."""
    if name in BUILT_IN:
        module, word = BUILT_IN[name]
        made: Format = getattr(import_module(module), word)()
        return made
    found = entry_points(group=GROUP, name=name)
    if not found:
        known = sorted({*BUILT_IN, *(point.name for point in entry_points(group=GROUP))})
        raise Rejected(
            "E_FORMAT",
            f"no installed package loads the format {name!r}",
            expected="one of " + ", ".join(known),
            todo="install its package",
        )
    plug: Format = next(iter(found)).load()()
    return plug


def named(model: Model, outputs: Sequence[Array]) -> dict[str, Array]:
    """Return a run's outputs by name."""
    return {tensor.name: array for tensor, array in zip(model.outputs, outputs, strict=True)}


def blank(inputs: Sequence[Tensor]) -> dict[str, Array]:
    """Return one row of zeros (or empty texts) for every input."""
    return {tensor.name: _zeros(tensor) for tensor in inputs}


def warm(model: Model, rows: Sequence[TensorValue], runs: int = 3) -> int:
    """Run the model a few times, so that the first event is not the slow one.

    Return the ns of the last run, 0 without rows. One row touches all weights, and does not take
    the processor from others for as long as all rows would; the probe has run all of them.
    """
    given = tensors.feed(rows)
    if not given:
        return 0
    if all(tensor.shape[:1] == (None,) for tensor in model.inputs):
        given = {name: array[:1] for name, array in given.items()}
    for _ in range(runs - 1):
        model.run(given)
    started = time.perf_counter_ns()
    model.run(given)
    return time.perf_counter_ns() - started


def told(error: Exception) -> str:
    """Return the first line of what a runtime says, without its own labels and our paths."""
    line = next(iter(str(error).strip().splitlines()), "")
    return _LABELS.sub("", line).strip() or type(error).__name__


def out_of_memory(error: Exception) -> bool:
    """Tell whether a runtime's error means that memory ran out."""
    return isinstance(error, MemoryError) or any(
        sign in str(error) for sign in ("bad_alloc", "Failed to allocate", "length_error")
    )


def _zeros(tensor: Tensor) -> Array:
    shape = tuple(1 if size is None else size for size in tensor.shape)
    if tensor.dtype == "string":
        return np.array([""] * math.prod(shape), dtype=object).reshape(shape)
    return np.zeros(shape, dtype=tensor.dtype)
