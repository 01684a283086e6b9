"""Rules of meaning, each reverted on purpose: a simulation that finds none of them is no proof."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from modelwire.control.fold import fold
from modelwire.control.follower import CALL_TIMEOUT, Control, Follower
from modelwire.control.horizon import horizon
from modelwire.control.reading import read_entries
from modelwire.control.state import ALWAYS, Accepted, Entry, RouteState, State, Verdict
from modelwire.routing.ranges import Weight
from modelwire.scoring.lanes import Lane
from modelwire_log.contract import Position
from modelwire_schemas.routing import Variant
from tests.simulation.product import SHIPPED, Product, Read


def falling_fold(state: State, entries: Iterable[Entry]) -> tuple[State, list[Verdict]]:
    """R2 reverted: `earliest` follows append times, also when they fall."""
    verdicts: list[Verdict] = []
    for entry in entries:
        state, told = fold(replace(state, earliest=ALWAYS), [entry])
        verdicts += told
    return state, verdicts


class FallingFollower(Follower):
    """R2 reverted: follows the log by the fold above."""

    def _fold_up_to(self, end: int) -> State:
        while self._folded.offset < end:
            entries = read_entries(
                self._log, self._namespace, self._folded.offset, timeout=CALL_TIMEOUT
            )
            self._folded, _ = falling_fold(self._folded, entries)
        return self._folded


def at_all_times(route: RouteState, ts: int, bt: int) -> Accepted | None:
    """R5 reverted: the highest revision by business time alone, visible or not."""
    del ts
    return next((a for a in reversed(route.timeline) if a.effective <= bt), None)


def newest_effective(route: RouteState, ts: int, bt: int) -> Accepted | None:
    """R5 reverted: what holds since the latest time, not the highest revision."""
    holds = [a for a in route.timeline if a.visible <= ts and a.effective <= bt]
    return max(holds, key=lambda a: a.effective, default=None)


class LateFollower(Follower):
    """R9 reverted: the horizon goes by the time of the answer, not of the question."""

    def advance(self) -> None:
        state = self._fold_up_to(self._log.end(self._place, timeout=CALL_TIMEOUT))
        reading = self._reading
        now = self._clock.monotonic_ns()
        answered = reading.log_time(now) if reading else None
        self._answered_ns = now
        self._tell(Control(state, horizon(state, answered, self._margin), reading))


def forgetful(position: Position) -> Lane:
    """R13 reverted: a new owner does not care how far the last one had read."""
    return Lane(position.place, position.after, position.settled, looked=position.control)


def never_mixed(route: RouteState, low: int, high: int) -> bool:
    """R14 reverted: a batch has one document."""
    del route, low, high
    return False


def silent(lanes: Iterable[Lane], state: State, route: str, read: Read) -> list[str]:
    """R12 reverted: nobody looks back."""
    del lanes, state, route, read
    return []


def prefixes(before: Sequence[Variant], weights: Sequence[Weight]) -> tuple[Variant, ...]:
    """R26 reverted: variants lie one behind the other, wherever they lay before."""
    del before
    made: list[Variant] = []
    start = 0
    for name, version, count in weights:
        made.append(Variant(name, version, ((start, start + count),) if count else ()))
        start += count
    return tuple(made)


@dataclass(frozen=True, slots=True)
class Planted:
    """A product with one rule reverted, and the promise that breaks by it."""

    product: Product
    breaks: str


PLANTED: dict[str, Planted] = {
    "R2-earliest-falls": Planted(
        replace(SHIPPED, fold=falling_fold, follower=FallingFollower), "R11 settled"
    ),
    "R5-visible-ignored": Planted(replace(SHIPPED, in_force=at_all_times), "R11 agreement"),
    "R5-newest-effective": Planted(replace(SHIPPED, in_force=newest_effective), "R11 replay"),
    "R9-time-of-answer": Planted(replace(SHIPPED, follower=LateFollower), "R11 settled"),
    "R12-nobody-looks-back": Planted(replace(SHIPPED, overlooked=silent), "R12"),
    "R13-new-owner-reads-nothing": Planted(replace(SHIPPED, taken_over=forgetful), "R13"),
    "R14-one-document-a-batch": Planted(replace(SHIPPED, mixed=never_mixed), "R11 replay"),
    "R26-weights-are-prefixes": Planted(replace(SHIPPED, reweigh=prefixes), "R26"),
}
