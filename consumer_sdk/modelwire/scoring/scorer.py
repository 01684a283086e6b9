"""Our loop: events of a stream in, outputs out, positions with them; order is kept."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from modelwire.control.horizon import MAX_WAIT
from modelwire.control.state import Accepted, State
from modelwire.models import Models
from modelwire.scoring.events import Fields, Reading
from modelwire.scoring.lanes import Lane, advance, advanced, may_score, overlooked, taken_over
from modelwire.scoring.outputs import Target, Writer, dead_letter
from modelwire.scoring.scores import Scores
from modelwire.scoring.streams import Partitions, require
from modelwire.serving.answer import Answers
from modelwire.serving.batch import predict_rows
from modelwire.serving.plan import RoutePlan
from modelwire.serving.rows import Rows
from modelwire.serving.shadowing import Batch, are_warm
from modelwire.serving.snapshot import Snapshot
from modelwire_log.contract import Consumer, Group, Log, Place, Position, Record
from modelwire_schemas.errors import Conflict, ModelwireError, NotReady, Unavailable

logger = logging.getLogger("modelwire.scoring")

BATCH = 500
"""Events that are scored together at most; at a low rate an event does not wait for others."""

IDLE = 0.1
"""Seconds that one poll of an empty stream takes."""

SHADOWS_S = 5.0
"""Seconds that shadows may finish in, once scoring has ended, and warm in before it begins."""

HELD = 0.02
"""Seconds between two looks at events that wait to be settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be scored: by which route, from where to where, as which group.

    `sink` is empty for a writer that knows where outputs go. `begin` is `start`, `end` or a time
    in ms, for a group without positions. Bad events go to `dead_letters`, by default
    `<sink>.dead-letters`. `watch` names numeric fields of the events whose distribution telemetry
    tells, too. Pairs of shadows go to `shadow`, by default `<sink>.shadow`.
    """

    route: str
    source: str
    sink: str = ""
    group: str
    begin: str | int = "start"
    reading: Reading = field(default_factory=Reading)
    dead_letters: str = ""
    batch: int = BATCH
    watch: tuple[str, ...] = ()
    shadow: str = ""

    @property
    def graveyard(self) -> str:
        """The stream of the dead letters."""
        return self.dead_letters or f"{self.sink or self.source}.dead-letters"

    @property
    def shadow_stream(self) -> str:
        """The stream of what shadows gave."""
        return self.shadow or f"{self.sink}.shadow"


def check_streams(log: Log, job: Job) -> None:
    """Look for a job's streams; raises NotFound `E_NO_STREAM` for one that nobody makes."""
    require(log, job.source, (*filter(None, [job.sink]), job.graveyard))


@dataclass(slots=True)
class Totals:
    """What a scorer has done so far; `streams` counts what each stream was given."""

    events: int = 0
    outputs: int = 0
    dead: int = 0
    batches: int = 0
    streams: Counter[str] = field(default_factory=Counter[str])


@dataclass(frozen=True, slots=True)
class _Taken:
    """The events of one batch: the lane, the record, the event's fields or fault, its time."""

    lane: Lane
    record: Record
    fields: Fields | ModelwireError
    ts: int


@dataclass(frozen=True, slots=True)
class _Made:
    """What is to be written for a batch, the events that this finishes, and what was answered."""

    outputs: Sequence[Target]
    finished: Sequence[_Taken]
    answered: Batch | None
    records: Sequence[Record] = ()


class Scorer:
    """Scores a stream in the thread that calls `run`. `stop` may be called from anywhere.

    `writer` makes what is written; by default scores.
    """

    def __init__(self, models: Models, log: Log, job: Job, writer: Writer | None = None) -> None:
        self.totals = Totals()
        self._models = models
        self._log = log
        self._job = job
        self._route = models.route(job.route)
        self._lanes: dict[Place, Lane] = {}
        self._stop = threading.Event()
        self._partitions = Partitions(log, job.source)
        self._writer = writer or Scores(
            models.live, log, job.source, job.sink, job.shadow_stream, job.watch
        )

    def stop(self) -> None:
        """Finish the batch that is under way, commit it, leave the group."""
        self._stop.set()

    def run(self, *, until_end: bool = False, timeout: float = 30.0) -> Totals:
        """Score until `stop`, or with `until_end` until the group has done what is there now.

        Waits up to `timeout` seconds for a version to be warm before it takes a partition (R17).
        Raises NotReady when none is, NotFound `E_NO_STREAM` for a missing stream.
        """
        check_streams(self._log, self._job)
        ends = self._ends() if until_end else {}
        self._wait_until_ready(timeout)
        if until_end:
            route = self._job.route
            self._models.live.wait_for(lambda s: are_warm(s.plans.get(route)), SHADOWS_S)
        if self._stop.is_set():
            return self.totals
        consumer = self._log.consumer(self.group)
        try:
            while not self._stop.is_set():
                idle = not self.step(consumer)
                if until_end and idle and self._reached(ends):
                    break
        finally:
            consumer.close()
            self._models.live.shadows.finish(SHADOWS_S)
        return self.totals

    @property
    def group(self) -> Group:
        """The group that its consumer joins."""
        return Group(
            self._job.group,
            (self._job.source,),
            self._job.begin,
            on_assigned=self._assigned,
            on_revoked=self._revoked,
        )

    def step(self, consumer: Consumer) -> int:
        """Score one batch; return how many records were read or done."""
        held = sum(len(lane.records) for lane in self._lanes.values())
        room = max(1, self._job.batch - held)
        records = self._poll(consumer, room, HELD if held else IDLE)
        for record in records:
            lane = self._lanes.get(Place(record.stream, record.partition))
            if lane is not None:
                lane.records.append(record)
        finished = self._score(consumer)
        self._hold(consumer)
        return len(records) + finished

    def _poll(self, consumer: Consumer, limit: int, timeout: float) -> list[Record]:
        try:
            return consumer.poll(limit, timeout)
        except Unavailable as error:
            logger.warning("the stream is out of reach: %s", error)
            self._stop.wait(IDLE)
            return []

    def _score(self, consumer: Consumer) -> int:
        snapshot = self._models.live.snapshot
        self._look_back(snapshot.state)
        plan = snapshot.plans.get(self._job.route)
        if plan is None or plan.route is None:
            return 0
        now = self._models.live.present(snapshot)
        batch = self._take(plan, snapshot, now)
        if not batch:
            return 0
        made = self._make(plan, snapshot, batch, now + MAX_WAIT)
        done = self._commit(consumer, snapshot, made)
        if done:
            self._count_times([t.ts for t in made.finished], snapshot.horizon, now + MAX_WAIT)
            if made.answered is not None:
                self._writer.committed(made.answered, made.records)
        return done

    def _take(self, plan: RoutePlan, snapshot: Snapshot, now: int) -> list[_Taken]:
        """Return the events that may be scored now, lane by lane, in order."""
        staleness = plan.staleness(now)
        batch: list[_Taken] = []
        for lane in self._lanes.values():
            records = list(lane.records)
            events = self._job.reading.events(records) if records else []
            for record, fields in zip(records, events, strict=True):
                known: Fields = {} if isinstance(fields, ModelwireError) else fields
                ts = self._job.reading.time(record, known)
                if not may_score(lane, ts, snapshot, now, staleness):
                    break
                batch.append(_Taken(lane, record, fields, ts))
        return batch

    def _make(
        self, plan: RoutePlan, snapshot: Snapshot, batch: Sequence[_Taken], patience: int
    ) -> _Made:
        """Return what is to be written, and the events that this finishes."""
        answers: Answers | NotReady | None = None
        good = [t for t in batch if not isinstance(t.fields, ModelwireError)]
        faults = {id(t): t.fields for t in batch if isinstance(t.fields, ModelwireError)}
        stage = dict.fromkeys(faults, "decode")
        made: dict[int, Target | None] = {}
        records, rows = [t.record for t in good], self._rows(good)
        if rows is not None:
            answers = self._answers(plan, snapshot, rows, [t.ts for t in good], patience)
            if isinstance(answers, NotReady):
                faults |= {id(t): answers for t in good}
            else:
                targets = self._writer.targets(records, answers)
                made = {id(t): target for t, target in zip(good, targets, strict=True)}
                for row, error in answers.errors:
                    faults[id(good[row])] = error
                    stage[id(good[row])] = "model" if error.code == "E_MODEL" else "contract"
        outputs, finished = self._arrange(batch, made, faults, stage)
        if rows is None or not isinstance(answers, Answers):
            return _Made(outputs, finished, None)
        done: list[int] | None = None
        if len(finished) < len(batch):
            ended = {id(taken) for taken in finished}
            done = [row for row, taken in enumerate(good) if id(taken) in ended]
        answered = Batch(plan, rows, [t.ts for t in good], answers, done)
        return _Made(outputs, finished, answered, records)

    def _rows(self, good: Sequence[_Taken]) -> Rows | None:
        if not good:
            return None
        reading, records = self._job.reading, [t.record for t in good]
        return Rows(
            [t.fields for t in good],
            [reading.key(t.record, t.fields) for t in good if isinstance(t.fields, dict)],
            [dict(r.headers) for r in records] if any(r.headers for r in records) else None,
            [(r.stream, r.partition, r.offset) for r in records],
        )

    def _answers(
        self,
        plan: RoutePlan,
        snapshot: Snapshot,
        rows: Rows,
        times: Sequence[int],
        patience: int,
    ) -> Answers | NotReady:
        try:
            past, until = self._models.past, snapshot.horizon
            return predict_rows(plan, rows, times, past, until, patience)
        except NotReady as error:
            return error

    def _arrange(
        self,
        batch: Sequence[_Taken],
        made: dict[int, Target | None],
        faults: dict[int, ModelwireError],
        stage: dict[int, str],
    ) -> tuple[list[Target], list[_Taken]]:
        """Put outputs and dead letters in order; a lane stops at what nothing can serve yet."""
        outputs: list[Target] = []
        finished: list[_Taken] = []
        stopped: set[Place] = set()
        for taken in batch:
            fault = faults.get(id(taken))
            if taken.lane.place in stopped or isinstance(fault, NotReady):
                stopped.add(taken.lane.place)
                continue
            target = made.get(id(taken))
            if fault is not None:
                where = self._job.graveyard
                letter = dead_letter(
                    taken.record, fault, stage[id(taken)], self._partitions.of(where)
                )
                outputs.append((where, letter))
            elif target is not None:
                outputs.append(target)
            finished.append(taken)
        return outputs, finished

    def _commit(self, consumer: Consumer, snapshot: Snapshot, made: _Made) -> int:
        """Write outputs and positions; what could not be written is scored again."""
        outputs, finished = made.outputs, made.finished
        scored: dict[Place, list[_Taken]] = {}
        for taken in finished:
            scored.setdefault(taken.lane.place, []).append(taken)
        ahead = [
            (lane[0].lane, advanced(lane[0].lane, [(t.record, t.ts) for t in lane], snapshot))
            for lane in scored.values()
        ]
        if not ahead:
            return 0
        try:
            consumer.commit([position for _, position in ahead], outputs)
        except Conflict as lost:
            logger.warning("another member has a partition of this batch: %s", lost)
            return 0
        except Unavailable as error:
            logger.warning("outputs are not written yet: %s", error)
            self._stop.wait(IDLE)
            return 0
        for lane, position in ahead:
            advance(lane, position)
        given = Counter(stream for stream, _ in outputs)
        dead = given[self._job.graveyard]
        self.totals.streams += given
        self.totals.batches += 1
        self.totals.events += len(finished)
        self.totals.dead += dead
        self.totals.outputs += len(outputs) - dead
        return len(finished)

    def _count_times(self, times: Sequence[int], horizon: int, patience: int) -> None:
        """Count the events whose time was not settled, or lay far ahead of the clock (R10)."""
        if max(times) >= horizon:
            for ts in times:
                if ts >= horizon:
                    self._models.live.tally.add("unsettled")
                if ts > patience:
                    self._models.live.tally.add("clock_ahead")

    def _hold(self, consumer: Consumer) -> None:
        """Read no further where events wait, and read on where none do."""
        waiting = [p for p, lane in self._lanes.items() if lane.records]
        consumer.pause(waiting)
        consumer.resume([p for p in self._lanes if p not in waiting])

    def _assigned(self, positions: Sequence[Position]) -> None:
        """Take partitions over; they wait until as much is read as their last owner had (R13)."""
        self._lanes.update((position.place, taken_over(position)) for position in positions)

    def _revoked(self, places: Sequence[Place]) -> None:
        for place in places:
            self._lanes.pop(place, None)

    def _look_back(self, state: State) -> None:
        for text in overlooked(self._lanes.values(), state, self._job.route, self._documents):
            logger.error("E_HORIZON: %s", text)
            self._models.live.tally.add("E_HORIZON")

    def _documents(self) -> Sequence[Accepted]:
        """Return every document of the route, from the log; few changes in a row never need it."""
        state = self._models.live.snapshot.state
        revision = state.routes[self._job.route].head.revision
        try:
            return self._models.past.documents(self._job.route, revision, state.offset)
        except ModelwireError as error:
            logger.warning("it is not known whether a document was overlooked: %s", error)
            return ()

    def _wait_until_ready(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not self._route.ready and not self._stop.is_set():
            left = deadline - time.monotonic()
            try:
                self._route.wait_until_ready(min(0.2, max(0.0, left)))
            except NotReady:
                if left <= 0:
                    raise

    def _ends(self) -> dict[Place, int]:
        count = self._log.streams()[self._job.source]
        places = [Place(self._job.source, partition) for partition in range(count)]
        return {place: self._log.end(place) for place in places}

    def _reached(self, ends: dict[Place, int]) -> bool:
        after = {p.place: p.after for p in self._log.positions(self._job.group)}
        return all(after.get(place, -1) >= end for place, end in ends.items())
