"""A log with a story on its control stream, and snapshots of it."""

import secrets
from functools import cache

from modelwire.clock import ManualClock
from modelwire.control.fold import fold
from modelwire.control.reading import (
    control_place,
    fold_log,
    read_entries,
)
from modelwire.control.snapshots import (
    EVERY,
    cut,
    record_at,
    snapshot_place,
)
from modelwire.control.state import State
from modelwire_log.contract import START, Message, Place, Record
from modelwire_log.envelope import seal
from modelwire_log.memory.log import MemoryLog
from modelwire_schemas.control import Body
from modelwire_schemas.snapshot import SnapshotChunk
from tests.consumer_sdk.control.making import (
    BEGIN,
    MINUTE,
    change,
    record,
    release,
)

NAMESPACE = "test"
WHOLE = EVERY + 60
CONTROL = control_place(NAMESPACE)
SNAPSHOTS = snapshot_place(NAMESPACE)


class Watched(MemoryLog):
    """A log that notes behind which offset its control log was read."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock=clock.now)
        self.clock = clock
        self.reads: list[int] = []

    def read(
        self, place: Place, after: int, limit: int = 1000, *, timeout: float = 5.0
    ) -> list[Record]:
        if place == CONTROL and limit > 1:
            self.reads.append(after)
        return super().read(place, after, limit, timeout=timeout)

    def say(self, body: Body, request_id: str = "", expires: int = 10 * MINUTE) -> None:
        asked = request_id or secrets.token_hex(8)
        self.put(seal(record(body, asked, self.clock.now() + expires), source="test"))

    def put(self, message: Message) -> None:
        self.append(CONTROL.stream, message)

    def keep(self, *chunks: SnapshotChunk) -> None:
        for chunk in chunks:
            self.append(SNAPSHOTS.stream, seal(chunk, source="test"))

    def states(self) -> list[State]:
        """Return the state behind every record, folded from the beginning."""
        states = [State()]
        while entries := read_entries(self, NAMESPACE, states[-1].offset):
            for entry in entries:
                states.append(fold(states[-1], [entry])[0])
        return states[1:]

    def chunks(self, state: State) -> list[SnapshotChunk]:
        at = record_at(self, NAMESPACE, state.offset)
        assert at is not None
        return cut(state, at)


def whole(log: Watched) -> State:
    """Return the fold of the whole log: it looks at no snapshot."""
    return fold_log(log, NAMESPACE, state=State())


@cache
def story(count: int) -> tuple[list[Record], list[State]]:
    """Return so many control records, most of them about one route, and the states behind them."""
    log = Watched(ManualClock(BEGIN))
    for body in (release("1"), release("2"), change("1", 0)):
        log.say(body)
    for number in range(3, count):
        log.clock.advance(MINUTE)
        log.say(change(str(1 + number % 2), number - 2))
    return log.read(CONTROL, START, count), log.states()


def history(count: int) -> Watched:
    """Return a log of that story."""
    log = Watched(ManualClock(BEGIN))
    for told in story(count)[0]:
        log.clock.advance(told.appended - log.clock.now())
        log.put(Message(told.value, told.key, told.headers))
    return log
