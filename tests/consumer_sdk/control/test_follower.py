"""Following the control log: how fresh, how far settled, and what holds when it is away."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from modelwire.clock import ManualClock
from modelwire.control.commands import By, submit
from modelwire.control.follower import STALE_AFTER_NS, Control, Follower
from modelwire.control.horizon import MARGIN, Reading
from modelwire.control.reading import fold_log
from modelwire.control.state import LEAD, State
from modelwire_log.contract import Message, Place, Record
from modelwire_log.envelope import seal
from modelwire_log.memory.log import MemoryLog
from modelwire_schemas.control import FOLD_VERSION, Body
from modelwire_schemas.errors import Corrupt, TooNew, Unavailable
from modelwire_schemas.names import topic
from modelwire_schemas.policy import PolicySet
from tests.consumer_sdk.control.making import MINUTE, ROUTE, change, record, release
from tests.waiting import eventually

NAMESPACE = "test"
CONTROL = topic(NAMESPACE, "control")
STALE_MS = STALE_AFTER_NS // 1_000_000


class Slow(MemoryLog):
    """A log that takes its time to say where it ends; something may be appended meanwhile."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock=clock.now)
        self.before_the_answer: Callable[[], None] = lambda: None
        self.after_the_answer: Callable[[], None] = lambda: None

    def end(self, place: Place, *, timeout: float = 5.0) -> int:
        self.before_the_answer()
        end = super().end(place, timeout=timeout)
        self.after_the_answer()
        return end


class World:
    """A log, a clock that a test turns, and a follower that is asked by hand or runs."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.log = Slow(self.clock)
        self.told: list[Control] = []
        self.kept: State | None = None
        self.follower = self.another()

    def another(self) -> Follower:
        return Follower(
            self.log, NAMESPACE, self.told.append, clock=self.clock, kept=lambda: self.kept
        )

    @property
    def now(self) -> Control:
        return self.follower.control

    def say(self, *bodies: Body) -> int:
        return [
            submit(self.log, NAMESPACE, body, By(), clock=self.clock).verdict.offset
            for body in bodies
        ][-1]

    def served(self) -> None:
        self.say(release("1"), release("2"), change("1", 0))

    def read_clock(self) -> None:
        receipt = self.log.append("fleet", Message(b""))
        self.follower.note(Reading(receipt.appended, self.clock.monotonic_ns()))


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.log.away = False
    made.follower.stop(5)


def test_the_state_covers_the_log_and_the_horizon_lies_ahead_of_the_asking(world: World) -> None:
    world.served()
    world.clock.advance(MINUTE)
    world.read_clock()
    world.clock.advance(70)
    world.follower.advance()
    assert world.now.state == fold_log(world.log, NAMESPACE)
    assert world.now.horizon == world.clock.now() + LEAD - MARGIN


def test_the_horizon_goes_by_the_asking_and_not_by_the_answer(world: World) -> None:
    world.served()
    world.read_clock()
    asked = world.clock.now()
    world.log.before_the_answer = lambda: world.clock.advance(1_000)
    world.log.after_the_answer = lambda: world.clock.advance(1_000)
    world.follower.advance()
    assert world.now.horizon == max(world.now.state.earliest, asked + LEAD - MARGIN)


def test_what_comes_behind_the_answered_end_is_not_claimed_to_be_settled(world: World) -> None:
    world.served()
    world.clock.advance(MINUTE)
    world.read_clock()
    world.log.after_the_answer = lambda: world.clock.advance(10 * MINUTE)
    world.follower.advance()
    world.log.after_the_answer = lambda: None
    effective = world.clock.now() + LEAD
    assert world.now.horizon < effective
    world.say(change("2", 1))
    world.follower.advance()
    assert world.now.state.routes[ROUTE].head.effective == effective


def test_without_a_receipt_the_horizon_is_what_the_state_settles(world: World) -> None:
    world.served()
    world.clock.advance(MINUTE)
    world.follower.advance()
    assert world.now.horizon == world.now.state.earliest


def test_the_horizon_never_falls(world: World) -> None:
    world.served()
    world.clock.advance(MINUTE)
    world.read_clock()
    world.follower.advance()
    before = world.now.horizon
    world.follower.note(Reading(0, world.clock.monotonic_ns()))
    world.follower.advance()
    assert world.now.horizon == before


def test_a_follower_that_is_stopped_before_it_has_read_all_settles_nothing_more(
    world: World,
) -> None:
    world.served()
    world.read_clock()
    world.follower.advance()
    before = world.now.horizon
    world.clock.advance(MINUTE)
    world.log.after_the_answer = lambda: world.follower.stop(0)
    world.follower.advance()
    assert world.now.horizon == before


def test_a_lead_that_grows_moves_the_horizon_only_with_the_state_that_has_it(world: World) -> None:
    world.served()
    world.clock.advance(MINUTE)
    world.read_clock()
    world.follower.advance()
    assert world.now.horizon == world.clock.now() + LEAD - MARGIN
    world.say(PolicySet(5_000))
    world.follower.advance()
    assert world.now.horizon == world.clock.now() + 5_000 - MARGIN


def test_a_follower_that_runs_tells_of_a_change_at_once(world: World) -> None:
    world.follower.start()
    world.served()
    offset = world.say(change("2", 1))
    eventually(lambda: any(c.state.offset == offset for c in world.told))


def test_a_log_that_is_away_makes_it_stale_and_its_return_makes_it_fresh(world: World) -> None:
    world.served()
    world.follower.start()
    eventually(lambda: world.now.state.offset == 2)
    world.log.away = True
    eventually(lambda: world.follower.trouble is not None)
    assert not world.now.stale_since
    world.clock.advance(STALE_MS)
    eventually(lambda: world.now.stale_since)
    assert world.now.stale_since == world.clock.now()
    assert isinstance(world.now.error, Unavailable)
    assert world.now.state.routes[ROUTE].head.revision == 1
    world.log.away = False
    eventually(lambda: not world.now.stale_since)
    assert world.told[-1].error is None
    world.say(change("2", 1))
    eventually(lambda: world.now.state.routes[ROUTE].head.revision == 2)


def test_it_is_stale_since_it_became_so(world: World) -> None:
    world.served()
    world.follower.start()
    eventually(lambda: world.now.state.offset == 2)
    world.log.away = True
    world.clock.advance(STALE_MS)
    eventually(lambda: world.now.stale_since)
    since, told = world.now.stale_since, len(world.told)
    world.clock.advance(MINUTE)
    eventually(lambda: len(world.told) > told + 1)
    assert world.now.stale_since == since


def test_a_start_without_the_log_serves_what_was_kept_and_settles_what_that_settles(
    world: World,
) -> None:
    world.served()
    world.kept = fold_log(world.log, NAMESPACE)
    world.log.away = True
    world.follower.start()
    world.clock.advance(STALE_MS)
    eventually(lambda: world.now.state == world.kept)
    assert world.now.stale_since
    assert world.now.horizon == world.kept.earliest


def test_a_log_that_comes_back_is_read_from_its_beginning(world: World) -> None:
    world.served()
    world.kept = replace(fold_log(world.log, NAMESPACE), routes={})
    world.log.away = True
    world.follower.start()
    world.clock.advance(STALE_MS)
    eventually(lambda: world.now.state.offset == 2)
    world.log.away = False
    eventually(lambda: ROUTE in world.now.state.routes)
    assert world.now.state == fold_log(world.log, NAMESPACE)


def ahead_of_its_time() -> Message:
    asked = record(PolicySet(LEAD), "newer", 2**45)
    return seal(
        replace(asked, command=replace(asked.command, fold=FOLD_VERSION + 1)), source="test"
    )


def test_a_record_of_a_newer_fold_stops_it_and_what_was_before_serves(world: World) -> None:
    world.served()
    world.log.append(CONTROL, ahead_of_its_time())
    world.log.append(CONTROL, seal(record(change("2", 1), "behind", 2**45), source="test"))
    world.follower.start()
    eventually(lambda: world.now.stale_since)
    assert isinstance(world.now.error, TooNew)
    assert world.now.error.code == "E_OLD_SDK"
    assert world.now.state.offset == 2
    assert world.now.state.routes[ROUTE].head.revision == 1


def test_a_record_of_a_newer_fold_stops_one_that_runs_already(world: World) -> None:
    world.served()
    world.follower.start()
    eventually(lambda: world.now.state.offset == 2)
    world.log.append(CONTROL, ahead_of_its_time())
    eventually(lambda: world.now.stale_since)
    assert world.now.state.offset == 2


class Torn(Slow):
    """A log that has a damaged record, which its keeper finds when it reads it."""

    def read(
        self, place: Place, after: int, limit: int = 1000, *, timeout: float = 5.0
    ) -> list[Record]:
        found = [r for r in super().read(place, after, limit, timeout=timeout) if r.offset < 3]
        if not found and place.stream == CONTROL:
            raise Corrupt("E_CORRUPT", "the record is damaged", where=f"{place}@3")
        return found


def test_a_record_that_the_keeper_finds_damaged_stops_it_and_what_was_before_serves() -> None:
    world = World()
    world.log = Torn(world.clock)
    world.follower = world.another()
    world.served()
    world.log.append(CONTROL, seal(record(change("2", 1), "torn", 2**45), source="test"))
    world.follower.start()
    eventually(lambda: isinstance(world.follower.trouble, Corrupt))
    world.clock.advance(STALE_MS)
    eventually(lambda: world.now.stale_since)
    assert world.now.state.routes[ROUTE].head.revision == 1
    world.follower.stop(5)


def test_it_stops_when_it_is_told_to(world: World) -> None:
    world.served()
    world.follower.start()
    eventually(lambda: world.told)
    world.follower.stop(5)
    told = len(world.told)
    world.say(change("2", 1))
    world.follower.stop(5)
    assert len(world.told) == told
