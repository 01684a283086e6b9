"""Scorers that end at any moment: nothing is lost, nothing is doubled, the order is kept."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from itertools import chain, cycle, islice, repeat
from pathlib import Path
from typing import Any

import orjson
import pytest

from modelwire.control.commands import By, submit
from modelwire.control.reading import fold_log
from modelwire_log.contract import Log, Message, Place, Record
from modelwire_log.open import open_log
from modelwire_log.whole import all_records
from modelwire_publisher import publish
from modelwire_router.changes import flip, split
from modelwire_router.demo.files import flights, model
from modelwire_router.feed import read_events
from modelwire_router.fleet import newest_reports
from modelwire_router.readiness import WARM
from modelwire_schemas.control import Body
from tests.consumer_sdk import actors
from tests.processes import Running, modelwire, python, running
from tests.waiting import eventually

ROUTE, IN, OUT = "flights-late", "events", "scores"
PARTITIONS = 4
KILLS = 50
LONGEST_LIFE_S = 2.0

pytestmark = pytest.mark.timeout(240)


class Airport:
    """Flights that come in, versions that change, and scorers of one group."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/log.db"
        self.cache = str(folder / "cache")
        self.log: Log = open_log(self.url)
        self.log.create(IN, PARTITIONS)
        for version in ("1", "2"):
            publish(model(f"v{version}"), model=ROUTE, version=version, log=self.log)
        self.flip("1")
        # However quick the log is, there is always one more flight.
        again = (read_events(flights(), key_field="tailnum") for _ in repeat(None))
        self._flights = chain.from_iterable(again)

    def flip(self, version: str) -> None:
        self._send(flip(fold_log(self.log, "default"), ROUTE, version))

    def split(self) -> None:
        self._send(split(fold_log(self.log, "default"), ROUTE, {"1": "50", "2": "50"}))

    def _send(self, body: Body) -> None:
        submit(self.log, "default", body, By("tower")).verdict.check()

    def land(self, count: int) -> None:
        """Append the next flights."""
        batch = [Message(f.value, f.key) for f in islice(self._flights, count)]
        self.log.append_batch(IN, batch)

    def score(self, *more: str) -> list[str]:
        """Return the words that score the flights."""
        words = ["--log", self.url, "--json", "score", "--route", ROUTE, "--in", IN, "--out", OUT]
        return [*words, "--group", "g", "--cache", self.cache, *more]

    def scorer(self, *more: str) -> AbstractContextManager[Running]:
        return running(*modelwire(*self.score(*more)))

    def records(self, stream: str) -> list[Record]:
        return list(all_records(self.log, stream))

    def warm(self, version: str) -> set[int]:
        """Return the processes that have said that they hold a version warm."""
        reports = [report for report, _ in newest_reports(self.log, "default")]
        warm = [(r.pid, v.version) for r in reports for v in r.versions if v.state in WARM]
        return {pid for pid, held in warm if held == version}

    def done(self) -> bool:
        return len(self.records(OUT)) >= len(self.records(IN))

    def check(self) -> list[Any]:
        """Hold outputs against events; return the outputs."""
        outputs = self.records(OUT)
        values = [orjson.loads(record.value) for record in outputs]
        events = {f"{IN}/{r.partition}/{r.offset}" for r in self.records(IN)}
        ids = Counter(value["id"] for value in values)
        assert events - set(ids) == set(), "lost"
        assert [one for one, count in ids.items() if count > 1] == [], "doubled"
        assert self.records(f"{OUT}.dead-letters") == []
        newest = dict.fromkeys(range(PARTITIONS), -1)
        for record, value in zip(outputs, values, strict=True):
            source = value["source"]
            assert source["partition"] == record.partition
            assert source["offset"] > newest[record.partition], "out of order"
            newest[record.partition] = source["offset"]
        return values


@pytest.fixture
def airport(tmp_path: Path) -> Iterator[Airport]:
    made = Airport(tmp_path)
    yield made
    made.log.close()


def test_fifty_scorers_killed_at_random_moments_lose_and_double_nothing(airport: Airport) -> None:
    """Two scorers at a time; each is killed at a random moment of its first seconds."""
    chance = random.Random(20130101)  # noqa: S311 - the same moments in every run
    changes: list[Callable[[], None]] = [
        partial(airport.flip, "2"),
        airport.split,
        partial(airport.flip, "1"),
    ]
    acts = cycle(changes)
    slots: list[tuple[float, int]] = []
    with running(*python(actors.nursery, *airport.score())) as nursery:
        assert nursery.hear() == "ready"
        for killed in range(KILLS):
            while len(slots) < 2:
                nursery.tell()
                child = int(nursery.hear())
                slots.append((time.monotonic() + chance.uniform(0, LONGEST_LIFE_S), child))
            slots.sort()
            moment, child = slots.pop(0)
            while time.monotonic() < moment:
                airport.land(10)
            os.kill(child, signal.SIGKILL)
            if killed % 4 == 3:
                next(acts)()
        os.kill(slots[0][1], signal.SIGKILL)
    before = len(airport.records(OUT))
    airport.flip("2")
    with airport.scorer() as one, airport.scorer() as other:
        eventually(airport.done, within=60, what="the rest to be scored")
        eventually(lambda: fold_log(airport.log, "default").earliest < time.time() * 1000)
        pids = {one.process.pid, other.process.pid}
        eventually(lambda: airport.warm("2") >= pids, within=60, what="both to have it warm")
        airport.land(200)
        eventually(airport.done, within=30)
        for scorer in (one, other):
            scorer.send(signal.SIGTERM)
            assert scorer.end()[0] == 0
    values = airport.check()
    assert before > 1000
    assert {v["served_by"] for v in values if v["revision"] == values[-1]["revision"]} == {"2"}


def test_a_scorer_that_is_told_to_end_finishes_its_batch(airport: Airport) -> None:
    airport.land(3000)
    with airport.scorer() as scorer:
        eventually(lambda: len(airport.records(OUT)) > 0, within=30)
        scorer.send(signal.SIGTERM)
        code, out, errors = scorer.end()
    assert code == 0, errors
    assert orjson.loads(out)["outputs"] == len(airport.records(OUT))
    positions = {p.place.partition: p.after for p in airport.log.positions("g")}
    for partition, after in positions.items():
        assert airport.log.end(Place(OUT, partition)) == after
    with airport.scorer("--until-end") as rest:
        assert rest.end()[0] == 0
    airport.check()


def test_two_scorers_share_the_partitions_and_take_over_what_one_leaves(airport: Airport) -> None:
    with airport.scorer() as one, airport.scorer() as other:
        airport.land(500)
        eventually(airport.done, within=30)
        one.kill()
        airport.land(500)
        eventually(airport.done, within=30)
        other.send(signal.SIGTERM)
        assert other.end()[0] == 0
    airport.check()
