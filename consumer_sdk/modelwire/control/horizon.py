"""Up to which time a consumer may settle events, and what becomes of the others (R9 to R12)."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from modelwire.control.state import Accepted, RouteState, State

MARGIN = 150
"""Ms by which an appended record may become visible late, and brokers' clocks may differ."""

MAX_WAIT = 1000
"""Ms that an event waits for its time to be settled before the staleness policy decides (R10)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The log's clock, read by a receipt: `appended` (ms) had passed at monotonic `at_ns`."""

    appended: int
    at_ns: int

    def log_time(self, at_ns: int) -> int:
        """Return a lower bound (ms) of the log's clock at a later monotonic time."""
        return self.appended + max(0, at_ns - self.at_ns) // 1_000_000


def horizon(state: State, sent: int | None, margin: int = MARGIN) -> int:
    """Return the time (ms) below which no unseen change can reach (R9).

    `sent` is the log's time when the newest `end()` that `state` covers was *sent*, not answered;
    None where no receipt has been had yet.
    """
    if sent is None:
        return state.earliest
    return max(state.earliest, sent + state.lead - margin)


class Settlement(Enum):
    """Whether an event's time is settled."""

    SETTLED = "settled"
    WAIT = "wait"
    AHEAD = "clock_ahead"


def settlement(ts: int, until: int, now: int, max_wait: int = MAX_WAIT) -> Settlement:
    """Say whether an event of time `ts` is settled under a horizon `until` at log time `now` (R10).

    Further ahead than `max_wait`, an event does not wait at all.
    """
    if ts < until:
        return Settlement.SETTLED
    return Settlement.AHEAD if ts > now + max_wait else Settlement.WAIT


def missed(accepted: Iterable[Accepted], settled: int) -> list[Accepted]:
    """Return the documents, just read, that should have counted for events settled before (R12).

    `settled` is H, the highest settled time. A result that is not empty is `E_HORIZON`. The first
    document of a route misses nothing: until it came, events waited (R8).
    """
    return [a for a in accepted if a.revision > 1 and _counts_from(a) <= settled]


def _counts_from(a: Accepted) -> int:
    """Return the event time from which a document counts; business times say nothing of it."""
    if a.at_once:
        return a.accepted
    return a.visible if a.document.time_field else a.effective


def accepted_since(route: RouteState, offset: int) -> tuple[Accepted, ...] | None:
    """Return the documents of a route that came behind a control offset, newest first.

    None where they are more than the state keeps: then the log knows them.
    """
    newest = (route.head, *route.recent)
    if newest[-1].offset > offset and newest[-1].revision > 1:
        return None
    return tuple(a for a in newest if a.offset > offset)
