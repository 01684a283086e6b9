"""Streams that controllers read on: each record once, to an end, and nothing is lost on the way."""

from collections.abc import Iterator
from itertools import count

import pytest

from modelwire_log.contract import Message, Place, Record
from modelwire_log.envelope import seal
from modelwire_log.memory.log import MemoryLog
from modelwire_log.whole import AT_ONCE
from modelwire_router.fleet import FleetReader
from modelwire_router.tail import Tail
from modelwire_schemas.errors import Unavailable
from modelwire_schemas.names import topic
from tests.router.test_readiness import held, report

STREAM, OTHER = Place("numbers", 0), Place("numbers", 1)


class Busy(MemoryLog):
    """A log on which others write at least as fast as it is read; a limit ends a failing test."""

    def read(
        self, place: Place, after: int, limit: int = 1000, *, timeout: float = 5.0
    ) -> list[Record]:
        if self.end(place) < 20 * AT_ONCE:
            self.append_batch(place.stream, [Message(b"more")] * AT_ONCE)
        return super().read(place, after, limit, timeout=timeout)


class Flaky(MemoryLog):
    """A log whose second partition is away once."""

    times: Iterator[int] = count()

    def read(
        self, place: Place, after: int, limit: int = 1000, *, timeout: float = 5.0
    ) -> list[Record]:
        if place == OTHER and next(self.times) == 0:
            raise Unavailable("E_LOG_UNAVAILABLE", "the broker is away")
        return super().read(place, after, limit, timeout=timeout)


def test_who_reads_more_slowly_than_others_write_gets_to_an_end() -> None:
    log = Busy()
    log.append_batch(STREAM.stream, [Message(b"first")] * (AT_ONCE + 1))
    tail = Tail(log, STREAM.stream, AT_ONCE + 1)
    assert len(list(tail.read())) == 2 * AT_ONCE
    assert next(tail.read()).offset == 2 * AT_ONCE


def test_each_record_is_read_once() -> None:
    log = MemoryLog()
    tail = Tail(log, STREAM.stream, 2)
    log.append_batch(STREAM.stream, [Message(b"%d" % n) for n in range(5)])
    assert [record.value for record in tail.read()] == [b"3", b"4"]
    assert list(tail.read()) == []
    log.append(STREAM.stream, Message(b"5"))
    assert [record.value for record in tail.read()] == [b"5"]


def test_what_was_not_read_to_the_end_is_read_again() -> None:
    log = Flaky()
    log.create(STREAM.stream, 2)
    log.append_batch(STREAM.stream, [Message(b"%d" % n, partition=n % 2) for n in range(4)])
    tail = Tail(log, STREAM.stream, 10)
    with pytest.raises(Unavailable):
        list(tail.read())
    assert [record.value for record in tail.read()] == [b"0", b"2", b"1", b"3"]


def test_of_an_instances_reports_the_newest_holds_also_when_many_are_read_at_once() -> None:
    log = MemoryLog()
    for state in ("fetching", "probed", "warm"):
        for instance in ("a1", "b1"):
            told = seal(report(instance, held(state)), source="tests")
            log.append(topic("prod", "fleet"), told)
    log.append(topic("prod", "fleet"), seal(report("b1", held("failed")), source="tests"))
    found = {said.instance: said.versions[0].state for said, _ in FleetReader(log, "prod").read()}
    assert found == {"a1": "warm", "b1": "failed"}
