"""The partitions of a scorer: what waits in each, and how far each is settled (R10, R12)."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from modelwire.control.horizon import (
    MAX_WAIT,
    Settlement,
    accepted_since,
    missed,
    settlement,
)
from modelwire.control.state import Accepted, State
from modelwire.serving.snapshot import Snapshot
from modelwire_log.contract import Place, Position, Record
from modelwire_schemas.routing import Staleness


@dataclass(slots=True)
class Lane:
    """One partition: records in order, the position behind the last one done, c and H.

    `waiting_ms` is the log's time since when its first record has waited to be settled; up to the
    control offset `looked` documents have been held against H.
    """

    place: Place
    after: int
    settled: int = -1
    control: int = -1
    records: deque[Record] = field(default_factory=deque[Record])
    waiting_ms: int = -1
    looked: int = -1


def taken_over(position: Position) -> Lane:
    """Return the lane of a new owner: it goes on from what the last one committed (R13)."""
    return Lane(position.place, position.after, position.settled, position.control)


def may_score(lane: Lane, ts: int, snapshot: Snapshot, now: int, staleness: Staleness) -> bool:
    """Say whether a lane's next event may be scored now: it is settled, or has waited enough.

    Never under an older control offset than the last one: not even a new owner with an old cache
    undoes a rollback (R13).
    """
    if snapshot.offset < lane.control:
        return False
    verdict = settlement(ts, snapshot.horizon, now)
    if verdict is not Settlement.WAIT:
        return True
    if staleness is Staleness.WAIT:
        return False
    if snapshot.stale_since:
        return True
    if lane.waiting_ms < 0:
        lane.waiting_ms = now
    return now - lane.waiting_ms >= MAX_WAIT


def advanced(lane: Lane, scored: Sequence[tuple[Record, int]], snapshot: Snapshot) -> Position:
    """Return the position behind events (record and time) that were scored under a snapshot."""
    settled = [ts for _, ts in scored if ts < snapshot.horizon]
    return Position(
        lane.place,
        scored[-1][0].offset,
        max(lane.control, snapshot.offset),
        max([lane.settled, *settled]),
    )


def advance(lane: Lane, position: Position) -> None:
    """Take note of a position that is committed."""
    while lane.records and lane.records[0].offset <= position.after:
        lane.records.popleft()
    lane.after, lane.control, lane.settled = position.after, position.control, position.settled
    lane.waiting_ms = -1


def overlooked(
    lanes: Iterable[Lane], state: State, route: str, read: Callable[[], Sequence[Accepted]]
) -> list[str]:
    """Return the documents that should have counted for what these lanes have settled (R12).

    A lane is held against every document once, also against those that its last owner had not
    read. Where the state no longer has them all, `read` gives every document of the route. A
    result that is not empty is `E_HORIZON`.
    """
    found: list[str] = []
    now = state.routes.get(route)
    for lane in lanes:
        since = max(lane.control, lane.looked)
        if since >= state.offset or now is None:
            continue
        lane.looked = state.offset
        came = accepted_since(now, since) if lane.settled >= 0 else ()
        if came is None:
            came = tuple(a for a in read() if since < a.offset <= state.offset)
        found += [
            f"revision {a.revision} at control offset {a.offset} reaches back before "
            f"{lane.settled} in {lane.place}"
            for a in missed(came, lane.settled)
        ]
    return found
