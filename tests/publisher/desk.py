"""A desk at which tests publish: one log, one warm probe, the example's files."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modelwire.control.reading import control_place
from modelwire.loading.probe import Prober
from modelwire_log.contract import Log, Place
from modelwire_log.envelope import open_envelope
from modelwire_publisher import PublishedRelease
from modelwire_publisher.means import Means
from modelwire_publisher.order import Order
from modelwire_publisher.progress import Progress, Stage, silent
from modelwire_publisher.publishing import release
from modelwire_schemas.control import ControlRecord
from modelwire_schemas.errors import ModelwireError
from modelwire_schemas.release import ReleasePublished

FLIGHTS = Path(__file__).parents[2] / "examples" / "flights"
EVENTS = FLIGHTS / "flights_2013_jan_feb.csv.gz"
TENSOR = ("dep_delay", "distance", "sched_hour", "weekday")


def when(stage: Stage, action: Callable[[], object]) -> Progress:
    """Do something at the beginning of a stage."""

    def told(now: Stage, done: int, total: int) -> None:
        if now is stage and not done and total:
            action()

    return told


class Desk:
    """Publishes onto one log; what a test does not say is v1 of the example, as flights-late 1."""

    def __init__(self, log: Log, prober: Prober) -> None:
        self.log = log
        self.means = Means(log, "default", prober, 10.0, silent)

    def publish(
        self,
        version: str = "1",
        file: Path = FLIGHTS / "v1.onnx",
        *,
        progress: Progress = silent,
        **words: Any,  # noqa: ANN401 - what an order takes
    ) -> PublishedRelease:
        """Publish a file."""
        words.setdefault("model", "flights-late")
        order = Order(file=file, version=version, **words)
        return release(order, replace(self.means, progress=progress))

    def why_not(
        self,
        version: str = "1",
        file: Path = FLIGHTS / "v1.onnx",
        **words: Any,  # noqa: ANN401
    ) -> str:
        """Return why a file is refused; nothing may have been written."""
        before = self.everything()
        with pytest.raises(ModelwireError) as caught:
            self.publish(version, file, **words)
        assert self.everything() == before
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def everything(self) -> dict[str, int]:
        """Return how many records each stream has."""
        return {stream: len(self.log.read(Place(stream), -1)) for stream in self.log.streams()}

    def releases(self) -> list[ReleasePublished]:
        """Return all releases that were written, in order."""
        opened = [open_envelope(r) for r in self.log.read(control_place("default"), -1)]
        bodies = [event.body for event in opened if isinstance(event, ControlRecord)]
        return [body for body in bodies if isinstance(body, ReleasePublished)]
