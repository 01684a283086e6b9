"""Snapshots: with the tail they are the full fold at every cut, and none is believed blindly."""

import hashlib
import secrets
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings, strategies as st

from modelwire.clock import ManualClock
from modelwire.control.fold import fold
from modelwire.control.follower import Control, Follower
from modelwire.control.reading import (
    control_place,
    fold_log,
    read_entries,
)
from modelwire.control.saved import dump, state_hash
from modelwire.control.snapshots import (
    EVERY,
    MAX_CHUNKS,
    MAX_STATE,
    beginning,
    cut,
    record_at,
    restored,
    snapshot_place,
    usable,
)
from modelwire.control.state import Request, State, Verdict
from modelwire_log.contract import START, Message, Place, Record
from modelwire_log.envelope import seal
from modelwire_log.memory.log import MemoryLog
from modelwire_schemas.control import FOLD_VERSION, Body
from modelwire_schemas.errors import Rejected, Unavailable
from modelwire_schemas.policy import Approvals, PolicySet
from modelwire_schemas.rollout import Phase, Rollout
from modelwire_schemas.routing import (
    RolloutAborted,
    RouteFrozen,
    RoutingApproved,
    RoutingChanged,
    RoutingProposed,
)
from modelwire_schemas.snapshot import SnapshotChunk
from tests.consumer_sdk.control.making import (
    BEGIN,
    LEAD,
    MINUTE,
    ROUTE,
    change,
    document,
    record,
    release,
    withdrawal,
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


# Snapshot and tail are the full fold


revisions = st.integers(0, 4)
versions = st.integers(1, 3).map(str)
times = st.sampled_from([None, BEGIN + 5 * MINUTE, BEGIN + MINUTE, BEGIN - 1])


@st.composite
def changes(draw: st.DrawFn) -> RoutingChanged:
    at_once = draw(st.booleans())
    return change(
        draw(versions | st.just({"1": 3000, "2": 7000})),
        draw(revisions),
        at=None if at_once else draw(times),
        at_once=at_once,
        cancels=draw(st.sampled_from([(), (2,), (3,)])),
    )


def step(phase: Phase, replaces: int, at: int) -> Body:
    rollout = Rollout("late-2", "{}", 0, at, at, phase)
    whole_document = replace(document({"1": 9000, "2": 1000}), rollout=rollout)
    return replace(change(whole_document, replaces), automatic=True, decided_at=at)


bodies: st.SearchStrategy[Body] = st.one_of(
    changes(),
    changes(),
    st.builds(release, versions),
    st.builds(withdrawal, versions),
    st.builds(step, st.sampled_from([*Phase]), revisions, st.just(BEGIN)),
    st.builds(RouteFrozen, st.just(ROUTE), st.booleans()),
    st.just(RolloutAborted(ROUTE, "late-2")),
    st.builds(PolicySet, st.sampled_from([LEAD, 200, 900])),
    st.just(PolicySet(LEAD, approvals=(Approvals(("*",), 1),))),
    st.builds(RoutingProposed, changes(), st.just(BEGIN + 5 * MINUTE)),
    st.builds(RoutingApproved, st.integers(0, 12)),
)
said = st.tuples(
    bodies,
    st.sampled_from(["", "", "", "once"]),
    st.sampled_from([10 * MINUTE, 1_000, 2 * 24 * 60 * MINUTE]),
    st.sampled_from([0, 100, LEAD, MINUTE]),
)


@given(st.lists(said | st.just(b"nonsense"), max_size=12))
@settings(max_examples=80)
def test_snapshot_and_tail_are_the_full_fold_at_every_cut(
    given: list[tuple[Body, str, int, int] | bytes],
) -> None:
    log = Watched(ManualClock(BEGIN))
    for body in (release("1"), release("2"), change("1", 0)):
        log.say(body)
    for one in given:
        if isinstance(one, bytes):
            log.put(Message(one))
        else:
            log.clock.advance(one[3])
            log.say(*one[:3])
    states = log.states()
    for state in states:
        log.keep(*log.chunks(state))
        chunks = next(iter(usable(log, NAMESPACE, len(states) - 1)))
        found = restored(chunks)
        assert found is not None
        assert found == state
        again, _ = fold(found, read_entries(log, NAMESPACE, state.offset))
        assert again == states[-1]
        assert state_hash(again) == state_hash(states[-1])


def test_a_fold_begins_at_the_newest_snapshot() -> None:
    log = history(WHOLE)
    states = story(WHOLE)[1]
    for offset in (100, EVERY + 20):
        log.keep(*log.chunks(states[offset]))
    log.reads.clear()
    assert fold_log(log, NAMESPACE) == states[-1]
    assert log.reads == [EVERY + 20]


def test_a_short_log_is_folded_without_looking_for_a_snapshot() -> None:
    log = history(20)
    log.keep(*log.chunks(story(20)[1][10]))
    log.reads.clear()
    fold_log(log, NAMESPACE)
    assert log.reads == [START]


def test_a_follower_begins_at_the_newest_snapshot() -> None:
    log = history(WHOLE)
    states = story(WHOLE)[1]
    log.keep(*log.chunks(states[EVERY]))
    told: list[Control] = []
    follower = Follower(log, NAMESPACE, told.append, clock=log.clock)
    log.reads.clear()
    follower.advance()
    assert log.reads == [EVERY]
    assert told[-1].state == states[-1]
    log.say(change("2", states[-1].routes[ROUTE].head.revision))
    follower.advance()
    assert told[-1].state == whole(log)


def test_a_snapshot_behind_the_place_that_is_asked_for_is_not_used() -> None:
    log = history(WHOLE)
    states = story(WHOLE)[1]
    log.keep(*log.chunks(states[80]))
    log.keep(*log.chunks(states[EVERY + 50]))
    log.reads.clear()
    assert fold_log(log, NAMESPACE, last=EVERY + 20) == states[EVERY + 20]
    assert log.reads == [80]


def test_a_snapshot_of_what_came_later_is_not_used() -> None:
    log = history(WHOLE)
    log.keep(*log.chunks(story(WHOLE)[1][EVERY + 30]))
    assert beginning(log, NAMESPACE, EVERY) == State()


def test_who_wants_every_verdict_folds_everything() -> None:
    log = history(WHOLE)
    log.keep(*log.chunks(story(WHOLE)[1][EVERY]))
    seen: list[Verdict] = []
    fold_log(log, NAMESPACE, each=lambda entry, verdict: seen.append(verdict))
    assert len(seen) == WHOLE


# Large states


def large(size: int) -> State:
    """Return a state that takes `size` bytes however it is packed."""
    verdict = Verdict(0, "once", detail=secrets.token_hex(size))
    return State(offset=0, now=BEGIN, requests={"once": Request("0" * 64, BEGIN, verdict)})


def test_a_large_state_travels_in_pieces_that_writers_may_mix() -> None:
    log = history(3)
    one, other = large(2_000_000), large(1_500_000)
    first, second = log.chunks(one), log.chunks(other)
    assert (len(first), len(second)) == (3, 2)
    log.keep(first[0], second[1], first[0], first[2], second[0], first[1])
    assert [restored(c) for c in usable(log, NAMESPACE, 2)] == [one, other]


def test_a_state_above_the_cap_is_not_cut() -> None:
    log = history(3)
    with pytest.raises(Rejected, match="E_TOO_BIG"):
        log.chunks(large(MAX_CHUNKS * 1024 * 1024))


# What is not believed


def honest(log: Watched) -> list[SnapshotChunk]:
    return log.chunks(story(WHOLE)[1][EVERY + 30])


def whole_of(log: Watched, packed: bytes) -> SnapshotChunk:
    """Return a snapshot with these bytes and their digest."""
    return replace(honest(log)[0], data=packed, sha256=hashlib.sha256(packed).hexdigest())


def of_another_log(log: Watched) -> SnapshotChunk:
    return replace(honest(log)[0], record="0" * 64)


def of_another_time(log: Watched) -> SnapshotChunk:
    return replace(honest(log)[0], appended=BEGIN)


def of_another_place(log: Watched) -> SnapshotChunk:
    """Return a snapshot that names another offset than its state, and the record there."""
    state = story(WHOLE)[1][EVERY + 10]
    (chunk,) = log.chunks(state)
    return replace(
        honest(log)[0], offset=state.offset, appended=chunk.appended, record=chunk.record
    )


def behind_the_end(log: Watched) -> SnapshotChunk:
    return replace(honest(log)[0], offset=10 * EVERY)


def of_an_older_fold(log: Watched) -> SnapshotChunk:
    return replace(honest(log)[0], fold=FOLD_VERSION - 1)


def of_a_newer_fold(log: Watched) -> SnapshotChunk:
    return replace(honest(log)[0], fold=FOLD_VERSION + 1)


def half(log: Watched) -> SnapshotChunk:
    return replace(honest(log)[0], count=2)


def damaged(log: Watched) -> SnapshotChunk:
    chunk = honest(log)[0]
    return replace(chunk, data=chunk.data[:-1] + bytes([chunk.data[-1] ^ 1]))


def of_another_state(log: Watched) -> SnapshotChunk:
    """Return a snapshot with bytes of a state that could be, under the digest of the real one."""
    other = replace(story(WHOLE)[1][EVERY + 30], routes={})
    return replace(honest(log)[0], data=log.chunks(other)[0].data)


def cut_short(log: Watched) -> SnapshotChunk:
    return whole_of(log, honest(log)[0].data[:-9])


def no_state(log: Watched) -> SnapshotChunk:
    return whole_of(log, zlib.compress(b'{"fold":2}'))


def unpacked(log: Watched) -> SnapshotChunk:
    return whole_of(log, dump(story(WHOLE)[1][EVERY + 30])[:1000])


def endless(log: Watched) -> SnapshotChunk:
    return whole_of(log, zlib.compress(bytes(MAX_STATE + 1)))


@pytest.mark.parametrize(
    "made",
    [
        of_another_log,
        of_another_time,
        of_another_place,
        behind_the_end,
        of_an_older_fold,
        of_a_newer_fold,
        half,
        damaged,
        of_another_state,
        cut_short,
        no_state,
        unpacked,
        endless,
    ],
)
def test_what_is_not_believed_is_as_if_it_were_not_there(
    made: Callable[[Watched], SnapshotChunk],
) -> None:
    log = history(WHOLE)
    log.keep(made(log))
    log.reads.clear()
    assert fold_log(log, NAMESPACE) == story(WHOLE)[1][-1]
    assert log.reads[0] == START
    log.keep(*honest(log))
    log.keep(made(log))
    log.reads.clear()
    fold_log(log, NAMESPACE)
    assert log.reads == [EVERY + 30]


def test_records_that_are_no_snapshots_are_passed_over() -> None:
    log = history(WHOLE)
    log.keep(*honest(log))
    (message,) = (seal(chunk, source="test") for chunk in honest(log))
    log.append(SNAPSHOTS.stream, replace(message, value=message.value[:-1]))
    log.append(SNAPSHOTS.stream, Message(b"", message.key))
    log.append(SNAPSHOTS.stream, seal(record(release("9"), "r", BEGIN), source="test"))
    log.reads.clear()
    fold_log(log, NAMESPACE)
    assert log.reads == [EVERY + 30]


def test_a_log_that_gives_no_snapshots_is_folded_whole() -> None:
    class Denied(Watched):
        def end(self, place: Place, *, timeout: float = 5.0) -> int:
            if place == SNAPSHOTS:
                raise Unavailable("E_LOG_DENIED", "no right to read")
            return super().end(place, timeout=timeout)

    log = Denied(ManualClock(BEGIN))
    assert beginning(log, NAMESPACE, EVERY) == State()
