"""A stream is split as it would be scored: every event once, as it was, with the reason beside."""

import uuid
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from modelwire.config import read_config
from modelwire.control.history import documents, in_force_then
from modelwire.control.reading import read_past
from modelwire.models import Models
from modelwire.routing.assign import CompiledDocument
from modelwire.scoring.events import Reading
from modelwire.scoring.scorer import Job, Scorer, Totals
from modelwire.scoring.splitting import Sides, Splitter, rules_only
from modelwire_log.contract import Message, Record
from modelwire_log.open import open_log
from modelwire_router.changes import When
from modelwire_schemas.errors import NotReady, Rejected
from modelwire_schemas.routing import BUCKETS, RoutingDocument, Rule, Split, Variant
from tests.waiting import eventually
from tests.world import ROUTE, World, event, world_on

COUNT = 400


@pytest.fixture(params=["memory", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Return a world whose releases no process could load: a splitter needs none of them."""
    kept = f"memory:{uuid.uuid4().hex}"
    url = kept if request.param == "memory" else f"sqlite:///{tmp_path}/log.db"
    with world_on(url, tmp_path) as made:
        made.release("1", content=b"no model")
        made.release("2", content=b"nor this")
        yield made


@dataclass(frozen=True, slots=True)
class Fork:
    """A splitter of one route, at work on the stream `in`."""

    world: World
    models: Models
    job: Job
    sides: Sides

    def run(self, timeout: float = 20.0) -> Totals:
        """Split what is there now."""
        writer = Splitter(self.models.log, self.job.source, self.sides)
        scorer = Scorer(self.models, self.models.log, self.job, writer)
        return scorer.run(until_end=True, timeout=timeout)

    def knows(self) -> None:
        """Wait until it has read the whole control log."""
        offset = self.world.state().offset
        assert self.models.live.wait_for(lambda s: s.offset >= offset, 10)


@contextmanager
def fork(
    world: World, named: Mapping[str, str] | None = None, reading: Reading | None = None
) -> Generator[Fork]:
    job = Job(route=ROUTE, source="in", group="g", reading=reading or Reading())
    sides = Sides("in.{version}", named or {})
    config = read_config(
        {},
        log=world.url,
        namespace=world.namespace,
        application="split",
        cache=world.folder / "cache",
    )
    with rules_only(config, open_log(world.url), job, sides) as models:
        models.route(ROUTE)
        yield Fork(world, models, job, sides)


def events(count: int = COUNT) -> list[bytes]:
    return [orjson.dumps(event(float(n), tail=f"N{n % 41}")) for n in range(count)]


def place(record: Record) -> str:
    return f"{record.stream}/{record.partition}/{record.offset}"


def told(record: Record) -> dict[str, Any]:
    """Return what the headers of an event say that was handed on."""
    said: dict[str, Any] = orjson.loads(dict(record.headers)["modelwire"])
    return {"id": dict(record.headers)["modelwire-id"].decode(), **said}


def handed_on(world: World, *versions: str) -> dict[str, tuple[str, Record]]:
    """Return who got every event, by its coordinates: version and record; none may come twice."""
    records = [(version, record) for version in versions for record in world.read(f"in.{version}")]
    found = {told(record)["id"]: (version, record) for version, record in records}
    assert len(found) == len(records), "doubled"
    return found


def test_every_event_goes_once_and_as_it_was_to_the_version_that_the_rules_choose(
    world: World,
) -> None:
    world.split({"1": "70", "2": "30"})
    world.feed("in", events())
    with fork(world) as splitter:
        totals = splitter.run()
    got = handed_on(world, "1", "2")
    document = world.state().routes[ROUTE].head
    compiled = CompiledDocument(document.document, document.revision)
    sources = world.read("in")
    assert got.keys() == {place(record) for record in sources}
    assert (totals.events, totals.dead) == (COUNT, 0)
    assert totals.streams == Counter(f"in.{version}" for version, _ in got.values())
    for source in sources:
        version, record = got[place(source)]
        meant = compiled.assign(source.key, {}, {}, None)
        assert version == meant.version
        assert (record.value, record.key) == (source.value, source.key)
        assert (record.timestamp, record.partition) == (source.timestamp, source.partition)
        said = told(record)
        assert (said["route"], said["model"], said["version"]) == (ROUTE, "late", version)
        assert (said["revision"], said["reason"], said["variant"]) == (1, "split", meant.variant)
        assert said["offset"] == world.state().offset
    for version in ("1", "2"):
        newest = dict.fromkeys(range(4), -1)
        for record in world.read(f"in.{version}"):
            offset = int(told(record)["id"].rpartition("/")[2])
            assert offset > newest[record.partition], "out of order"
            newest[record.partition] = offset


def test_headers_stay_and_one_of_them_forces_a_version_where_the_route_allows_it(
    world: World,
) -> None:
    rule = Rule("all", (Variant("1", "1", ((0, BUCKETS),)), Variant("2", "2")), Split(salt="s"))
    world.write(RoutingDocument(ROUTE, "late", (rule,), force_header="x-version"))
    world.log.create("in", 1)
    for asked in ("2", "1", "9"):
        headers = (("x-version", asked.encode()), ("trace", b"t"))
        world.log.append("in", Message(events(1)[0], b"k", headers))
    with fork(world) as splitter:
        splitter.run()
    got = handed_on(world, "1", "2")
    assert [got[f"in/0/{n}"][0] for n in range(3)] == ["2", "1", "1"]
    forced = got["in/0/0"][1]
    assert forced.headers[:2] == (("x-version", b"2"), ("trace", b"t"))
    assert told(forced)["reason"] == "forced"


def test_a_change_holds_from_its_event_time_on_and_every_key_has_one_side(world: World) -> None:
    world.split({"1": "50", "2": "50"})
    now = world.log.append("clock", Message(b"")).appended
    world.flip("2", when=When(now + 5000))
    world.log.create("in", 4)
    times = [now - 5000, now + 4999, now + 5000, now + 10_000]
    batch = [
        Message(value, f"k{n % 97}".encode(), timestamp=times[n % 4])
        for n, value in enumerate(events())
    ]
    world.log.append_batch("in", batch)
    with fork(world) as splitter:
        splitter.knows()
        splitter.run()
    sides: dict[bytes | None, set[str]] = {}
    found = documents(read_past(world.log, world.namespace), ROUTE)
    for version, record in handed_on(world, "1", "2").values():
        rules = in_force_then(found, record.timestamp, record.timestamp, world.state().offset)
        assert rules is not None
        assert told(record)["revision"] == rules.revision
        if record.timestamp < now + 5000:
            sides.setdefault(record.key, set()).add(version)
        else:
            assert version == "2"
    assert {len(side) for side in sides.values()} == {1}
    assert set.union(*sides.values()) == {"1", "2"}


def test_what_is_handed_on_is_not_handed_on_again(world: World) -> None:
    world.flip("1")
    world.feed("in", events(50))
    with fork(world) as splitter:
        splitter.run()
        assert splitter.run().events == 0
        world.feed("in", events(7))
        assert splitter.run().events == 7
    assert len(handed_on(world, "1")) == 57


def test_streams_can_be_named_version_by_version(world: World) -> None:
    world.split({"1": "50", "2": "50"})
    world.feed("in", events())
    with fork(world, {"1": "blue"}) as splitter:
        streams = splitter.run().streams
    assert set(streams) == {"blue", "in.2"}
    assert len(world.read("blue")) == streams["blue"]


def test_bad_events_are_put_aside_with_their_reason_while_their_neighbours_pass(
    world: World,
) -> None:
    world.split({"1": "50", "2": "50"})
    bad = [b"{not json", b"[1]", orjson.dumps({"tail": 1.5}), orjson.dumps({"tail": None})]
    world.log.create("in", 1)
    world.log.append_batch("in", [Message(v) for v in (*events(3), *bad, *events(3))])
    with fork(world, reading=Reading(key_field="tail")) as splitter:
        totals = splitter.run()
    letters = [dict(record.headers) for record in world.read("in.dead-letters")]
    assert [letter["modelwire-code"] for letter in letters] == [b"E_DECODE", b"E_DECODE", b"E_KEY"]
    assert (totals.dead, len(handed_on(world, "1", "2"))) == (3, 7)
    reasons = Counter(told(record)["reason"] for _, record in handed_on(world, "1", "2").values())
    assert reasons == {"split": 6, "no_key": 1}


def test_opaque_values_may_be_anything(world: World) -> None:
    world.split({"1": "50", "2": "50"})
    values = [bytes([n]) * n for n in range(256)]
    world.feed("in", values)
    with fork(world, reading=Reading(opaque=True)) as splitter:
        assert splitter.run().dead == 0
    got = [record.value for _, record in handed_on(world, "1", "2").values()]
    assert sorted(got) == sorted(values)


def test_to_the_fleet_a_splitter_is_an_instance_that_has_every_version_at_once(
    world: World,
) -> None:
    world.split({"1": "100", "2": "0"})
    world.feed("in", events(1))
    with fork(world) as splitter:
        eventually(lambda: len(splitter.models.live.snapshot.warm) == 2)
        report = splitter.models.status()
    assert report.routes == (ROUTE,)
    assert {(v.version, v.state, v.resident) for v in report.versions} == {
        ("1", "serving", 0),
        ("2", "warm", 0),
    }
    assert {"in.1", "in.2"} <= world.log.streams().keys()


def test_no_version_goes_back_into_the_stream_that_is_split(world: World) -> None:
    world.flip("1")
    world.feed("in", events(5))
    for stream in ("in", "in.dead-letters"):
        with (
            fork(world, {"1": stream}) as splitter,
            pytest.raises(NotReady, match=r"1 is failed E_STREAM .*has other events"),
        ):
            splitter.run(timeout=0.5)
    assert len(world.read("in")) == 5


def test_a_version_without_a_stream_is_stood_in_for_as_in_a_scorer(world: World) -> None:
    world.flip("1")
    world.split({"1": "50", "2": "50"})
    world.feed("in", events())
    with fork(world, {"2": "in"}) as splitter:
        splitter.knows()
        assert splitter.run().streams == {"in.1": COUNT}
    meant = Counter(told(record)["routed_to"] for _, record in handed_on(world, "1").values())
    assert meant.keys() == {"1", "2"}


@pytest.mark.parametrize("pattern", ["", "in", "in.{variant}", "in.{version}.{x}", "{version", "}"])
def test_a_pattern_gives_every_version_a_stream(pattern: str) -> None:
    with pytest.raises(Rejected, match="E_PATTERN"):
        Sides(pattern)


def test_bad_words_are_refused() -> None:
    with pytest.raises(Rejected, match="E_VERSION"):
        Sides("in.{version}", {"a b": "x"})
    for reading in ({"key_field": "k"}, {"time_field": "t"}):
        with pytest.raises(Rejected, match="E_FIELD: an opaque event has no fields"):
            Reading(opaque=True, **reading)
