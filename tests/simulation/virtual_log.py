"""A control log in virtual time: records come late to sight, answers take their time."""

from dataclasses import dataclass, field

from modelwire.control.state import Entry
from modelwire_log.contract import Message, Place, Record
from modelwire_log.envelope import seal
from modelwire_schemas.control import ControlRecord
from modelwire_schemas.errors import Corrupt, Unavailable
from modelwire_schemas.names import topic
from tests.simulation.world import BrokerClock, World

NAMESPACE = "sim"
CONTROL = Place(topic(NAMESPACE, "control"))


@dataclass(slots=True)
class Control:
    """The control log: what was taken, what everyone can see, and when that came to sight."""

    world: World
    clock: BrokerClock
    latest_sight: int
    records: list[Record] = field(default_factory=list[Record])
    entries: list[Entry] = field(default_factory=list[Entry])
    seen_from: list[int] = field(default_factory=list[int])

    def append(self, what: ControlRecord | None) -> Entry:
        """Take a record, or bytes that are none; it comes to sight within the margin."""
        world, offset, appended = self.world, len(self.records), self.clock.now()
        message = Message(b"damaged") if what is None else seal(what, source="sim")
        entry = Entry(offset, appended, what or Corrupt("E_CORRUPT", "damaged"))
        late = world.now + world.upto(self.latest_sight)
        self.entries.append(entry)
        self.seen_from.append(max([late, *self.seen_from[-1:]]))
        self.records.append(
            Record(
                CONTROL.stream, 0, offset, appended, appended, message.value, None, message.headers
            )._replace(key=message.key)
        )
        return entry

    def end(self) -> int:
        """Return the offset of the last record in sight; -1 if there is none."""
        seen = len(self.records)
        while seen and self.seen_from[seen - 1] > self.world.now:
            seen -= 1
        return seen - 1


class Line:
    """A consumer's way to the control log: requests and answers take time, or do not come."""

    def __init__(self, control: Control, slowest: int) -> None:
        self.cut_until = 0
        self.asleep = 0
        self._control = control
        self._slowest = slowest

    def end(self, place: Place, *, timeout: float) -> int:
        """Say how far the log goes at the moment when the question arrives."""
        del place, timeout
        self._travel()
        end = self._control.end()
        self._travel()
        return end

    def read(self, place: Place, after: int, limit: int, *, timeout: float) -> list[Record]:
        """Return what is in sight when the question arrives."""
        del place, timeout
        self._travel()
        last = min(self._control.end(), after + limit)
        found = self._control.records[after + 1 : last + 1]
        self._travel()
        return found

    def wait(self, place: Place, after: int, timeout: float) -> bool:
        """Do not wait: the consumer's next step is due at its own time."""
        del place, after, timeout
        return False

    def _travel(self) -> None:
        world = self._control.world
        if world.now < self.cut_until:
            raise Unavailable("E_LOG_UNAVAILABLE", "the line is cut")
        asleep = 0
        if self.asleep and world.chance(0.4):
            asleep, self.asleep = self.asleep, 0
        world.spend(asleep + world.upto(self._slowest))
