"""A plain Python class as a model: of an installed package, named there, and allowed here."""

import gc
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Protocol

import numpy as np

from modelwire.loading import wire
from modelwire.loading.formats import LoadOptions, Run
from modelwire.loading.tensors import Array
from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import Artifact, Tensor

GROUP = "modelwire.models"
"""The entry-point group in which a package names its model classes."""

CARD = "model.json"
"""The artifact's file that says which class runs it, and what that takes and gives."""


class PythonModelClass(Protocol):
    """What a model class offers: it is made from the artifact's files, and predicts batches."""

    def __init__(self, artifacts: Mapping[str, Path]) -> None: ...

    def predict(self, batch: Mapping[str, Array]) -> Mapping[str, Array]:
        """Return the outputs by name for inputs by name; the first axis is the batch."""
        ...


@dataclass(frozen=True, slots=True)
class Card:
    """What `model.json` says: the entry point's name, never a path to code; the signature."""

    entry_point: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


class PythonFormat:
    """Loads artifacts with a `model.json` by the class that it names."""

    name = "python"

    @property
    def runtime(self) -> str:
        """Return Python's version and those of all packages that offer model classes."""
        offered = {_package(point) for point in entry_points(group=GROUP)}
        return "; ".join([f"python {platform.python_version()}", *sorted(offered)])

    def load(self, folder: Path, artifact: Artifact, options: LoadOptions) -> "PythonModel":
        """Make the class that the card names from the artifact's files.

        Raises Rejected `E_LOAD` for a bad card, `E_NOT_ALLOWED` for a class that the application
        has not allowed, `E_REQUIREMENT` for one that is not installed.
        """
        card = _card(folder)
        if card.entry_point not in options.allowed_models:
            raise Rejected(
                "E_NOT_ALLOWED",
                f"model class {card.entry_point!r} is not allowed in this application",
                expected="one of " + (", ".join(options.allowed_models) or "none"),
                todo="allow it where the application connects",
            )
        found = entry_points(group=GROUP, name=card.entry_point)
        if not found:
            raise Rejected(
                "E_REQUIREMENT",
                f"no installed package offers model class {card.entry_point!r}",
                todo="install its package where the model runs",
            )
        files = {file.name: folder / file.name for file in artifact.files if file.name != CARD}
        made: PythonModelClass = next(iter(found)).load()(files)
        return PythonModel(made, card, artifact)


class PythonModel:
    """An instance of a model class; see `formats.Model`."""

    def __init__(self, model: PythonModelClass, card: Card, artifact: Artifact) -> None:
        self.inputs = card.inputs
        self.outputs = card.outputs
        self.resident = artifact.size
        self.fast: Run = self.run
        self._model: PythonModelClass | None = model

    def run(self, feed: Mapping[str, Array]) -> list[Array]:
        """Return the outputs for a feed, in the order of `outputs`."""
        if self._model is None:
            raise ValueError("the model is closed")
        given = self._model.predict(feed)
        return [np.asarray(given[tensor.name]) for tensor in self.outputs]

    def close(self) -> None:
        """Drop the instance; what it holds is its own business."""
        self._model = None
        gc.collect()


def _card(folder: Path) -> Card:
    try:
        return wire.unpack(Card, (folder / CARD).read_bytes())
    except (OSError, ValueError) as error:
        raise Rejected(
            "E_LOAD",
            f"{CARD} cannot be read: {error}",
            expected='{"entry_point": "name", "inputs": [...], "outputs": [...]}',
        ) from None


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.name
