"""A stream is read to its end, however many reads that takes."""

from modelwire_log.contract import Message, Place
from modelwire_log.memory.log import MemoryLog
from modelwire_log.whole import AT_ONCE, all_records, places, records, size

MANY = 2 * AT_ONCE + 1


def test_all_records_come_in_order() -> None:
    log = MemoryLog()
    log.create("flights", 2)
    log.append_batch("flights", [Message(b"%d" % i, None, (), None, i % 2) for i in range(MANY)])
    assert places(log, "flights") == [Place("flights", 0), Place("flights", 1)]
    assert size(log, "flights") == MANY
    even, odd = range(0, MANY, 2), range(1, MANY, 2)
    assert [int(r.value) for r in all_records(log, "flights")] == [*even, *odd]
    assert [int(r.value) for r in records(log, Place("flights", 1), AT_ONCE - 3)] == [*odd[-2:]]


def test_a_stream_that_is_not_there_is_empty() -> None:
    log = MemoryLog()
    assert list(all_records(log, "flights")) == []
    assert places(log, "flights") == []
    assert size(log, "flights") == 0
