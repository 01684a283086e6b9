"""A route on a log, on which flights land when told to, and who got which version of them."""

import dataclasses
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from modelwire.control.reading import fold_log
from modelwire.control.state import RouteState
from modelwire.models import Models
from modelwire.scoring.scorer import Job, Scorer
from modelwire_log.contract import START, Log, Message, Place
from tests.router.cli.desk import Desk
from tests.waiting import eventually

MODEL = "flights-late"
PARTITIONS = 4
STAGE = 4000
"""Flights that land between two steps: some two thousand planes."""

PIECE = 250
"""Flights that land at a time beside shadows: no more than these have room and time for."""

HEAD = """
apiVersion: modelwire.io/v1
kind: Rollout
metadata: {name: ROUTE}
spec:
  model: flights-late
  stable: "1"
  candidate: "2"
"""


@dataclass
class Field:
    """A log with an application on it, a controller, and flights that land when told to."""

    desk: Desk
    log: Log
    models: Models
    name: str
    stream: str
    after: dict[Place, int] = dataclasses.field(default_factory=dict[Place, int])

    def begin(self, text: str, head: str = HEAD) -> None:
        """Apply a rollout file."""
        written = (head + text).replace("ROUTE", self.name)
        self.desk.ok("apply", "-f", self.desk.write("rollout.yaml", written))

    def route(self, name: str = "") -> RouteState:
        return fold_log(self.log, self.desk.namespace).routes[name or self.name]

    def reached(self, step: int) -> None:
        """Wait until a rollout has done so many steps and events of now follow them."""

        def there() -> bool:
            head = self.route().head
            rollout = head.document.rollout
            return bool(rollout and rollout.step >= step and head.effective < time.time() * 1000)

        eventually(there, within=30, what=f"step {step}")

    def land(self, flights_: Iterator[Message]) -> list[Any]:
        """Let flights land and be scored; return the outputs, each with its plane."""
        self.log.append_batch(self.stream, list(islice(flights_, STAGE)))
        Scorer(self.models, self.log, self.job).run(until_end=True)
        found = self.read(self.job.sink)
        assert len(found) == STAGE
        return found

    def land_beside(self, flights_: Sequence[Message]) -> tuple[list[Any], list[Any]]:
        """Let flights land until shadows keep up with all of them; return outputs and pairs.

        They may be spared some on a busy machine, and then say so.
        """
        for _ in range(5):
            before = self.spared()
            outputs, pairs = self.land_slowly(flights_), self.read(self.job.shadow_stream)
            if self.spared() == before:
                return outputs, pairs
        raise AssertionError(f"shadows were always spared some: {self.spared()}")

    def spared(self) -> dict[str, int]:
        """Return how many events each shadow was spared so far."""
        self.models.live.recorder.changed()
        return dict(self.models.live.recorder.dropped(self.name))

    def land_slowly(self, flights_: Sequence[Message]) -> list[Any]:
        """Let flights land as slowly as shadows score them; return the outputs."""
        scorer = Scorer(self.models, self.log, self.job)
        with ThreadPoolExecutor(1) as beside:
            running = beside.submit(scorer.run)
            for landed in range(0, len(flights_), PIECE):
                piece = flights_[landed : landed + PIECE]
                self.log.append_batch(self.stream, piece)
                due = landed + len(piece)
                eventually(lambda due=due: scorer.totals.events == due, within=30)  # type: ignore[misc]
                self.models.live.shadows.finish(30.0)
            scorer.stop()
            running.result()
        return self.read(self.job.sink)

    def read(self, stream: str) -> list[Any]:
        """Return what is new on a stream, each with its plane."""
        found: list[Any] = []
        for partition in range(PARTITIONS):
            place = Place(stream, partition)
            after = self.after.get(place, START)
            while records := self.log.read(place, after, 5000):
                after = records[-1].offset
                found += [{**orjson.loads(r.value), "plane": r.key} for r in records]
            self.after[place] = after
        return found

    @property
    def job(self) -> Job:
        """What is scored, and by which route."""
        sink = f"{self.stream}.scores"
        return Job(route=self.name, source=self.stream, sink=sink, group=self.stream)


def sides(outputs: list[Any]) -> dict[bytes, str]:
    """Return who got which version; no plane may have got two."""
    got: dict[bytes, set[str]] = {}
    for output in outputs:
        got.setdefault(output["plane"], set()).add(output["routed_to"])
    assert all(len(versions) == 1 for versions in got.values())
    return {plane: versions.pop() for plane, versions in got.items()}


def check_share(versions: dict[bytes, str], share: float) -> None:
    """Hold the share of planes on version 2 against the plan: within 4 standard errors."""
    error = math.sqrt(share * (1 - share) / len(versions))
    actual = sum(version == "2" for version in versions.values()) / len(versions)
    assert abs(actual - share) <= 4 * error, (actual, share, error)


def served(outputs: list[Any]) -> set[str]:
    return {output["served_by"] for output in outputs}


def answers(outputs: list[Any]) -> list[Any]:
    """Return who was answered what by whom, in the order of the stream."""
    return [(o["plane"], o["served_by"], o["outputs"]) for o in outputs]
