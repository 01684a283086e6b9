"""An exposure budget on the flights: real scoring and real controllers, in virtual time."""

import secrets
import tempfile
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson

from modelwire.clock import ManualClock, SystemClock
from modelwire.config import read_config
from modelwire.control.commands import By, submit
from modelwire.control.reading import control_place, fold_log
from modelwire.control.state import State
from modelwire.hooks import Hooks
from modelwire.loading.probe import Prober
from modelwire.models import Models
from modelwire.reporting.telemetry import TelemetryReporter
from modelwire.serving.answer import Answers
from modelwire.serving.route import Route
from modelwire_log.envelope import seal
from modelwire_log.memory.log import MemoryLog
from modelwire_publisher.means import Means
from modelwire_publisher.order import Order
from modelwire_publisher.progress import silent
from modelwire_publisher.publishing import release
from modelwire_router.analysis.exposure import HOUR
from modelwire_router.changes import flip
from modelwire_router.controller import Controller
from modelwire_router.feed import read_events
from modelwire_router.rollout.documents import candidates_weight
from modelwire_router.rollout.machine import begin
from modelwire_router.rollout_file.reading import rollouts
from modelwire_schemas.control import Body
from modelwire_schemas.names import topic
from modelwire_schemas.telemetry import Telemetry, Window

FLIGHTS = Path(__file__).parents[2] / "examples" / "flights"
ROUTE, NAMESPACE = "flights-late", "budget"
THRESHOLD = 0.5
MINUTE, PER_HOUR = 60_000, 60
READY_S, LOOK_S = 30.0, 0.002

Flags: TypeAlias = npt.NDArray[np.bool_]

FILE = """
apiVersion: modelwire.io/v1
kind: Rollout
metadata: {{name: flights-late}}
spec:
  stable: "1"
  candidate: "2"
  split: {{key: event.tailnum, salt: flights-late-2026-12}}
  strategy:
    canary:
      steps:
        - exposure: {{changedPerHour: {budget}, output: late, threshold: {threshold}, upTo: 50}}
"""


class Minute(NamedTuple):
    """What became of a minute's events.

    `weight` are the candidate's buckets, `exposed` the events that it answered, `changed` those of
    them that stable would have decided otherwise, as both would have `differ` of all.
    """

    weight: int
    events: int
    exposed: int
    changed: int
    differ: int


@dataclass(frozen=True, slots=True)
class Played:
    """A rollout, minute by minute; `changes` are those of the share, on the control log."""

    budget: int
    minutes: tuple[Minute, ...]
    changes: int

    def hours(self) -> list[int]:
        """Return how many decisions the candidate changed in each full hour."""
        changed = [minute.changed for minute in self.minutes]
        full = len(changed) // PER_HOUR * PER_HOUR
        return [sum(changed[i : i + PER_HOUR]) for i in range(0, full, PER_HOUR)]

    def worst(self) -> int:
        """Return the most decisions that it changed in any hour, from whichever minute on."""
        changed = [minute.changed for minute in self.minutes]
        return max(sum(changed[i : i + PER_HOUR]) for i in range(len(changed) - PER_HOUR + 1))

    def share(self, since: int = 0) -> float:
        """Return the mean share of the candidate from a minute on."""
        return float(np.mean([minute.weight / 10_000 for minute in self.minutes[since:]]))


class Desk:
    """A namespace in memory, whose time is turned by hand, with a consumer and two controllers."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(SystemClock().now())
        self.log = MemoryLog(secrets.token_hex(4), clock=self.clock.now)
        self._publish()
        config = read_config({}, log=self.log.url, namespace=NAMESPACE, cache=folder)
        self.models = Models(config, self.log, clock=self.clock, hooks=Hooks())
        self.controllers = [
            Controller(self.log, NAMESPACE, every=LOOK_S, clock=self.clock) for _ in range(2)
        ]
        self._reporter = TelemetryReporter(
            self.log, NAMESPACE, self.models.live.recorder, self._told, self.models.live.collect
        )

    def only(self, version: str) -> Route:
        """Return a route on which one version answers everything."""
        name = f"only-{version}"
        self._send(flip(self._state(), name, version, model=ROUTE))
        route = self.models.route(name)
        route.wait_until_ready(READY_S)
        return route

    def begin(self, budget: int) -> None:
        """Start the rollout."""
        self._send(flip(self._state(), ROUTE, "1", model=ROUTE))
        self.models.route(ROUTE).wait_until_ready(READY_S)
        self._turn(HOUR - self.clock.now() % HOUR - MINUTE)
        text = FILE.format(budget=budget, threshold=THRESHOLD).encode()
        (wanted,) = rollouts([("late.yaml", text)], None)
        route, now = self._state().routes[ROUTE], self.clock.now()
        self._send(begin(wanted.plan, route, "played", now))
        self._turn(MINUTE)  # the first flight comes at a full hour

    def minute(self, events: list[dict[str, Any]], differ: Flags, *, told: bool = True) -> Minute:
        """Answer a minute's events, and let everyone look at what came of them, if it is told."""
        begun = self.clock.now()
        weight = candidates_weight(self._state().routes[ROUTE].head.document)
        times = begun + np.linspace(MINUTE // 20, MINUTE - 1, len(events)).astype(int)
        answers = self.models.route(ROUTE).predict_batch(events, at=times.tolist())
        ours = _by(answers, "2")
        self._turn(MINUTE, told=told)
        return Minute(
            weight, len(events), int(ours.sum()), int((ours & differ).sum()), int(differ.sum())
        )

    def _turn(self, ms: int, *, told: bool = True) -> None:
        """Let time pass, and let everyone say how it stands and see what was said."""
        self.models.live.shadows.finish(READY_S)
        self.clock.advance(ms)
        if told:
            self._reporter.report()
        self.log.append(topic(NAMESPACE, "fleet"), seal(self.models.status(), source="played"))
        looks = [controller.looks for controller in self.controllers]
        deadline = time.monotonic() + READY_S
        # A look that was under way has seen nothing of this
        while any(c.looks < n + 2 for c, n in zip(self.controllers, looks, strict=True)):
            if time.monotonic() > deadline:
                raise TimeoutError("a controller does not look")
            time.sleep(LOOK_S)
        end = self.log.end(control_place(NAMESPACE))
        self.models.live.wait_for(lambda snapshot: snapshot.offset >= end, READY_S)

    def _state(self) -> State:
        return fold_log(self.log, NAMESPACE)

    def _send(self, body: Body) -> None:
        outcome = submit(
            self.log, NAMESPACE, body, By("ada"), state=self._state(), clock=self.clock
        )
        outcome.verdict.check()

    def _publish(self) -> None:
        prober = Prober()
        for version in ("1", "2"):
            order = Order(file=FLIGHTS / f"v{version}.onnx", model=ROUTE, version=version)
            release(order, Means(self.log, NAMESPACE, prober, READY_S, silent))
        prober.close()

    def _told(self, windows: Sequence[Window]) -> Telemetry:
        return Telemetry("played", "1", "played", 0, tuple(windows))


def play(budget: int, *, hours: int, rate: int) -> Played:
    """Let v2 follow v1 under a budget, at `rate` flights an hour of virtual time."""
    events, many = flights(hours * rate), rate // PER_HOUR
    with tempfile.TemporaryDirectory() as folder, desk_in(Path(folder)) as desk:
        late = [_decisions(desk, events, version) for version in ("1", "2")]
        differ = late[0] != late[1]
        desk.begin(budget)
        minutes = [
            desk.minute(events[i : i + many], differ[i : i + many])
            for i in range(0, len(events), many)
        ]
    weights = [0, *(minute.weight for minute in minutes)]
    return Played(budget, tuple(minutes), sum(a != b for a, b in pairwise(weights)))


def flights(count: int) -> list[dict[str, Any]]:
    """Return so many flights, in order."""
    file = FLIGHTS / "flights_2013_jan_feb.csv.gz"
    return [orjson.loads(fed.value) for fed in read_events(file, limit=count)]


@contextmanager
def desk_in(folder: Path) -> Generator[Desk]:
    """Give a desk whose controllers run."""
    desk = Desk(folder)
    running = [threading.Thread(target=controller.run) for controller in desk.controllers]
    for thread in running:
        thread.start()
    try:
        yield desk
    finally:
        for controller in desk.controllers:
            controller.stop()
        for thread in running:
            thread.join()
        desk.models.close()


def _decisions(desk: Desk, events: list[dict[str, Any]], version: str) -> Flags:
    """Return what one version decides of every event."""
    route = desk.only(version)
    parts = [route.predict_batch(events[i : i + 4096]) for i in range(0, len(events), 4096)]
    return np.concatenate([late(part) for part in parts])


def _by(answers: Answers, version: str) -> Flags:
    """Return which events a version answered."""
    by = np.array([told.served_by == version for told in answers.provenances])
    return by[np.zeros(len(answers), np.intp) if answers.which is None else answers.which]


def late(answers: Answers) -> Flags:
    """Return the decisions in a batch of answers."""
    return np.asarray(answers.outputs["late"]).reshape(len(answers), -1)[:, 0] >= THRESHOLD
