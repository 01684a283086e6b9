"""A consumer: the product's follower and lanes, with delays, pauses, crashes and takeovers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

from modelwire.control.follower import Control as Known
from modelwire.control.history import in_force_then
from modelwire.control.horizon import Reading
from modelwire.control.saved import dump, load
from modelwire.control.state import Accepted, RouteState, State
from modelwire.control.timeline import BelowFloor
from modelwire.routing.assign import CompiledDocument
from modelwire.scoring.lanes import Lane, advance, advanced, may_score
from modelwire.serving.snapshot import Snapshot
from modelwire_log.contract import Log, Place, Position, Record
from tests.simulation.people import ROUTE
from tests.simulation.product import Product
from tests.simulation.stream import STREAM, Scoring, Stream, business_time
from tests.simulation.virtual_log import NAMESPACE, Control, Line
from tests.simulation.world import BrokerClock, MachineClock, World

_NOTHING: dict[str, object] = {}


@dataclass(frozen=True, slots=True)
class Habits:
    """How a consumer lives: ms between polls, steps and receipts, how slow its line is at most."""

    poll: int
    step: int
    receipt: int
    slowest: int
    batch: int
    margin: int
    exactly_once: bool
    keeps_state: bool


@dataclass(slots=True)
class Shared:
    """What all consumers of a schedule share; `accepted` are all documents that ever were."""

    world: World
    control: Control
    fleet_clock: BrokerClock
    stream: Stream
    product: Product
    accepted: list[Accepted]
    compiled: dict[int, CompiledDocument] = field(default_factory=dict[int, CompiledDocument])
    overlooked: list[str] = field(default_factory=list[str])

    def version(self, accepted: Accepted, record: Record) -> str:
        """Return the version that a document gives an event."""
        compiled = self.compiled.get(accepted.revision)
        if compiled is None:
            compiled = CompiledDocument(accepted.document, accepted.revision)
            self.compiled[accepted.revision] = compiled
        place = (record.stream, record.partition, record.offset)
        return compiled.assign(record.key, _NOTHING, _NOTHING, place).version


class Consumer:
    """One life of a process of the group, from its start to its crash."""

    _ASKED = Lane(Place(STREAM, -1), -1)

    def __init__(self, name: str, shared: Shared, habits: Habits, kept: bytes = b"") -> None:
        self.name = name
        self.lanes: dict[Place, Lane] = {}
        self.line = Line(shared.control, habits.slowest)
        self.asleep = 0
        self.dead = False
        self._keep = State()
        self._shared = shared
        self._habits = habits
        self._world = shared.world
        self._product = shared.product
        self._clock = MachineClock(shared.world)
        self._snapshot = Snapshot(State(), State().earliest, {}, {}, 0)
        self._follower = shared.product.follower(
            cast("Log", self.line),
            NAMESPACE,
            self._on_change,
            clock=self._clock,
            kept=lambda: load(kept) if kept else None,
            margin=habits.margin,
        )
        self._again(lambda: self._follower.step(), habits.poll)
        self._again(self._read_clock, habits.receipt)
        self._again(self._step, habits.step)

    def crash(self) -> bytes:
        """Die; return what the cache keeps of the state for the next life, if it does."""
        self.dead = True
        self._world.tell(f"{self.name} crashes")
        return dump(self._keep) if self._habits.keeps_state else b""

    def take_over(self, place: Place) -> None:
        """Own a partition from now on."""
        position = self._shared.stream.positions[place]
        self.lanes[place] = self._product.taken_over(position)
        self._world.tell(
            f"{self.name} takes {place} after {position.after}, c {position.control}, "
            f"H {position.settled}"
        )

    def _again(self, what: Callable[[], object], every: int) -> None:
        """Do something now and then; the other things go on while it takes its time."""

        def due() -> None:
            if not self.dead:
                what()
                self._world.after(every, due)

        self._world.after(self._world.upto(every), due)

    def _read_clock(self) -> None:
        self._world.spend(self._world.upto(self._habits.slowest))
        appended = self._shared.fleet_clock.now()
        self._world.spend(self._world.upto(self._habits.slowest))
        self._follower.note(Reading(appended, self._clock.monotonic_ns()))

    def _on_change(self, known: Known) -> None:
        reading = known.reading
        here = self._clock.monotonic_ns()
        skew = reading.appended * 1_000_000 - reading.at_ns if reading else 0
        skew = skew or self._clock.now() * 1_000_000 - here
        before = self._snapshot
        self._snapshot = Snapshot(known.state, known.horizon, {}, {}, skew, known.stale_since)
        if known.state.offset != before.offset:
            self._world.tell(f"{self.name} at c {known.state.offset}, horizon {known.horizon}")
            if not known.stale_since:
                self._keep = known.state

    def _step(self) -> None:
        self._fetch()
        snapshot = self._snapshot
        looked = self._product.overlooked(
            self.lanes.values(), snapshot.state, ROUTE, lambda: self._shared.accepted
        )
        for text in looked:
            self._world.tell(f"{self.name} E_HORIZON: {text}")
            self._shared.overlooked.append(text)
        route = snapshot.state.routes.get(ROUTE)
        if route is None:
            return
        self._answer(route, snapshot)
        batch = self._take(route, snapshot)
        scored = list(self._score(route, snapshot, batch))
        asleep, self.asleep = self.asleep, 0
        self._world.spend(asleep)
        self._commit(snapshot, scored)

    def _answer(self, route: RouteState, snapshot: Snapshot) -> None:
        """Answer an event for somebody who asks, whoever scores its partition."""
        records = self._world.random.choice([*self._shared.stream.records.values()])
        record = self._world.random.choice(records) if records else None
        if record is not None and record.timestamp < snapshot.horizon:
            scored = self._score(route, snapshot, [(self._ASKED, record)])
            self._shared.stream.outputs += [scoring for _, scoring in scored]

    def _fetch(self) -> None:
        for place, lane in self.lanes.items():
            if not lane.records:
                behind = self._shared.stream.records[place][lane.after + 1 :]
                lane.records.extend(behind[: self._habits.batch])

    def _take(self, route: RouteState, snapshot: Snapshot) -> list[tuple[Lane, Record]]:
        """Return what may be scored now, lane by lane, in order."""
        staleness = route.head.document.staleness
        now = (self._clock.monotonic_ns() + snapshot.skew_ns) // 1_000_000
        batch: list[tuple[Lane, Record]] = []
        for lane in self.lanes.values():
            for record in lane.records:
                if not may_score(lane, record.timestamp, snapshot, now, staleness):
                    break
                batch.append((lane, record))
        return batch

    def _score(
        self, route: RouteState, snapshot: Snapshot, batch: list[tuple[Lane, Record]]
    ) -> Iterator[tuple[Lane, Scoring]]:
        """Yield what became of a batch: per event where documents differ, else by the first."""
        times = [record.timestamp for _, record in batch]
        mixed = bool(batch) and self._product.mixed(route, min(times), max(times))
        shared: Accepted | None = None
        for lane, record in batch:
            bt = business_time(record)
            if mixed or shared is None:
                shared = self._document(route, record.timestamp, bt, snapshot.offset)
            if shared is None:
                return
            yield (
                lane,
                Scoring(
                    record,
                    bt,
                    self.name,
                    snapshot.offset,
                    shared.revision,
                    self._shared.version(shared, record),
                    record.timestamp < snapshot.horizon,
                ),
            )

    def _document(self, route: RouteState, ts: int, bt: int, offset: int) -> Accepted | None:
        try:
            return self._product.in_force(route, ts, bt)
        except BelowFloor:
            return in_force_then(self._shared.accepted, ts, bt, offset)

    def _owns(self, lane: Lane) -> bool:
        """Whether a lane is still this member's, and was so all the time."""
        owner = self._shared.stream.owners[lane.place]
        return owner == self.name and self.lanes.get(lane.place) is lane

    def _commit(self, snapshot: Snapshot, scored: list[tuple[Lane, Scoring]]) -> None:
        """Write outputs and positions; without transactions a crash may come in between."""
        lanes = {id(lane): lane for lane, _ in scored}
        ahead: list[tuple[Lane, Position]] = []
        for lane in lanes.values():
            done = [(s.record, s.record.timestamp) for at, s in scored if at is lane]
            ahead.append((lane, advanced(lane, done, snapshot)))
        if not self._habits.exactly_once and not self.dead:
            self._shared.stream.outputs += [s for _, s in scored]
            self._world.spend(self._world.upto(self._habits.slowest))
        stream = self._shared.stream
        if self.dead or not all(self._owns(lane) for lane, _ in ahead):
            return
        if self._habits.exactly_once:
            stream.outputs += [s for _, s in scored]
        stream.committed += [s for _, s in scored]
        for lane, position in ahead:
            stream.positions[lane.place] = position
            advance(lane, position)
