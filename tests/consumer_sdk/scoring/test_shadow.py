"""Shadows on the flights: pairs of the same event, and nothing that the live answers notice."""

import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from modelwire.loading.probe import Prober
from modelwire.models import Models
from modelwire.reporting.shadowed import Shadowed
from modelwire.scoring.scorer import Job, Scorer
from modelwire.serving.batch import predict_rows
from modelwire.serving.plan import FOREVER
from modelwire.serving.rows import Rows
from modelwire.serving.servable import Servable
from modelwire.serving.shadowing import MOST_WAITING, SHARE, Batch, Deliver
from modelwire_log.contract import Message, Record
from modelwire_publisher.means import Means
from modelwire_publisher.order import Order
from modelwire_publisher.progress import silent
from modelwire_publisher.publishing import release
from modelwire_router.analysis.adding import add_moments
from modelwire_router.changes import NOW
from modelwire_router.feed import read_events
from modelwire_schemas.release import Contract, Tensor
from modelwire_schemas.routing import BUCKETS, Clause, Op, RoutingDocument, Rule, Shadow, Variant
from modelwire_schemas.telemetry import Role, Window
from tests.consumer_sdk.reporting.test_telemetry import Reluctant
from tests.models.good import mlp, slow
from tests.waiting import eventually
from tests.world import NAMESPACE, READY_S, World, contract, event, world_on

FLIGHTS = Path(__file__).parents[3] / "examples" / "flights"
EVENTS = [
    fed.value
    for fed in islice(
        read_events(FLIGHTS / "flights_2013_jan_feb.csv.gz", key_field="tailnum"), 1200
    )
]
LATE = (Tensor("late", "float32", (None,)),)
PLAIN = Contract(contract().inputs, LATE, contract().feeds)
OTHER = Contract(contract().inputs, LATE, contract(("a", "b", "c", "e")).feeds)


def document(route: str, model: str, *shadows: Shadow, version: str = "1") -> RoutingDocument:
    rule = Rule("all", (Variant("stable", version, ((0, BUCKETS),)),))
    return RoutingDocument(route, model, (rule,), shadows)


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("shadows")
    url = "memory:shadows" if request.param == "memory" else f"sqlite:///{folder}/log.db"
    with world_on(url, folder) as made:
        prober = Prober()
        for version in ("1", "2", "3"):
            order = Order(file=FLIGHTS / f"v{version}.onnx", model="flights", version=version)
            release(order, Means(made.log, NAMESPACE, prober, 30.0, silent))
        prober.close()
        made.release("1", content=mlp(), model="plain", terms=PLAIN)
        made.release("2", content=slow(60_000), model="plain", terms=PLAIN)
        made.release("3", content=mlp(), model="plain", terms=OTHER)
        match = Clause("origin", Op.IN, ("JFK",))
        made.write(document("whole", "flights", Shadow("2")))
        made.write(document("some", "flights", Shadow("2", 2000, "dark"), Shadow("3", match=match)))
        made.write(document("second", "flights", version="2"))
        made.write(document("overloaded", "plain", Shadow("2")))
        made.write(replace(document("other", "plain", Shadow("3")), contract_changed=True))
        yield made


@pytest.fixture(scope="module")
def models(world: World) -> Iterator[Models]:
    with world.connect() as connected:
        for name in ("whole", "some", "second", "overloaded", "other"):
            connected.route(name).wait_until_ready(READY_S)
        assert connected.live.wait_for(lambda s: len(s.warm) == 6, READY_S)
        yield connected


@dataclass(frozen=True, slots=True)
class Scored:
    """What came of some events: outputs by id, pairs by id, and the windows of the time."""

    outputs: dict[str, Any]
    pairs: dict[str, Any]
    windows: list[Window]
    records: list[Record]
    sources: list[Record]

    def shadows(self, version: str) -> list[Window]:
        return [w for w in self.windows if (w.role, w.version) == (Role.SHADOW, version)]


def score(
    world: World, models: Models, route: str, events: list[bytes], at_a_time: int = 200
) -> Scored:
    """Score events, so many at a time: shadows have time for them, however busy the machine is."""
    name = uuid.uuid4().hex[:8]
    job = Job(route=route, source=name, sink=f"{name}.out", group=name)
    for start in range(0, len(events), at_a_time):
        world.feed(name, events[start : start + at_a_time])
        Scorer(models, models.log, job).run(until_end=True)
        models.live.shadows.finish(30.0)
    windows = world.windows(models, route)
    paired = world.read(f"{name}.out.shadow")
    outputs, pairs = by_id(world.read(f"{name}.out")), by_id(paired)
    return Scored(outputs, pairs, windows, paired, world.read(name))


def by_id(records: list[Record]) -> dict[str, Any]:
    values = [orjson.loads(record.value) for record in records]
    found = {value["id"]: value for value in values}
    assert len(found) == len(values)
    return found


def test_every_pair_is_of_one_event_and_whole(world: World, models: Models) -> None:
    both, alone = score(world, models, "whole", EVENTS), score(world, models, "second", EVENTS)
    assert len(both.outputs) == len(both.pairs) == len(EVENTS)
    twos = list(alone.outputs.values())
    for (name, live), two in zip(both.outputs.items(), twos, strict=True):
        pair = both.pairs[f"{name}/2"]
        assert pair["source"] == live["source"]
        assert pair["live"]["outputs"] == live["outputs"]
        assert (pair["live"]["version"], pair["shadow"]["version"]) == ("1", "2")
        assert pair["shadow"]["outputs"]["late"] == pytest.approx(two["outputs"]["late"], abs=1e-6)
        assert (pair["offset"], pair["revision"]) == (live["offset"], live["revision"])
        assert pair["role"] == "shadow"
    sources = {(source.partition, source.offset): source for source in both.sources}
    for record in both.records:
        place = orjson.loads(record.value)["source"]
        source = sources[place["partition"], place["offset"]]
        assert (record.partition, record.key) == (source.partition, source.key)
        assert record.timestamp == source.timestamp == place["timestamp"]


def test_telemetry_has_the_differences_of_the_pairs(world: World, models: Models) -> None:
    found = score(world, models, "whole", EVENTS)
    differences = [
        pair["shadow"]["outputs"]["late"] - pair["live"]["outputs"]["late"]
        for pair in found.pairs.values()
    ]
    windows = found.shadows("2")
    pairs = [pair for window in windows for pair in window.pairs]
    assert {(pair.output, pair.against) for pair in pairs} == {("late", "1")}
    moments = add_moments([pair.difference.moments for pair in pairs])
    assert moments.count >= len(EVENTS)  # of this test, and of those before in the same window
    assert moments.mean == pytest.approx(np.mean(differences), abs=1e-5)
    assert moments.squares / moments.count == pytest.approx(np.var(differences), rel=1e-4)
    assert all(window.routed == window.predictions for window in windows)
    assert all(window.latency.moments.count == window.routed for window in windows)


def test_a_sample_is_the_same_events_whoever_draws_and_its_match_holds(
    world: World, models: Models
) -> None:
    first, again = (score(world, models, "some", EVENTS) for _ in range(2))

    def places(found: Scored, version: str) -> set[tuple[int, int]]:
        mine = [p for p in found.pairs.values() if p["shadow"]["version"] == version]
        return {(pair["source"]["partition"], pair["source"]["offset"]) for pair in mine}

    assert places(first, "2") == places(again, "2")
    assert 0 < len(places(first, "2")) < len(EVENTS) / 2
    kennedy = sum(orjson.loads(value)["origin"] == "JFK" for value in EVENTS)
    assert len(places(first, "3")) == kennedy


def test_a_shadow_is_of_its_own_documents_model_also_where_a_batch_meets_two(
    world: World, models: Models
) -> None:
    """Events of before and after a change of the model lie in one partition."""
    world.release("5", "6", content=mlp(), model="moved", terms=PLAIN)
    world.write(document("moved", "plain"))
    begin = world.state().now
    eventually(lambda: time.time_ns() // 1_000_000 > begin)
    since = world.write(document("moved", "moved", Shadow("6"), version="5"), NOW).effective
    models.route("moved").wait_until_ready(READY_S)
    eventually(lambda: len([v for v in models.live.snapshot.warm if v.model == "moved"]) == 2)
    eventually(lambda: time.time_ns() // 1_000_000 > since)
    value = orjson.dumps(event())
    world.log.create("moving", 1)
    for timestamp in (begin, begin, since, since):
        world.log.append("moving", Message(value, timestamp=timestamp))
    job = Job(route="moved", source="moving", sink="moved-out", group="moved")
    Scorer(models, models.log, job).run(until_end=True)
    models.live.shadows.finish(30.0)
    pairs = [orjson.loads(record.value) for record in world.read("moved-out.shadow")]
    assert [(p["source"]["offset"], p["shadow"]["version"]) for p in pairs] == [(2, "6"), (3, "6")]


def test_an_overloaded_shadow_drops_its_own_work_and_counts_it(
    world: World, models: Models
) -> None:
    events = [orjson.dumps(event(float(n % 7))) for n in range(9000)]
    found = score(world, models, "overloaded", events, at_a_time=len(events))
    dropped = dict(models.live.recorder.dropped("overloaded"))["2"]
    assert len(found.outputs) == len(events)
    assert dropped + len(found.pairs) == len(events)
    assert dropped > len(events) / 2


def one_event(models: Models) -> Batch:
    """Return an event that the route with a shadow of all has answered."""
    plan = models.live.snapshot.plans["whole"]
    rows = Rows([orjson.loads(EVENTS[0])], ["N1"], None, None)
    return Batch(plan, rows, [0], predict_rows(plan, rows, 0, None, FOREVER))


def held_up(until: threading.Event, seconds: float) -> Deliver:
    """Return a writer of pairs that takes so long, or until something has happened."""

    def deliver(paired: Shadowed, servable: Servable) -> None:
        del paired, servable
        until.wait(seconds)

    return deliver


def test_what_finds_no_room_is_dropped_at_once_and_waits_for_nobody(
    world: World, models: Models
) -> None:
    batch, busy = one_event(models), threading.Event()
    before = dict(models.live.recorder.dropped("whole")).get("2", 0)
    offered = 3 * MOST_WAITING
    for _ in range(offered):
        models.live.shadows.offer(batch, held_up(busy, 30))
    world.windows(models, "whole")
    dropped = dict(models.live.recorder.dropped("whole"))["2"] - before
    busy.set()
    models.live.shadows.finish(30.0)
    assert offered - dropped in (MOST_WAITING, MOST_WAITING + 1), "one may be under way"


def test_shadows_work_a_quarter_of_the_time_at_most(models: Models) -> None:
    batch, never = one_event(models), threading.Event()
    models.live.shadows.finish(30.0)
    began = time.monotonic()
    for _ in range(4):
        models.live.shadows.offer(batch, held_up(never, 0.05))
    models.live.shadows.finish(30.0)
    assert time.monotonic() - began >= 4 * 0.05 / SHARE


def test_what_a_shadow_cannot_take_fails_alone_and_only_there(world: World, models: Models) -> None:
    events = [orjson.dumps(event(1.0, e=2.0)), orjson.dumps(event(1.0)), orjson.dumps(event(3.0))]
    found = score(world, models, "other", events)
    assert len(found.outputs) == 3
    assert len(found.pairs) == 1
    windows = found.shadows("3")
    assert (sum(w.routed for w in windows), sum(w.predictions for w in windows)) == (3, 1)
    assert sum((Counter(dict(w.errors)) for w in windows), Counter[str]()) == {"E_FIELD_MISSING": 2}


def test_what_was_not_committed_has_no_pair(world: World, models: Models) -> None:
    name = uuid.uuid4().hex[:8]
    world.feed(name, EVENTS[:50], 1)
    job = Job(route="whole", source=name, sink=f"{name}.out", group=name)
    scorer = Scorer(models, models.log, job)
    member = Reluctant(models.log.consumer(scorer.group))
    eventually(lambda: scorer.step(member) >= 0 and member.refused == 1)
    models.live.shadows.finish(5.0)
    assert world.read(f"{name}.out.shadow") == []
    eventually(lambda: scorer.step(member) >= 0 and scorer.totals.events == 50)
    models.live.shadows.finish(5.0)
    assert len(world.read(f"{name}.out.shadow")) == 50
    member.close()


def test_what_waits_behind_an_event_that_nobody_can_serve_is_not_counted_and_has_no_pair(
    world: World, models: Models
) -> None:
    world.release("9", content=b"no model", model="plain", terms=PLAIN)
    bad = Rule("bad", (Variant("bad", "9", ((0, BUCKETS),)),), match=Clause("bad", Op.EXISTS))
    good = document("halted", "plain", Shadow("2"))
    world.write(replace(good, rules=(bad, *good.rules)))
    models.route("halted").wait_until_ready(READY_S)
    first, halting, behind = (orjson.dumps(event(**more)) for more in ({}, {"bad": 1}, {}))
    name = uuid.uuid4().hex[:8]
    world.feed(name, [first, halting, behind], 1)
    scorer = Scorer(
        models, models.log, Job(route="halted", source=name, sink=f"{name}.out", group=name)
    )
    member = models.log.consumer(scorer.group)
    eventually(lambda: scorer.step(member) >= 0 and scorer.totals.events == 1)
    for _ in range(3):
        scorer.step(member)
    member.close()
    models.live.shadows.finish(5.0)
    assert len(world.read(f"{name}.out")) == len(world.read(f"{name}.out.shadow")) == 1
    windows = world.windows(models, "halted")
    assert {w.role: w.routed for w in windows} == {Role.LIVE: 1, Role.SHADOW: 1}
