"""Two consumers, one of whom hears of changes late: the flights that they score, and who got what.

The changes are those that an operator makes while 50,000 flights land: splits, flips, scheduled
ones and one that cancels another, some by business time, several routes in one record, an undo.
Around each of them the control log's answers to one consumer are late, as on a bad network.
"""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set as AbstractSet
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, TypeVar, cast

import orjson

from modelwire.clock import SystemClock
from modelwire.config import read_config
from modelwire.control.history import documents, in_force_then
from modelwire.control.reading import control_place, read_past
from modelwire.control.state import Accepted
from modelwire.hooks import Hooks
from modelwire.models import Models
from modelwire.routing.assign import CompiledDocument
from modelwire.scoring.scorer import Job, Scorer
from modelwire.serving.settling import business_time
from modelwire_log.contract import Log, Message, Place, Record
from modelwire_log.open import open_log
from modelwire_log.whole import all_records
from modelwire_router.demo.files import flights
from modelwire_router.feed import read_events
from modelwire_router.readiness import WARM
from modelwire_schemas.errors import Unavailable
from tests.processes import Running, python, running, say
from tests.router.cli.desk import Desk
from tests.waiting import eventually

WAITS, GOES_ON, FALLS_BACK = "late", "early", "by-departure"
ROUTES = (WAITS, GOES_ON, FALLS_BACK)
VERSIONS = ("1", "2", "3")
EVENTS = "flights"
PARTITIONS = 4
ALL = 50_018
"""The flights of two months; fewer are taken evenly from all of them."""

CHANGED_AFTER_S, FAR_S, SLOT_S = 0.15, 1.2, 1.7
"""From when answers are late: when a change is made, when answers are quick, when the next begins.
"""

DELAY_S = 1.1
"""A change holds 0.5 s after its append. So a consumer that takes the time of an answer for that
of its question settles many events by rules that are gone.
"""

OFF_MS = {7: -3000, 18: 300}
"""How far the times of some flights in fifty lie off: late ones, and some that come soon."""

AHEAD_MS = 5000
"""How far the time of one flight in a thousand lies ahead; nothing waits for it."""

FIRST = """
- {route: late, model: flights-late, staleness: wait, keep_warm: ["1", "2", "3"],
   rules: [{variants: [{version: "1"}]}]}
- {route: early, model: flights-late, staleness: continue, keep_warm: ["1", "2", "3"],
   rules: [{variants: [{version: "1"}]}]}
"""
BY_DEPARTURE = """
{route: by-departure, model: flights-late, staleness: fallback, fallback: ["1"],
 keep_warm: ["1", "2", "3"], time_field: departed_at, rules: [{variants: [{version: "1"}]}]}
"""

T = TypeVar("T")
Change = Callable[[Desk], object]
Output = Mapping[str, Any]


class Distant:
    """A log whose answers about the control stream arrive `delay` seconds after they were given."""

    def __init__(self, log: Log, control: Place) -> None:
        self.delay = 0.0
        self._log = log
        self._control = control
        self._way = threading.Event()

    def end(self, place: Place, *, timeout: float = 5.0) -> int:
        return self._late(place, self._log.end(place, timeout=timeout), timeout)

    def read(
        self, place: Place, after: int, limit: int = 1000, *, timeout: float = 5.0
    ) -> list[Record]:
        return self._late(place, self._log.read(place, after, limit, timeout=timeout), timeout)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - all else is the log's own
        return getattr(self._log, name)

    def _late(self, place: Place, answer: T, timeout: float) -> T:
        if place == self._control:
            self._way.wait(min(self.delay, timeout))
            if self.delay > timeout:
                raise Unavailable("E_LOG_UNAVAILABLE", "the answer comes too late")
        return answer


def jobs(group: str, batch: int) -> list[Job]:
    """Return what a consumer scores: every flight by every route."""
    return [
        Job(route=r, source=EVENTS, sink=f"{group}-{r}", group=f"{group}-{r}", batch=batch)
        for r in ROUTES
    ]


def consume(url: str, control: str, namespace: str, group: str, cache: str) -> None:
    """Score the flights until stdin ends; a line is how late (s) the control log's answers are."""
    config = read_config({}, log=control, namespace=namespace, application=group, cache=cache)
    distant = Distant(open_log(control, make=False), control_place(namespace))
    with (
        Models(config, cast("Log", distant), clock=SystemClock(), hooks=Hooks()) as models,
        open_log(url) as log,
    ):
        scorers = [Scorer(models, log, job) for job in jobs(group, 500)]
        threads = [threading.Thread(target=scorer.run) for scorer in scorers]
        for thread in threads:
            thread.start()
        say("up")
        for line in sys.stdin:
            distant.delay = float(line)
        for scorer in scorers:
            scorer.stop()
        for thread in threads:
            thread.join()


def score_again(url: str, namespace: str, group: str, cache: str, batch: str) -> None:
    """Score all flights that are there, in batches of another size."""
    config = read_config({}, log=url, namespace=namespace, application=group, cache=cache)
    with (
        Models(config, open_log(url), clock=SystemClock(), hooks=Hooks()) as models,
        open_log(url) as log,
    ):
        for route in ROUTES:
            models.route(route)
        eventually(lambda: sum(v.state in WARM for v in models.status().versions) == 3, within=60)
        for job in jobs(group, int(batch)):
            Scorer(models, log, job).run(until_end=True)


@dataclass(frozen=True, slots=True)
class Slow:
    """How the slow consumer reaches the control log, and what delays its answers (s)."""

    control: str
    delay: Callable[[Running, float], object]


class Feeder:
    """Lands flights at an even rate, some late, some of a time to come."""

    def __init__(self, log: Log, count: int, rate: float) -> None:
        self._log = log
        self._rate = rate
        self._left = islice(
            read_events(flights(), key_field="tailnum"), 0, None, max(1, ALL // count)
        )
        self._fed = 0
        self.ahead: set[bytes] = set()
        self._seconds = 0.0
        self._pause = threading.Event()

    def feed_for(self, seconds: float) -> None:
        """Land what is due within so many seconds from now."""
        began = time.monotonic()
        while (passed := time.monotonic() - began) < seconds:
            self._land(self._rate * (self._seconds + passed))
            self._pause.wait(0.02)
        self._seconds += seconds

    def feed_the_rest(self) -> None:
        """Land what is left: a pause may have been longer than what was due in it."""
        self._land(ALL)

    def _land(self, due: float) -> None:
        now, batch = time.time_ns() // 1_000_000, list[Message]()
        for flight in islice(self._left, int(due) - self._fed):
            self._fed += 1
            off = AHEAD_MS if self._fed % 1000 == 11 else OFF_MS.get(self._fed % 50, 0)
            batch.append(Message(flight.value, flight.key, timestamp=now + off))
            if off == AHEAD_MS:
                self.ahead.add(flight.value)
        if batch:
            self._log.append_batch(EVENTS, batch)


def changes(desk: Desk) -> Iterator[Change]:
    """Yield what the operator does, all but the undo."""
    both = desk.write("both.yaml", FIRST.replace('version: "1"', 'version: "3"'))
    yield lambda desk: desk.ok("split", WAITS, "1=70", "2=30")
    yield lambda desk: desk.ok("flip", WAITS, "2", "--at", _in(2500))
    yield lambda desk: desk.ok("flip", FALLS_BACK, "2", "--at", "2013-01-10T00:00:00Z")
    yield lambda desk: desk.ok("flip", WAITS, "3", "--at", _in(60_000))
    yield lambda desk: desk.ok("flip", WAITS, "1", "--cancel")
    yield lambda desk: desk.ok("split", FALLS_BACK, "2=60", "3=40", "--at", "2013-02-15T00:00:00Z")
    yield lambda desk: desk.ok("split", GOES_ON, "1=50", "3=50")
    yield lambda desk: desk.ok("flip", GOES_ON, "2")
    yield lambda desk: desk.ok("apply", "-f", both)


def undo(desk: Desk) -> object:
    """Take the newest change back, that of two routes, at once."""
    return desk.ok("undo", WAITS)


CHANGES = 10
CANCELLED = (WAITS, 4)
"""The revision that another one displaced before it took effect."""


def _in(ms: int) -> int:
    return time.time_ns() // 1_000_000 + ms


def prepare(desk: Desk) -> None:
    """Release the versions, make the streams, set the first documents."""
    desk.publish(*VERSIONS)
    sinks = [f"{group}-{route}" for group in ("fast", "slow", "again") for route in ROUTES]
    dead = [f"{sink}.dead-letters" for sink in sinks]
    desk.ok("topics", "create", EVENTS, *sinks, *dead, "--partitions", PARTITIONS)
    desk.ok("apply", "-f", desk.write("first.yaml", FIRST))
    desk.ok("apply", "-f", desk.write("by-departure.yaml", BY_DEPARTURE))


def play(desk: Desk, slow: Slow, count: int) -> Counter[str]:
    """Land `count` flights under all changes, hold the outputs against each other, and count.

    Raises AssertionError where the consumers, or a replay, differ in what they must agree on.
    """
    prepare(desk)
    with ExitStack() as stack:
        log = stack.enter_context(open_log(desk.url))
        fast, held = [
            stack.enter_context(running(*_consumer(desk, url, group)))
            for url, group in ((desk.url, "fast"), (slow.control, "slow"))
        ]
        for consumer in (fast, held):
            assert consumer.hear() == "up", consumer.end()
        for route in ROUTES:
            eventually(partial(_all_warm, desk, route), within=60)
        feeder = Feeder(log, count, count / (CHANGES * SLOT_S + SLOT_S))
        for change in changes(desk):
            _from_afar(feeder, desk, change, slow, held)
        again = _again(desk, log)
        _from_afar(feeder, desk, undo, slow, held)
        feeder.feed_for(SLOT_S)
        feeder.feed_the_rest()
        eventually(partial(_all_scored, desk), within=120)
        for consumer in (fast, held):
            code, _, errors = consumer.end()
            assert code == 0, errors
            assert "E_HORIZON" not in errors
        return Agreement(desk, log, feeder.ahead).check(again)


def _consumer(desk: Desk, control: str, group: str) -> tuple[str, ...]:
    return python(consume, desk.url, control, desk.namespace, group, desk.folder / group)


def _all_scored(desk: Desk) -> bool:
    sinks = [f"{group}-{route}" for group in ("fast", "slow") for route in ROUTES]
    landed = desk.size(EVENTS)
    return all(desk.size(sink) >= landed for sink in sinks)


def _all_warm(desk: Desk, route: str) -> bool:
    rows = [desk("--json", "why-not", route, version).rows for version in VERSIONS]
    return all([row["state"] for row in some] == ["ready", "ready"] for some in rows)


def _from_afar(feeder: Feeder, desk: Desk, change: Change, slow: Slow, held: Running) -> None:
    slow.delay(held, DELAY_S)
    feeder.feed_for(CHANGED_AFTER_S)
    change(desk)
    feeder.feed_for(FAR_S - CHANGED_AFTER_S)
    slow.delay(held, 0)
    feeder.feed_for(SLOT_S - FAR_S)


def _again(desk: Desk, log: Log) -> dict[str, dict[str, Output]]:
    """Score again what was scored so far; an undo has not reached back yet."""
    command = python(score_again, desk.url, desk.namespace, "again", desk.folder / "again", 37)
    with running(*command) as process:
        code, _, errors = process.end(120)
        assert code == 0, errors
    return {route: _outputs(log, f"again-{route}") for route in ROUTES}


def _outputs(log: Log, stream: str) -> dict[str, Output]:
    """Return outputs by event; of twins the first counts (R15)."""
    found: dict[str, Output] = {}
    for record in all_records(log, stream):
        value = orjson.loads(record.value)
        found.setdefault(value["id"], value)
    return found


class Agreement:
    """What was written, held against itself and against the rules."""

    def __init__(self, desk: Desk, log: Log, ahead: AbstractSet[bytes]) -> None:
        self._log = log
        self._ahead = ahead
        self._events = {f"{r.stream}/{r.partition}/{r.offset}": r for r in all_records(log, EVENTS)}
        past = read_past(log, desk.namespace)
        self._documents = {route: documents(past, route) for route in ROUTES}
        self._compiled: dict[tuple[str, int], CompiledDocument] = {}

    def check(self, again: Mapping[str, Mapping[str, Output]]) -> Counter[str]:
        """Compare all outputs; return how many were compared, and how many of special kinds."""
        counts = Counter(events=len(self._events))
        for route in ROUTES:
            fast, slow = (_outputs(self._log, f"{group}-{route}") for group in ("fast", "slow"))
            assert fast.keys() == slow.keys() == self._events.keys(), "lost"
            self._compare(route, fast, slow, counts)
            self._compare(route, {i: fast[i] for i in again[route]}, again[route], Counter())
            self._seen(route, [*fast.values(), *slow.values()])
        assert counts["behind"], "both had always read as far"
        return counts

    def _compare(
        self,
        route: str,
        some: Mapping[str, Output],
        others: Mapping[str, Output],
        counts: Counter[str],
    ) -> None:
        differ: list[tuple[Output, Output]] = []
        for event, one in some.items():
            other = others[event]
            if one["unsettled"] or other["unsettled"]:
                ahead = self._events[event].value in self._ahead
                assert route != WAITS or ahead, "it should have waited"
                counts["unsettled"] += 1
                continue
            counts["compared"] += 1
            counts["behind"] += one["offset"] > other["offset"]
            self._check_rules(route, event, one)
            self._check_rules(route, event, other)
            if any(one[word] != other[word] for word in ("routed_to", "served_by", "revision")):
                if self._undone_between(route, one, other):
                    counts["reached_back"] += 1
                else:
                    differ.append((one, other))
        assert not differ, f"{route}: {len(differ)} differ, as {differ[0]}"

    def _check_rules(self, route: str, event: str, output: Output) -> None:
        """Hold an output against the document in force under the offset that it names (R5, R11)."""
        record = self._events[event]
        fields = orjson.loads(record.value)
        bt = record.timestamp
        if route == FALLS_BACK:
            bt = business_time(fields, "departed_at", record.timestamp)
        found = in_force_then(self._documents[route], record.timestamp, bt, output["offset"])
        assert found is not None
        answer = self._compiled_of(found).assign(record.key, fields, {}, None)
        said = (output["revision"], output["routed_to"], output["served_by"])
        assert said == (found.revision, answer.version, answer.version), (record, output)

    def _compiled_of(self, accepted: Accepted) -> CompiledDocument:
        key = accepted.document.route, accepted.revision
        if key not in self._compiled:
            self._compiled[key] = CompiledDocument(accepted.document, accepted.revision)
        return self._compiled[key]

    def _undone_between(self, route: str, one: Output, other: Output) -> bool:
        low, high = sorted((one["offset"], other["offset"]))
        return any(a.at_once and low < a.offset <= high for a in self._documents[route])

    def _seen(self, route: str, outputs: Sequence[Output]) -> None:
        """Every document but the cancelled one must have had events of its own."""
        made = {a.revision for a in self._documents[route] if (route, a.revision) != CANCELLED}
        assert {o["revision"] for o in outputs} == made
