"""What a scorer's telemetry says is what its outputs say, and it never stands in the way."""

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from modelwire.reporting.recorder import Recorder
from modelwire.reporting.telemetry import TelemetryReporter, trim
from modelwire.scoring.scorer import Job, Scorer
from modelwire_log.contract import START, Consumer, Message, Place, Position, Record
from modelwire_log.open import open_log
from modelwire_router.analysis.samples import Samples
from modelwire_router.telemetry import TelemetryReader
from modelwire_schemas.errors import Unavailable
from modelwire_schemas.names import topic
from modelwire_schemas.telemetry import Role, Telemetry, Window
from tests.consumer_sdk.reporting.test_recorder import Events, key
from tests.waiting import eventually
from tests.world import NAMESPACE, READY_S, ROUTE, World, event, world_on

STREAM = topic(NAMESPACE, "telemetry")


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("telemetry")
    url = "memory:telemetry" if request.param == "memory" else f"sqlite:///{folder}/log.db"
    with world_on(url, folder) as made:
        made.release("1", "2")
        made.flip("1")
        made.split({"1": "50", "2": "50"}, route="halves")
        yield made


@dataclass(frozen=True, slots=True)
class Told:
    """What one scorer's life told."""

    windows: tuple[Window, ...]
    outputs: list[Record]

    def total(self, **words: str) -> dict[str, int]:
        """Return counts by version of the windows with these words."""
        found: Counter[str] = Counter()
        for window in self.windows:
            if all(getattr(window, name) == value for name, value in words.items()):
                found[window.version] += window.predictions
        return dict(found)


def score(world: World, events: Sequence[bytes], route: str = "halves", **more: object) -> Told:
    """Score events in a process of its own life, and read what it told."""
    name = uuid.uuid4().hex[:8]
    application = f"app-{name}"
    world.feed(name, events)
    with world.connect(application) as models:
        models.route(route).wait_until_ready(READY_S)
        assert models.live.wait_for(lambda s: len(s.warm) == (2 if route == "halves" else 1), 20)
        job = Job(route=route, source=name, sink=f"{name}.out", group=name, **more)  # type: ignore[arg-type]
        Scorer(models, models.log, job).run(until_end=True)
    return Told(windows_of(world, application), world.read(f"{name}.out"))


def windows_of(world: World, application: str) -> tuple[Window, ...]:
    samples = Samples()
    for report, at in TelemetryReader(world.log, NAMESPACE).read():
        if report.application == application:
            assert samples.add(report, at) == ()
    return tuple(w for route in (ROUTE, "halves") for w in samples.windows(route))


def rows(count: int) -> list[bytes]:
    return [orjson.dumps(event(float(n % 50), number=n)) for n in range(count)]


def test_counts_and_sketches_are_those_of_the_outputs(world: World) -> None:
    told = score(world, rows(700))
    values = [orjson.loads(record.value) for record in told.outputs]
    assert told.total() == Counter(value["served_by"] for value in values)
    for window in told.windows:
        mine = [v["outputs"]["late"] for v in values if v["served_by"] == window.version]
        outputs = {output.name: output.sketch for output in window.outputs}
        if len(told.windows) == 2:  # all in one window of time
            assert outputs["late"].moments.count == len(mine)
            assert outputs["late"].moments.mean == pytest.approx(sum(mine) / len(mine))
        assert outputs["version_id"].moments.mean == int(window.version)
        assert window.latency.moments.count == window.predictions
        assert 0 < window.latency.moments.mean < 1e6
        assert (window.role, window.variant, window.revision) == (Role.LIVE, window.version, 1)
        assert window.span == 10_000
        assert window.routed == window.predictions


def test_events_that_fail_are_routed_and_counted_by_code(world: World) -> None:
    broken = [orjson.dumps({"a": 1.0}), orjson.dumps(event(1.0, b=None)), b"no JSON"]
    told = score(world, [*rows(20), *broken, *broken], route=ROUTE)
    routed = sum(window.routed for window in told.windows)
    errors = sum((Counter(dict(window.errors)) for window in told.windows), Counter[str]())
    assert (routed, told.total()) == (24, {"1": 20})
    assert errors == {"E_FIELD_MISSING": 2, "E_FIELD_NULL": 2}


def test_old_events_get_windows_of_their_own_time_and_few_of_them(world: World) -> None:
    name = uuid.uuid4().hex[:8]
    world.log.create(name, 1)
    day = 86_400_000
    world.log.append_batch(name, [Message(v, timestamp=n * day) for n, v in enumerate(rows(60))])
    with world.connect(f"app-{name}") as models:
        models.route(ROUTE).wait_until_ready(READY_S)
        job = Job(route=ROUTE, source=name, sink=f"{name}.out", group=name)
        Scorer(models, models.log, job).run(until_end=True)
    windows = windows_of(world, f"app-{name}")
    assert sum(window.predictions for window in windows) == 60
    assert 1 < len(windows) <= 12
    assert max(window.start + window.span for window in windows) > 59 * day
    assert all(window.start <= 59 * day for window in windows)


def test_watched_fields_are_told_and_what_is_missing_is_odd(world: World) -> None:
    events = [orjson.dumps(event(1.0, wind=float(n))) for n in range(10)] + rows(5)
    told = score(world, events, route=ROUTE, watch=("wind",))
    inputs = [output for window in told.windows for output in window.inputs]
    assert {output.name for output in inputs} == {"wind"}
    assert sum(output.sketch.moments.count for output in inputs) == 10
    assert sum(output.sketch.moments.odd for output in inputs) == 5


class Reluctant:
    """A member of a group whose first commit does not come through."""

    def __init__(self, member: Consumer) -> None:
        self._member = member
        self.refused = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._member, name)

    def poll(self, limit: int, timeout: float) -> list[Record]:
        return self._member.poll(limit, timeout)

    def assignment(self) -> frozenset[Place]:
        return self._member.assignment()

    def pause(self, places: Iterable[Place]) -> None:
        self._member.pause(places)

    def resume(self, places: Iterable[Place]) -> None:
        self._member.resume(places)

    def seek(self, place: Place, after: int) -> None:
        self._member.seek(place, after)

    def commit(
        self, positions: Sequence[Position], outputs: Sequence[tuple[str, Message]] = ()
    ) -> None:
        if not self.refused:
            self.refused += 1
            raise Unavailable("E_LOG_UNAVAILABLE", "the log is away")
        self._member.commit(positions, outputs)

    def close(self) -> None:
        self._member.close()


def test_what_was_not_committed_is_not_counted(world: World) -> None:
    name = uuid.uuid4().hex[:8]
    world.feed(name, rows(40), 1)
    with world.connect(f"app-{name}") as models:
        models.route(ROUTE).wait_until_ready(READY_S)
        job = Job(route=ROUTE, source=name, sink=f"{name}.out", group=name)
        scorer = Scorer(models, models.log, job)
        member = Reluctant(models.log.consumer(scorer.group))
        eventually(lambda: scorer.step(member) >= 0 and member.refused == 1)
        assert world.windows(models, ROUTE) == []
        eventually(lambda: scorer.step(member) >= 0 and scorer.totals.events == 40)
        counted = world.windows(models, ROUTE)
        assert sum(w.routed for w in counted) == sum(w.predictions for w in counted) == 40
        member.close()


def test_what_another_version_answers_is_counted_and_teaches_nothing_of_the_one_meant(
    world: World,
) -> None:
    world.release("9", content=b"no model")
    world.flip("1", route="lame")
    world.split({"1": "50", "9": "50"}, route="lame")
    name = uuid.uuid4().hex[:8]
    world.feed(name, rows(200))
    with world.connect(f"app-{name}") as models:
        models.route("lame").wait_until_ready(READY_S)
        job = Job(route="lame", source=name, sink=f"{name}.out", group=name)
        Scorer(models, models.log, job).run(until_end=True)
        counted = world.windows(models, "lame")
    asked = Counter(orjson.loads(r.value)["routed_to"] for r in world.read(f"{name}.out"))
    meant, answered = ([w for w in counted if w.version == version] for version in "91")
    assert sum(w.routed for w in meant) == sum(w.substituted for w in meant) == asked["9"]
    assert sum(w.routed for w in answered) == sum(w.predictions for w in answered) == asked["1"]
    assert not any(w.predictions or w.outputs or w.latency.moments.count for w in meant)


def test_nothing_is_told_where_telemetry_is_off(world: World) -> None:
    name = uuid.uuid4().hex[:8]
    world.feed(name, rows(10))
    with world.connect(f"app-{name}", telemetry=False) as models:
        models.route(ROUTE).wait_until_ready(READY_S)
        job = Job(route=ROUTE, source=name, sink=f"{name}.out", group=name)
        assert Scorer(models, models.log, job).run(until_end=True).outputs == 10
    assert windows_of(world, f"app-{name}") == ()


def test_a_log_that_is_away_loses_nothing_and_disturbs_nobody(tmp_path: Path) -> None:
    url, recorder = f"sqlite:///{tmp_path}/log.db", Recorder()
    with open_log(url, make=False) as away:
        reporter = TelemetryReporter(away, NAMESPACE, recorder, told)
        recorder.note(Events(3))
        reporter.report()
        reporter.report()
        with open_log(url) as there:
            there.append("other", Message(b"x"))
            recorder.note(Events(1))
            reporter.report()
            ((report, _),) = TelemetryReader(there, NAMESPACE).read()
    assert [window.routed for window in report.windows] == [4]


def told(windows: Sequence[Window]) -> Telemetry:
    return Telemetry("i", "1", "app", 0, tuple(windows))


def test_what_cannot_travel_disturbs_nobody(tmp_path: Path) -> None:
    class Nonsense(Events):
        def add_to(self, windows: object) -> None:
            raise ValueError(windows)

    with open_log(f"sqlite:///{tmp_path}/log.db") as log:
        recorder = Recorder()
        reporter = TelemetryReporter(log, NAMESPACE, recorder, told)
        recorder.note(Nonsense(1))
        recorder.note(Events(2))
        reporter.report()
        reporter.report()
        assert [r.windows[0].routed for r, _ in TelemetryReader(log, NAMESPACE).read()] == [2]


def test_a_reader_reads_on_and_passes_over_damage(tmp_path: Path) -> None:
    with open_log(f"sqlite:///{tmp_path}/log.db") as log:
        recorder = Recorder()
        reporter = TelemetryReporter(log, NAMESPACE, recorder, told)
        recorder.note(Events(1))
        reporter.report()
        log.append(STREAM, Message(b"nonsense"))
        reader = TelemetryReader(log, NAMESPACE)
        assert [report.windows[0].key for report, _ in reader.read()] == [tuple(key())]
        assert reader.read() == []
        recorder.note(Events(1))
        reporter.report()
        ((report, _),) = reader.read()
        assert report.windows[0].routed == 2


def test_old_telemetry_goes_where_the_log_keeps_everything(tmp_path: Path) -> None:
    with open_log(f"sqlite:///{tmp_path}/log.db") as log:
        log.append_batch(STREAM, [Message(b"x", timestamp=time) for time in (10, 20, 30, 40)])
        trimmed: dict[Place, int] = {}
        trim(log, STREAM, 30, trimmed)
        assert [r.timestamp for r in log.read(Place(STREAM), START)] == [30, 40]
        assert list(trimmed.values()) == [1]
        trim(log, STREAM, 50, trimmed)
        assert log.read(Place(STREAM), START) == []


def test_a_report_of_a_stopped_process_is_whole(world: World) -> None:
    """What was counted in the last two seconds is told at the end."""
    told_at_the_end = score(world, rows(33), route=ROUTE)
    assert told_at_the_end.total(route=ROUTE) == {"1": 33}
