"""A version that is warm: what the event path holds while it runs one."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np

from modelwire.control.state import Release
from modelwire.loading.formats import Model
from modelwire.reporting.calls import Answered, Who, who
from modelwire.reporting.counters import Tally
from modelwire.serving.answer import Provenance
from modelwire.serving.arrays import several_rows
from modelwire.serving.features import Features, compile_features
from modelwire.serving.slots import Inputs
from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import Contract
from modelwire_schemas.routing import ModelVersion

logger = logging.getLogger("modelwire.serving")

BREAK_AFTER = 50
"""Runs that may fail in a row before a version is cut off and the ladder goes on below it."""

CUT_OFF_S = 60.0
"""Seconds after which a version that was cut off is tried again, with one event."""


class Servable:
    """A loaded, warm version. Its own reference count is the count of its borrowers.

    Snapshots and running predictions refer to it; when the last one lets go, the shelf closes the
    model in its own thread. `run_ns` is how long a run of one row took when it was warmed.
    """

    __slots__ = (
        "__weakref__",
        "_answered_then",
        "_called",
        "_collected",
        "_counting",
        "_cut_off_until",
        "_in_a_row",
        "_streamed",
        "array",
        "contract",
        "count",
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
        self.one: Callable[[Any], Inputs] = self.features.one
        self.array: Callable[[Any], Inputs] = self.features.array
        self.names = tuple(tensor.name for tensor in model.outputs)
        self.run_ns = run_ns
        self._streamed = Answered()
        self.count = self._streamed.add
        self.tick = self._streamed.tick
        self._called: dict[Who, Answered] = {}
        self._collected: dict[Who, int] = {}
        self._counting = threading.Lock()
        self.errors = Tally()
        self._in_a_row = 0
        self._answered_then = -1
        self._cut_off_until = 0.0

    @property
    def broken(self) -> bool:
        """Whether it has raised so often in a row that others answer in its place."""
        return self._in_a_row >= BREAK_AFTER and time.monotonic() < self._cut_off_until

    def feed(self, event: Any) -> Inputs:  # noqa: ANN401
        """Return one event, a mapping of fields or an array of one row, as the model's inputs."""
        if isinstance(event, np.ndarray):  # asked first, since it is quicker to learn
            inputs = self.array(event)
            (rows,) = inputs.values()
            if len(rows) != 1:
                raise several_rows(len(rows))
            return inputs
        if isinstance(event, Mapping):
            return self.features.one(cast("Mapping[str, object]", event))
        return self.array(event)

    def called(self, told: Provenance) -> Answered:
        """Return what counts answers that an application called for, by where they belong."""
        belongs = who(told)
        found = self._called.get(belongs)
        if found is None:
            with self._counting:
                found = self._called.setdefault(belongs, Answered())
        return found

    def collect(self) -> list[tuple[Who, int]]:
        """Return how many answers were called for since this was asked last."""
        with self._counting:
            counts = {belongs: answered.value() for belongs, answered in self._called.items()}
            before, self._collected = self._collected, counts
        more = ((belongs, count - before.get(belongs, 0)) for belongs, count in counts.items())
        return [(belongs, count) for belongs, count in more if count]

    def predictions(self) -> int:
        """Return how many events it has answered."""
        with self._counting:
            called = sum(answered.value() for answered in self._called.values())
        return self._streamed.value() + called

    def failed(self, error: Exception) -> Rejected:
        """Count a run that raised, and return what to tell of it."""
        answered = self.predictions()
        with self._counting:
            in_a_row = self._in_a_row + 1 if answered == self._answered_then else 1
            self._in_a_row, self._answered_then = in_a_row, answered
            self._cut_off_until = time.monotonic() + CUT_OFF_S
        self.errors.add("E_MODEL")
        if in_a_row == BREAK_AFTER:
            told = (self.version.model, self.version.version, in_a_row, str(error))
            logger.warning("%s %s raised %d times in a row and is cut off: %s", *told)
        return Rejected(
            "E_MODEL",
            f"{self.version.model} {self.version.version} raised {type(error).__name__}: {error}",
        )


def servable_of(release: Release, model: Model, run_ns: int) -> Servable:
    """Return a release, loaded and warm, as what answers events."""
    version = ModelVersion(release.model, release.version)
    features = compile_features(release.contract)
    return Servable(version, release.artifact.digest, release.contract, model, features, run_ns)
