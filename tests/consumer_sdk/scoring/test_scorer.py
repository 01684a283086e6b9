"""Our loop over a stream: what is written for each event, and what becomes of bad ones."""

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from modelwire.control.horizon import MAX_WAIT
from modelwire.models import Models
from modelwire.scoring.events import Reading
from modelwire.scoring.scorer import Job, Scorer, Totals
from modelwire_log.contract import Message, Record
from modelwire_router.changes import When
from modelwire_schemas.errors import NotFound, NotReady
from modelwire_schemas.routing import BUCKETS, RoutingDocument, Rule, Split, Staleness, Variant
from tests.waiting import eventually
from tests.world import READY_S, ROUTE, World, event, world_on


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Return a world on a log of each embedded kind: one route gives all, the other halves."""
    folder = tmp_path_factory.mktemp("scoring")
    url = "memory:scoring" if request.param == "memory" else f"sqlite:///{folder}/log.db"
    with world_on(url, folder) as made:
        made.release("1", "2")
        made.flip("1")
        made.split({"1": "50", "2": "50"}, route="halves")
        yield made


@pytest.fixture(scope="module")
def models(world: World) -> Iterator[Models]:
    with world.connect() as connected:
        for name in (ROUTE, "halves"):
            connected.route(name).wait_until_ready(READY_S)
        assert connected.live.wait_for(lambda s: len(s.warm) == 2, READY_S)
        yield connected


@dataclass(frozen=True, slots=True)
class Bench:
    """Streams of a test's own, and a group that scores them."""

    world: World
    models: Models
    name: str

    @property
    def source(self) -> str:
        return f"{self.name}.events"

    @property
    def sink(self) -> str:
        return f"{self.name}.scores"

    @property
    def dead(self) -> str:
        return f"{self.name}.scores.dead-letters"

    def feed(self, values: list[bytes], partitions: int = 4) -> None:
        self.world.feed(self.source, values, partitions)

    def job(self, **words: Any) -> Job:  # noqa: ANN401
        standard: dict[str, Any] = {
            "route": ROUTE,
            "source": self.source,
            "sink": self.sink,
            "group": self.name,
        }
        return Job(**{**standard, **words})

    def score(self, **words: Any) -> Totals:  # noqa: ANN401
        """Score what is there now."""
        scorer = Scorer(self.models, self.models.log, self.job(**words))
        return scorer.run(until_end=True)

    def inputs(self) -> list[Record]:
        return self.world.read(self.source)

    def outputs(self) -> list[Record]:
        return self.world.read(self.sink)


@pytest.fixture
def bench(world: World, models: Models) -> Bench:
    return Bench(world, models, uuid.uuid4().hex[:8])


def events(count: int) -> list[bytes]:
    return [orjson.dumps(event(float(n), number=n)) for n in range(count)]


@contextmanager
def scoring(scorer: Scorer) -> Generator[None]:
    """Score in a thread of its own, which ends with the test, however that ends."""
    thread = threading.Thread(target=scorer.run)
    thread.start()
    try:
        yield
    finally:
        scorer.stop()
        thread.join()


def values(records: list[Record]) -> list[Any]:
    return [orjson.loads(record.value) for record in records]


def headers(record: Record) -> dict[str, str]:
    return {name: value.decode() for name, value in record.headers}


def test_every_event_has_one_output_in_its_order_that_says_where_it_is_from(bench: Bench) -> None:
    bench.feed(events(300))
    totals = bench.score()
    assert (totals.events, totals.outputs, totals.dead) == (300, 300, 0)
    sources, outputs = bench.inputs(), bench.outputs()
    digest = bench.world.state().releases[ROUTE]["1"].artifact.digest
    for source, output, value in zip(sources, outputs, values(outputs), strict=True):
        number = json.loads(source.value)["number"]
        place = f"{bench.source}/{source.partition}/{source.offset}"
        assert value == {
            "outputs": {"late": float(number), "version_id": 1},
            "id": place,
            "source": {
                "stream": bench.source,
                "partition": source.partition,
                "offset": source.offset,
                "timestamp": source.timestamp,
            },
            "bucket": None,
            "route": ROUTE,
            "model": "late",
            "version": "1",
            "digest": digest,
            "variant": "1",
            "rule": "all",
            "revision": 1,
            "reason": "sole",
            "offset": bench.world.state().offset,
            "routed_to": "1",
            "served_by": "1",
            "stale": False,
            "unsettled": False,
        }
        assert (output.partition, output.key) == (source.partition, source.key)
        assert output.timestamp == source.timestamp


def test_what_is_scored_is_not_scored_again(bench: Bench) -> None:
    bench.feed(events(50))
    bench.score()
    assert bench.score().events == 0
    bench.feed(events(7))
    assert bench.score().events == 7
    ids = [value["id"] for value in values(bench.outputs())]
    assert len(ids) == len(set(ids)) == 57


def test_another_group_gives_the_same_ids(bench: Bench) -> None:
    bench.feed(events(20))
    bench.score()
    bench.score(group=f"{bench.name}.again", sink=f"{bench.name}.again")
    assert [v["id"] for v in values(bench.outputs())] == [
        v["id"] for v in values(bench.world.read(f"{bench.name}.again"))
    ]


BAD: dict[str, tuple[bytes, str, str]] = {
    "no JSON": (b"{not json", "decode", "E_DECODE"),
    "no object": (b"[1, 2]", "decode", "E_DECODE"),
    "nothing": (b"", "decode", "E_DECODE"),
    "two objects": (b"{}, {}", "decode", "E_DECODE"),
    "no UTF-8": (b'{"a": "\xff"}', "decode", "E_DECODE"),
    "a field missing": (b'{"a": 1}', "contract", "E_FIELD_MISSING"),
    "a null": (orjson.dumps(event(1.0, b=None)), "contract", "E_FIELD_NULL"),
    "a wrong type": (orjson.dumps(event(1.0, b="x")), "contract", "E_FIELD_TYPE"),
    "a large number": (orjson.dumps(event(1.0, b=2**63)), "contract", "E_FIELD_RANGE"),
    "a list": (orjson.dumps(event(1.0, b=[1])), "contract", "E_SHAPE"),
}


def test_bad_events_are_put_aside_with_their_reason_while_their_neighbours_pass(
    bench: Bench,
) -> None:
    mixed: list[bytes] = []
    for value, _, _ in BAD.values():
        mixed += [*events(1), value, *events(1)]
    bench.world.log.create(bench.source, 1)
    bench.world.log.append_batch(
        bench.source, [Message(v, b"k", (("trace", b"t"),)) for v in mixed]
    )
    totals = bench.score()
    assert (totals.outputs, totals.dead) == (2 * len(BAD), len(BAD))
    letters = bench.world.read(bench.dead)
    for n, (letter, (value, stage, code)) in enumerate(zip(letters, BAD.values(), strict=True)):
        said = headers(letter)
        assert letter.value == value
        assert (said["modelwire-stage"], said["modelwire-code"]) == (stage, code)
        assert said["modelwire-reason"].startswith(f"{code}: ")
        assert said["modelwire-source"] == f"{bench.source}/0/{3 * n + 1}"
        assert (said["trace"], letter.key) == ("t", b"k")


def test_dead_letters_go_where_they_are_sent(bench: Bench) -> None:
    bench.feed([b"x"])
    bench.score(dead_letters=f"{bench.name}.graves")
    assert len(bench.world.read(f"{bench.name}.graves")) == 1
    assert bench.dead not in bench.world.log.streams()


def test_key_and_time_can_be_fields_of_the_event(bench: Bench) -> None:
    rows = [orjson.dumps(event(1.0, tail=f"N{n % 10}")) for n in range(100)]
    bench.feed(rows)
    bench.score(route="halves", reading=Reading(key_field="tail"))
    sides: dict[str, set[str]] = {}
    for source, value in zip(bench.inputs(), values(bench.outputs()), strict=True):
        sides.setdefault(json.loads(source.value)["tail"], set()).add(value["served_by"])
    assert all(len(side) == 1 for side in sides.values())
    assert set.union(*sides.values()) == {"1", "2"}


def test_a_group_begins_where_it_is_told(bench: Bench) -> None:
    bench.feed(events(10), partitions=1)
    assert bench.score(group=f"{bench.name}-end", begin="end").events == 0
    assert bench.score(group=f"{bench.name}-late", begin=2**50).events == 0
    assert bench.score(group=f"{bench.name}-all", begin=0).events == 10


def test_streams_and_versions_that_are_not_there_are_said(bench: Bench) -> None:
    with pytest.raises(NotFound, match=r"E_NO_STREAM.*modelwire topics create .*events"):
        bench.score()
    bench.feed(events(1))
    with pytest.raises(NotReady, match=r"E_NOT_READY.*modelwire flip nobody VERSION"):
        Scorer(bench.models, bench.models.log, bench.job(route="nobody")).run(
            until_end=True, timeout=0.1
        )


def test_an_event_of_the_future_waits_no_longer_than_its_time(bench: Bench) -> None:
    """One second ahead it waits, and is settled; a day ahead it does not wait at all."""
    bench.world.log.create(bench.source, 2)
    now = bench.world.log.append(bench.source, Message(events(1)[0], partition=0)).appended
    ahead = [MAX_WAIT - 200, 24 * 3600 * 1000]
    for partition, ms in enumerate(ahead):
        bench.world.log.append(
            bench.source, Message(events(1)[0], timestamp=now + ms, partition=partition)
        )
    bench.score()
    outputs = values(bench.outputs())
    by_time = {v["source"]["timestamp"] - now: v["unsettled"] for v in outputs}
    assert by_time[ahead[0]] is False
    assert by_time[ahead[1]] is True


def test_an_event_a_day_ahead_does_not_hold_its_partition_where_the_policy_is_to_wait(
    bench: Bench,
) -> None:
    rule = Rule("all", (Variant("1", "1", ((0, BUCKETS),)),), Split(salt=ROUTE))
    bench.world.write(RoutingDocument(ROUTE, "late", (rule,), staleness=Staleness.WAIT))
    bench.world.log.create(bench.source, 1)
    now = bench.world.log.append(bench.source, Message(events(1)[0])).appended
    day = now + 24 * 3600 * 1000
    bench.world.log.append(bench.source, Message(events(1)[0], timestamp=day))
    bench.world.log.append(bench.source, Message(events(1)[0]))
    before = Counter(dict(bench.models.live.tally.values()))
    bench.score()
    assert [v["unsettled"] for v in values(bench.outputs())] == [False, True, False]
    counted = Counter(dict(bench.models.live.tally.values())) - before
    assert (counted["clock_ahead"], counted["unsettled"]) == (1, 1)


@pytest.mark.parametrize("staleness", [Staleness.CONTINUE, Staleness.WAIT])
def test_a_stream_goes_on_by_the_policy_when_the_control_log_is_silent(
    tmp_path: Path, staleness: Staleness
) -> None:
    """The rules come from one log, the events from another that stays."""
    with (
        world_on(f"memory:control-{staleness}", tmp_path) as control,
        world_on(f"memory:data-{staleness}", tmp_path) as data,
    ):
        control.release("1")
        rule = Rule("all", (Variant("1", "1", ((0, BUCKETS),)),), Split(salt=ROUTE))
        control.write(RoutingDocument(ROUTE, "late", (rule,), staleness=staleness))
        with control.connect() as models:
            models.route(ROUTE).wait_until_ready(READY_S)
            control.log.away = True  # type: ignore[attr-defined]
            eventually(lambda: models.live.snapshot.stale_since)
            data.feed("in", events(5))
            scorer = Scorer(models, data.log, Job(route=ROUTE, source="in", sink="out", group="g"))
            with scoring(scorer):
                if staleness is Staleness.WAIT:
                    assert not models.live.wait_for(lambda _: scorer.totals.events > 0, 0.5)
                    control.log.away = False  # type: ignore[attr-defined]
                eventually(lambda: scorer.totals.events == 5)
        stale = {value["stale"] for value in values(data.read("out"))}
        assert stale == {staleness is Staleness.CONTINUE}


def test_an_event_whose_document_only_the_log_knows_waits_alone_until_that_is_back(
    tmp_path: Path,
) -> None:
    """The rules come from one log, the events from another that stays."""
    with world_on("memory:rules", tmp_path) as control, world_on("memory:events", tmp_path) as data:
        control.release("1")
        control.flip("1")
        begin = control.state().now
        while (state := control.state()).routes[ROUTE].floor.visible <= begin:
            control.flip("1", when=When())
            eventually(lambda: time.time_ns() // 1_000_000 > state.now)
        with control.connect() as models:
            models.route(ROUTE).wait_until_ready(READY_S)
            control.log.away = True  # type: ignore[attr-defined]
            eventually(lambda: models.live.snapshot.stale_since)
            data.log.create("in", 2)
            for partition, times in enumerate(([begin, begin, -1], [-1])):
                for time_ in times:
                    data.log.append(
                        "in", Message(events(1)[0], timestamp=time_, partition=partition)
                    )
            scorer = Scorer(models, data.log, Job(route=ROUTE, source="in", sink="out", group="g"))
            with scoring(scorer):
                eventually(lambda: scorer.totals.events == 1)
                control.log.away = False  # type: ignore[attr-defined]
                eventually(lambda: scorer.totals.events == 4)
    revisions = [value["revision"] for value in values(data.read("out"))]
    assert revisions[:2] == [1, 1]
    assert min(revisions[2:]) > 1
