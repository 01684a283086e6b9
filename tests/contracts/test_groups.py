"""What consumer groups promise, tried on each keeper."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from modelwire_log.contract import (
    START,
    Consumer,
    Group,
    Log,
    Message,
    Place,
    Position,
    Record,
)
from modelwire_schemas.errors import Conflict, NotFound, Rejected
from tests.contracts.conftest import Keeper, unused

WITHIN_S = 30.0


@dataclass(slots=True)
class Told:
    """What a member was told of its partitions, in order."""

    name: str
    begin: str | int = "start"
    events: list[tuple[str, frozenset[Place]]] = field(
        default_factory=list[tuple[str, frozenset[Place]]]
    )
    positions: dict[Place, Position] = field(default_factory=dict[Place, Position])
    revoking: Callable[[Sequence[Place]], None] = lambda places: None

    def group(self, *streams: str) -> Group:
        return Group(self.name, streams, self.begin, self._assigned, self._revoked)

    def _assigned(self, positions: Sequence[Position]) -> None:
        self.events.append(("assigned", frozenset(p.place for p in positions)))
        self.positions.update((p.place, p) for p in positions)

    def _revoked(self, places: Sequence[Place]) -> None:
        self.revoking(places)
        self.events.append(("revoked", frozenset(places)))


def poll_until(
    condition: Callable[[], object], *members: Consumer, into: list[Record] | None = None
) -> None:
    """Poll the members in turn until the condition holds."""
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, "the members were polled in vain"
        for member in members:
            records = member.poll(100, 0.02)
            if into is not None:
                into += records


def poll_some(member: Consumer, count: int) -> list[Record]:
    """Poll until so many records have come."""
    records: list[Record] = []
    poll_until(lambda: len(records) >= count, member, into=records)
    return records


def fill(log: Log, stream: str, partitions: int, each: int) -> None:
    for partition in range(partitions):
        log.append_batch(
            stream,
            [Message(f"{partition}:{n}".encode(), partition=partition) for n in range(each)],
        )


def values(records: Sequence[Record]) -> list[bytes]:
    return [record.value for record in records]


def test_a_member_alone_gets_everything_each_partition_in_order(keeper: Keeper, log: Log) -> None:
    stream = keeper.stream(3)
    fill(log, stream, 3, 10)
    told = Told(unused("group"))
    member = log.consumer(told.group(stream))
    records = poll_some(member, 30)
    for partition in range(3):
        mine = [r for r in records if r.partition == partition]
        assert values(mine) == [f"{partition}:{n}".encode() for n in range(10)]
    assert member.assignment() == {Place(stream, n) for n in range(3)}
    assert set(told.positions) == member.assignment()
    assert {p.after for p in told.positions.values()} == {START}
    member.close()


def test_a_poll_returns_no_more_than_asked_for(keeper: Keeper, log: Log) -> None:
    stream = keeper.stream(2)
    fill(log, stream, 2, 10)
    member = log.consumer(Told(unused("group")).group(stream))
    sizes: list[int] = []
    while sum(sizes) < 20:
        sizes.append(len(member.poll(3, WITHIN_S)))
    assert max(sizes) == 3
    assert member.poll(3, 0.05) == []
    member.close()


def test_what_was_committed_is_where_the_next_member_goes_on(keeper: Keeper, log: Log) -> None:
    stream, name = keeper.stream(), unused("group")
    place = Place(stream)
    fill(log, stream, 1, 10)
    first = log.consumer(Told(name).group(stream))
    poll_some(first, 10)
    first.commit([Position(place, 5, control=17, settled=1_700_000_000_000)])
    first.close()
    told = Told(name)
    second = keeper.open().consumer(told.group(stream))
    assert values(poll_some(second, 4)) == [f"0:{n}".encode() for n in range(6, 10)]
    assert told.positions == {place: Position(place, 5, 17, 1_700_000_000_000)}
    assert log.positions(name) == (Position(place, 5, 17, 1_700_000_000_000),)
    assert name in log.groups()
    second.close()


def test_nothing_is_known_of_a_group_that_committed_nothing(log: Log) -> None:
    name = unused("group")
    assert log.positions(name) == ()
    assert name not in log.groups()


def test_a_group_may_begin_at_the_end(keeper: Keeper, log: Log) -> None:
    stream = keeper.stream()
    fill(log, stream, 1, 5)
    told = Told(unused("group"), "end")
    member = log.consumer(told.group(stream))
    poll_until(lambda: told.positions, member)
    assert told.positions[Place(stream)].after == 4
    log.append(stream, Message(b"new"))
    assert values(poll_some(member, 1)) == [b"new"]
    member.close()


def test_a_group_may_begin_at_a_time(keeper: Keeper, log: Log) -> None:
    stream = keeper.stream()
    for stamp in (100, 200, 300):
        log.append(stream, Message(str(stamp).encode(), timestamp=stamp))
    member = log.consumer(Told(unused("group"), 150).group(stream))
    assert values(poll_some(member, 2)) == [b"200", b"300"]
    member.close()


def test_a_group_may_begin_nowhere_else() -> None:
    with pytest.raises(Rejected, match="E_BEGIN"):
        Group("group", ("stream",), "latest")


def test_a_paused_partition_waits(keeper: Keeper, log: Log) -> None:
    stream = keeper.stream(2)
    told = Told(unused("group"))
    member = log.consumer(told.group(stream))
    poll_until(lambda: len(told.positions) == 2, member)
    member.pause([Place(stream, 0)])
    fill(log, stream, 2, 5)
    assert {r.partition for r in poll_some(member, 5)} == {1}
    assert member.poll(10, 0.2) == []
    member.resume([Place(stream, 0)])
    assert {r.partition for r in poll_some(member, 5)} == {0}
    member.close()


def test_a_member_may_go_back_and_forth(keeper: Keeper, log: Log) -> None:
    stream = keeper.stream()
    fill(log, stream, 1, 10)
    member = log.consumer(Told(unused("group")).group(stream))
    poll_some(member, 10)
    member.seek(Place(stream), 7)
    assert values(poll_some(member, 2)) == [b"0:8", b"0:9"]
    member.seek(Place(stream), START)
    assert len(poll_some(member, 10)) == 10
    member.close()


def test_a_new_member_gets_its_share_once_the_old_one_has_handed_it_over(
    keeper: Keeper, log: Log
) -> None:
    stream, name = keeper.stream(4), unused("group")
    fill(log, stream, 4, 5)
    first_told = Told(name)
    first = log.consumer(first_told.group(stream))
    poll_some(first, 20)
    committed: list[Place] = []

    def commit(places: Sequence[Place]) -> None:
        first.commit([Position(place, 3, control=9) for place in places])
        committed.extend(places)

    first_told.revoking = commit
    second_told = Told(name)
    second = keeper.open().consumer(second_told.group(stream))
    poll_until(lambda: len(second_told.positions) == 2, first, second)
    assert len(first.assignment()) == len(second.assignment()) == 2
    assert first.assignment() | second.assignment() == {Place(stream, n) for n in range(4)}
    for place, position in second_told.positions.items():
        assert place in committed
        assert position == Position(place, 3, control=9)
    second.close()
    poll_until(lambda: len(first.assignment()) == 4, first)
    first.close()


def test_who_leaves_leaves_everything_to_the_others(keeper: Keeper, log: Log) -> None:
    stream, name = keeper.stream(2), unused("group")
    first = log.consumer(Told(name).group(stream))
    second = keeper.open().consumer(Told(name).group(stream))
    poll_until(lambda: len(first.assignment()) == len(second.assignment()) == 1, first, second)
    first.close()
    first.close()
    poll_until(lambda: len(second.assignment()) == 2, second)
    second.close()


def test_two_groups_do_not_share(keeper: Keeper, log: Log) -> None:
    stream = keeper.stream()
    fill(log, stream, 1, 5)
    for name in (unused("group"), unused("group")):
        member = log.consumer(Told(name).group(stream))
        assert len(poll_some(member, 5)) == 5
        member.close()


def test_a_member_reads_several_streams(keeper: Keeper, log: Log) -> None:
    one, two = keeper.stream(), keeper.stream(2)
    log.append(one, Message(b"1"))
    log.append(two, Message(b"2"))
    member = log.consumer(Told(unused("group")).group(one, two))
    assert {r.stream for r in poll_some(member, 2)} == {one, two}
    assert len(member.assignment()) == 3
    member.close()


def test_outputs_are_there_when_a_commit_returns(keeper: Keeper, log: Log) -> None:
    source, sink, name = keeper.stream(), keeper.stream(), unused("group")
    fill(log, source, 1, 3)
    member = log.consumer(Told(name).group(source))
    records = poll_some(member, 3)
    outputs = [(sink, Message(b"scored " + r.value, r.key)) for r in records]
    member.commit([Position(Place(source), 2)], outputs)
    assert values(log.read(Place(sink), START)) == [b"scored 0:0", b"scored 0:1", b"scored 0:2"]
    assert log.positions(name) == (Position(Place(source), 2),)
    member.close()


def test_who_lost_a_partition_commits_nothing(keeper: Keeper, log: Log) -> None:
    source, sink, name = keeper.stream(2), keeper.stream(), unused("group")
    fill(log, source, 2, 3)
    first = log.consumer(Told(name).group(source))
    poll_some(first, 6)
    second = keeper.open().consumer(Told(name).group(source))
    poll_until(lambda: len(second.assignment()) == 1, first, second)
    (lost,) = second.assignment()
    (kept,) = first.assignment()
    with pytest.raises(Conflict, match="E_FENCED"):
        first.commit([Position(kept, 2), Position(lost, 2)], [(sink, Message(b"late"))])
    if log.capabilities.transactional_positions:
        assert log.end(Place(sink)) == START
        assert log.positions(name) == ()
    first.close()
    second.close()


def test_a_stream_that_comes_later_is_shared_out_when_it_comes(keeper: Keeper, log: Log) -> None:
    stream = unused("stream")
    member = log.consumer(Told(unused("group")).group(stream))
    if keeper.url.startswith("kafka:"):  # there an operator makes streams, before
        with pytest.raises(NotFound, match="E_NO_STREAM"):
            poll_some(member, 1)
    else:
        assert member.poll(10, 0.05) == []
    log.create(stream, 2)
    fill(log, stream, 2, 2)
    assert len(poll_some(member, 4)) == 4
    member.close()
