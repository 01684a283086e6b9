"""The events of the input stream, who has which partition, and what was committed."""

from dataclasses import dataclass, field

from modelwire_log.contract import Place, Position, Record
from tests.simulation.people import LATEST_BUSINESS
from tests.simulation.virtual_log import Control
from tests.simulation.world import World

STREAM = "events"


@dataclass(frozen=True, slots=True)
class Scoring:
    """One event scored once: by whom, under which control offset and document, settled or not."""

    record: Record
    bt: int
    consumer: str
    control: int
    revision: int
    version: str
    settled: bool


@dataclass(slots=True)
class Stream:
    """Partitions of events, their owners, committed positions, and outputs in order."""

    world: World
    control: Control
    partitions: int
    business: bool
    records: dict[Place, list[Record]] = field(default_factory=dict[Place, list[Record]])
    owners: dict[Place, str] = field(default_factory=dict[Place, str])
    positions: dict[Place, Position] = field(default_factory=dict[Place, Position])
    outputs: list[Scoring] = field(default_factory=list[Scoring])
    committed: list[Scoring] = field(default_factory=list[Scoring])

    def __post_init__(self) -> None:
        places = [Place(STREAM, n) for n in range(self.partitions)]
        self.records = {place: [] for place in places}
        self.positions = {place: Position(place, -1) for place in places}

    def event(self) -> None:
        """Take an event; its own time lies near the present, often near what is being changed."""
        world, random = self.world, self.world.random
        records = self.records[Place(STREAM, random.randrange(self.partitions))]
        appended = self.control.clock.now()
        ts = self._near_a_change() if world.chance(0.15) else appended + self._apart()
        key = b"%d" % random.randrange(1000)
        bt = random.randint(0, LATEST_BUSINESS + 1) if self.business else ts
        place = next(p for p, r in self.records.items() if r is records)
        record = Record(STREAM, place.partition, len(records), ts, appended, b"%d" % bt, key)
        records.append(record)
        world.tell(f"{place}@{record.offset} ts {ts} bt {bt}")

    def _near_a_change(self) -> int:
        """Return a time from which the newest control record could have changed something."""
        newest = self.control.entries[-1].appended if self.control.entries else 0
        return newest + 500 - self.world.random.randint(-20, 80)

    def _apart(self) -> int:
        random = self.world.random
        chosen = random.random()
        if chosen < 0.45:
            return -self.world.upto(120)
        if chosen < 0.75:
            return random.randint(0, 900)
        if chosen < 0.92:
            return -random.randint(0, 4_000)
        return random.randint(900, 3_000)

    @property
    def done(self) -> bool:
        """Whether every event is committed."""
        return all(self.positions[p].after == len(r) - 1 for p, r in self.records.items())


def business_time(record: Record) -> int:
    """Return the business time of an event; its own time on a route without."""
    return int(record.value)
