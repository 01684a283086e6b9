"""A blue/green release for consumers that embed nothing: each reads the stream of its version."""

import signal
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pytest

from modelwire.control.history import documents, in_force_then
from modelwire.control.reading import read_past
from modelwire.door import connect
from modelwire.routing.assign import CompiledDocument
from modelwire.scoring.scorer import Job, Scorer
from modelwire_log.contract import Log, Message
from modelwire_log.open import open_log
from modelwire_log.whole import all_records
from modelwire_router.controller import Controller
from modelwire_router.demo.files import flights
from modelwire_router.feed import read_events
from tests.processes import modelwire, running
from tests.router.cli.desk import Desk
from tests.system.broker import Broker
from tests.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

ROUTE = "flights-late"
PARTITIONS = 4
AT_ONCE = 10
"""Flights that land together, fifty times a second."""

BLUE_GREEN = """
apiVersion: modelwire.io/v1
kind: Rollout
metadata: {name: flights-late}
spec:
  stable: "1"
  candidate: "2"
  strategy: {blueGreen: {autoPromotion: false, keepWarm: 30m}}
"""


@dataclass
class Airport:
    """A log with a stream of flights, and the streams of two colours."""

    desk: Desk
    log: Log
    name: str

    def make(self, *streams: str) -> None:
        """Make streams, as an operator does."""
        self.desk.ok("topics", "create", *streams, "--partitions", PARTITIONS)

    def land_until(self, told: threading.Event) -> None:
        """Let flights land at an even rate."""
        again = read_events(flights(), key_field="tailnum")
        while not told.wait(0.02):
            batch = [Message(f.value, f.key) for f in islice(again, AT_ONCE)]
            self.log.append_batch(self.name, batch)

    def step(self) -> int:
        """Return how many steps of the rollout are done."""
        return int(self.desk.data("get", ROUTE)[0]["step"].partition("/")[0])

    def size(self, *streams: str) -> int:
        return sum(self.desk.size(stream) for stream in streams)


@pytest.fixture(params=["sqlite", "kafka"])
def airport(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Airport]:
    name = f"flights-{uuid.uuid4().hex[:8]}"
    url = f"sqlite:///{tmp_path}/log.db"
    if request.param == "kafka":
        broker: Broker = request.getfixturevalue("kafka_broker")
        url = broker.url
    desk = Desk(tmp_path, url, name)
    with ExitStack() as held:
        log = held.enter_context(open_log(url))
        made = Airport(desk, log, name)
        made.make(name, f"{name}.1", f"{name}.dead-letters")
        desk.publish("1", "2", name=ROUTE)
        desk.ok("flip", ROUTE, "1")
        controller = Controller(log, name, every=0.05)
        thread = threading.Thread(target=controller.run)
        thread.start()
        held.callback(thread.join)
        held.callback(controller.stop)
        yield made


def test_a_blue_green_flip_changes_the_stream_at_the_very_event(airport: Airport) -> None:
    desk, name = airport.desk, airport.name
    blue, green = f"{name}.1", f"{name}.2"
    told = threading.Event()
    landing = threading.Thread(target=airport.land_until, args=(told,))
    words = ("--log", desk.url, "--namespace", name, "split-stream", "--route", ROUTE, "--in", name)
    with running(*modelwire(*words)) as splitter:
        landing.start()
        try:
            eventually(lambda: airport.size(blue) > 100, within=30)
            desk.ok("apply", "-f", desk.write("rollout.yaml", BLUE_GREEN))
            eventually(lambda: airport.step() >= 1, within=30)
            assert airport.size(green) == 0
            desk.ok("promote", ROUTE)
            _waits_for_a_stream(airport, green)
            eventually(lambda: airport.size(green) > 500, within=30)
        finally:
            told.set()
            landing.join()
        eventually(lambda: airport.size(blue, green) >= airport.size(name), within=30)
        splitter.send(signal.SIGTERM)
        code, _, errors = splitter.end()
        assert code == 0, errors
    _check(airport, blue, green)


def _waits_for_a_stream(airport: Airport, green: str) -> None:
    """Where nobody has made the candidate's stream, the flip waits for it and says so."""
    if airport.log.capabilities.makes_streams:
        return
    waits = "E_NO_STREAM"
    eventually(lambda: waits in airport.desk.data("get", ROUTE)[0]["waits_for"], within=30)
    said = airport.desk("why-not", ROUTE, "2")
    assert f"modelwire topics create {green}" in said.out + said.err
    airport.make(green)


def _check(airport: Airport, blue: str, green: str) -> None:
    """Hold what plain consumers read against the rules, event by event, and against scores."""
    desk, name = airport.desk, airport.name
    past = documents(read_past(airport.log, name), ROUTE)
    flip = next(a for a in past if a.document.sole_version() == "2")
    events = {_place(name, row): row for row in desk.data("read", name)}
    got: dict[str, str] = {}
    for version, stream in (("1", blue), ("2", green)):
        newest = dict.fromkeys(range(PARTITIONS), -1)
        for row in desk.data("read", stream):
            event = row["headers"]["modelwire-id"]
            source = events[event]
            assert got.setdefault(event, version) is version, "twice"
            assert all(row[word] == source[word] for word in ("key", "value", "time", "partition"))
            assert source["offset"] > newest[row["partition"]], "out of order"
            newest[row["partition"]] = source["offset"]
    assert got.keys() == events.keys(), "lost"
    for event, source in events.items():
        rules = in_force_then(past, source["time"], source["time"], 2**62)
        assert rules is not None
        compiled = CompiledDocument(rules.document, rules.revision)
        meant = compiled.assign(source["key"], source["value"], {}, None).version
        assert got[event] == meant == ("2" if source["time"] >= flip.effective else "1")
    assert set(got.values()) == {"1", "2"}
    assert got == _scored(airport)


def _scored(airport: Airport) -> dict[str, str]:
    """Return which version scores every event, where a consumer embeds the SDK."""
    sink = f"{airport.name}.scores"
    airport.make(sink, f"{sink}.dead-letters")
    with connect(
        airport.desk.url, namespace=airport.name, cache=airport.desk.folder / "cache"
    ) as models:
        models.route(ROUTE)
        eventually(lambda: len(models.live.snapshot.warm) == 2, within=60)
        job = Job(route=ROUTE, source=airport.name, sink=sink, group=sink)
        Scorer(models, airport.log, job).run(until_end=True)
    found: list[Any] = [orjson.loads(r.value) for r in all_records(airport.log, sink)]
    return {output["id"]: output["served_by"] for output in found}


def _place(stream: str, row: Any) -> str:  # noqa: ANN401
    return f"{stream}/{row['partition']}/{row['offset']}"
