"""A version that is warm: what the event path holds while it runs one."""

import threading
from collections.abc import Mapping
from typing import cast

from modelwire.loading.formats import Model
from modelwire.reporting.counters import Counter, Tally
from modelwire.serving.features import Features
from modelwire.serving.slots import Inputs
from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import Contract
from modelwire_schemas.routing import ModelVersion

BREAK_AFTER = 50
"""Runs that may fail before a version is cut off and the ladder goes on below it."""


class Servable:
    """A loaded, warm version. Its own reference count is the count of its borrowers.

    Snapshots and running predictions refer to it; when the last one lets go, the shelf closes the
    model in its own thread. `run_ns` is how long a run of one row took when it was warmed.
    """

    __slots__ = (
        "__weakref__",
        "_counting",
        "_failing",
        "_in_batches",
        "_singles",
        "contract",
        "digest",
        "errors",
        "fast",
        "features",
        "model",
        "names",
        "one",
        "run_ns",
        "tick",
        "version",
    )

    def __init__(
        self,
        version: ModelVersion,
        digest: str,
        contract: Contract,
        model: Model,
        features: Features,
        run_ns: int = 0,
    ) -> None:
        self.version = version
        self.digest = digest
        self.contract = contract
        self.model = model
        self.fast = model.fast
        self.features = features
        self.one = self.features.one
        self.names = tuple(tensor.name for tensor in model.outputs)
        self.run_ns = run_ns
        self._singles = Counter()
        self.tick = self._singles.tick
        self._in_batches = 0
        self._counting = threading.Lock()
        self.errors = Tally()
        self._failing = Counter()

    @property
    def broken(self) -> bool:
        """Whether it has raised so often that others answer in its place."""
        return self._failing.value() >= BREAK_AFTER

    def feed(self, event: object) -> Inputs:
        """Return one event, a mapping of fields or an array, as the model's inputs."""
        if isinstance(event, Mapping):
            return self.features.one(cast("Mapping[str, object]", event))
        return self.features.array(event)

    def count(self, rows: int) -> None:
        """Count the predictions of a batch."""
        with self._counting:
            self._in_batches += rows

    def predictions(self) -> int:
        """Return how many events it has answered; for one reading thread."""
        return self._singles.value() + self._in_batches

    def failed(self, error: Exception) -> Rejected:
        """Count a run that raised, and return what to tell of it."""
        self._failing.tick()
        self.errors.add("E_MODEL")
        return Rejected(
            "E_MODEL",
            f"{self.version.model} {self.version.version} raised {type(error).__name__}: {error}",
        )
