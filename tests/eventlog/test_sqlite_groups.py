"""Members of a group in several processes: one owner at a time, over deaths, pauses and forks."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from modelwire_log.contract import START, Consumer, Group, Message, Place, Record
from modelwire_log.sqlite.log import SqliteLog
from tests.eventlog.actors import Actor, actor, score, sleep_on_a_batch
from tests.waiting import eventually

LONG = 3600
"""A session that does not end within a test: who dies is missed for another reason."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


def fill(log: SqliteLog, stream: str, partitions: int, each: int) -> None:
    log.create(stream, partitions)
    for n in range(each):
        log.append_batch(
            stream, [Message(f"{p}:{n}".encode(), partition=p) for p in range(partitions)]
        )


def copied(log: SqliteLog) -> list[Record]:
    return log.read(Place("out"), START, 10**6)


def poll_some(member: Consumer) -> list[Record]:
    """Poll until something comes."""
    records: list[Record] = []

    def poll() -> bool:
        records.extend(member.poll(10, 0.1))
        return bool(records)

    eventually(poll, within=20, what="records")
    return records


def hear_until_assigned(member: Actor, count: int) -> None:
    """Listen until so many partitions were assigned in one go."""
    while len(member.hear().split()) != count + 1:
        pass


def test_partitions_of_a_killed_member_go_on_elsewhere_with_nothing_lost_or_doubled(
    path: Path,
) -> None:
    with SqliteLog(path) as log, ExitStack() as stack:
        fill(log, "in", 4, 10)
        command = (score, path, "in", "out", "group", LONG)
        first = stack.enter_context(actor(*command))
        hear_until_assigned(first, 4)
        second = stack.enter_context(actor(*command))
        hear_until_assigned(second, 2)
        fill(log, "in", 4, 50)
        first.kill()
        hear_until_assigned(second, 2)
        fill(log, "in", 4, 10)
        eventually(lambda: len(copied(log)) >= 280, within=30, what="all to be copied")
        second.kill()
        records = copied(log)
        assert len(records) == 280
        for partition in range(4):
            mine = [r.value for r in records if r.value.startswith(b"%d:" % partition)]
            source = log.read(Place("in", partition), START)
            assert mine == [r.value for r in source]
        assert [p.after for p in log.positions("group")] == [69] * 4


def test_a_member_that_is_frozen_loses_its_partitions_and_can_commit_no_more(path: Path) -> None:
    with SqliteLog(path, session=0.6) as log, ExitStack() as stack:
        fill(log, "in", 1, 3)
        frozen = stack.enter_context(actor(sleep_on_a_batch, path, "in", "group", 0.6))
        assert frozen.hear() == "has 1"
        frozen.freeze()
        member = log.consumer(Group("group", ("in",)))
        records = poll_some(member)
        assert [r.offset for r in records] == [0, 1, 2]
        frozen.thaw()
        frozen.tell()
        assert frozen.hear() == "error E_FENCED"
        assert log.positions("group") == ()
        member.close()


def test_a_member_that_works_longer_than_its_session_keeps_its_partition(path: Path) -> None:
    with SqliteLog(path, session=0.6) as log, ExitStack() as stack:
        fill(log, "in", 1, 3)
        worker = stack.enter_context(actor(sleep_on_a_batch, path, "in", "group", 0.6))
        assert worker.hear() == "has 1"
        member = log.consumer(Group("group", ("in",)))
        for _ in range(15):
            assert member.poll(10, 0.1) == []
        worker.tell()
        assert worker.hear() == "committed"
        worker.end()
        records = poll_some(member)
        assert [r.offset for r in records] == [1, 2]
        member.close()


def test_a_member_that_was_forgotten_by_its_process_expires(path: Path) -> None:
    with SqliteLog(path, session=0.6) as log, SqliteLog(path, session=0.6) as other:
        fill(log, "in", 1, 3)
        forgotten = log.consumer(Group("group", ("in",)))
        assert len(forgotten.poll(10, 5)) == 3
        del forgotten
        member = other.consumer(Group("group", ("in",)))
        records = poll_some(member)
        assert len(records) == 3
        member.close()


def test_closing_a_log_frees_the_partitions_of_its_members(path: Path) -> None:
    with SqliteLog(path, session=LONG) as log:
        fill(log, "in", 1, 3)
        with SqliteLog(path, session=LONG) as first:
            member = first.consumer(Group("group", ("in",)))
            assert len(member.poll(10, 5)) == 3
        second = log.consumer(Group("group", ("in",)))
        assert len(second.poll(10, 5)) == 3
        second.close()


def test_where_a_group_began_stays_where_it_began_whoever_comes_next(path: Path) -> None:
    with SqliteLog(path, session=LONG) as log:
        fill(log, "in", 1, 3)
        first = log.consumer(Group("group", ("in",), "end"))
        assert first.poll(10, 0) == []
        log.append("in", Message(b"seen by nobody yet"))
        first.close()
        second = log.consumer(Group("group", ("in",), "end"))
        assert [r.value for r in second.poll(10, 5)] == [b"seen by nobody yet"]
        second.close()
