"""What every log promises, tried on each keeper."""

import threading
import time
from collections.abc import Callable, Sequence

import pytest

from modelwire_log.contract import START, Log, Message, Place, Record
from modelwire_schemas.errors import NotFound, Rejected
from tests.contracts.conftest import Keeper, unused

HEADERS = (
    ("ce_id", b"1"),
    ("content-type", b"application/avro"),
    ("ce_type", b"flight"),
    ("x", b"\x00\xff"),
    ("x", b"again"),
    ("ce_id", b"second"),
    ("empty", b""),
)


def values(records: Sequence[Record]) -> list[bytes]:
    return [record.value for record in records]


def messages(*texts: str) -> list[Message]:
    return [Message(text.encode()) for text in texts]


def read_all(log: Log, place: Place) -> list[Record]:
    """Read in pieces up to the present end."""
    end, after, records = log.end(place), START, list[Record]()
    while after < end and (some := log.read(place, after, limit=7)):
        records += some
        after = some[-1].offset
    return records


def test_a_record_comes_back_as_it_was_appended(keeper: Keeper, log: Log) -> None:
    stream = keeper.stream()
    receipt = log.append(stream, Message(b"\x00value\xff", b"key", HEADERS, timestamp=12_345))
    (record,) = keeper.open().read(Place(stream), START)
    assert record[:3] == receipt[:3] == (stream, 0, 0)
    assert (record.value, record.key, record.headers) == (b"\x00value\xff", b"key", HEADERS)
    assert record.timestamp == 12_345
    assert record.appended in {receipt.appended, 12_345}  # on Kafka both are one


def test_a_record_needs_neither_key_nor_headers_nor_value(keeper: Keeper, log: Log) -> None:
    stream = keeper.stream()
    log.append(stream, Message(b""))
    log.append(stream, Message(b"", b""))
    first, second = log.read(Place(stream), START)
    assert (first.value, first.key, first.headers) == (b"", None, ())
    assert (second.value, second.key) == (b"", b"")


def test_reading_goes_on_behind_an_offset_and_ends_with_nothing(keeper: Keeper, log: Log) -> None:
    stream = keeper.stream()
    log.append_batch(stream, messages("a", "b", "c", "d"))
    place = Place(stream)
    assert values(log.read(place, START, limit=2)) == [b"a", b"b"]
    assert values(log.read(place, 1, limit=2)) == [b"c", b"d"]
    assert log.read(place, 3) == []
    assert log.end(place) == 3


def test_an_empty_partition_ends_before_its_first_offset(keeper: Keeper, log: Log) -> None:
    place = Place(keeper.stream())
    assert log.end(place) == START
    assert log.read(place, START) == []


def test_a_batch_keeps_its_order_and_says_where_each_record_lies(keeper: Keeper, log: Log) -> None:
    stream = keeper.stream(3)
    batch = [Message(str(n).encode(), key=str(n % 7).encode()) for n in range(100)]
    receipts = log.append_batch(stream, batch)
    assert len(receipts) == 100
    for partition in range(3):
        place = Place(stream, partition)
        lying = [
            (receipt.offset, message.value)
            for receipt, message in zip(receipts, batch, strict=True)
            if receipt.partition == partition
        ]
        assert [(r.offset, r.value) for r in read_all(log, place)] == lying
        assert [offset for offset, _ in lying] == sorted({offset for offset, _ in lying})


def test_an_empty_batch_is_nothing(keeper: Keeper, log: Log) -> None:
    assert log.append_batch(keeper.stream(), []) == []


def test_a_key_stays_in_its_partition_whoever_appends(keeper: Keeper, log: Log) -> None:
    stream = keeper.stream(4)
    batch = [Message(b"", f"N{n}".encode()) for n in range(40)]
    chosen = [receipt.partition for receipt in log.append_batch(stream, batch)]
    assert set(chosen) == {0, 1, 2, 3}
    again = [keeper.open().append(stream, message).partition for message in batch]
    assert again == chosen


def test_a_message_may_choose_its_partition(keeper: Keeper, log: Log) -> None:
    stream = keeper.stream(2)
    assert log.append(stream, Message(b"x", b"k", partition=1)).partition == 1
    with pytest.raises(Rejected, match="E_PARTITION"):
        log.append(stream, Message(b"x", partition=2))


def test_a_batch_is_all_or_nothing_where_the_keeper_says_so(keeper: Keeper, log: Log) -> None:
    stream = keeper.stream()
    with pytest.raises(Rejected, match="E_PARTITION"):
        log.append_batch(stream, [Message(b"good"), Message(b"bad", partition=5)])
    if log.capabilities.atomic_batch:
        assert log.end(Place(stream)) == START


def test_a_name_that_could_not_be_a_topic_is_refused(log: Log) -> None:
    for name in ("", "a/b", "a\0b", "..", "ä", "x" * 250):
        with pytest.raises(Rejected, match="E_NAME"):
            log.append(name, Message(b"x"))


def test_an_unknown_stream_is_made_or_missed(keeper: Keeper, log: Log) -> None:
    stream = unused("unknown")
    if keeper.url.startswith("kafka:"):
        with pytest.raises(NotFound, match="E_NO_STREAM"):
            log.append(stream, Message(b"x"), timeout=5)
    else:
        log.append(stream, Message(b"x"))
        assert log.streams()[stream] == 1


def test_a_stream_is_made_once(keeper: Keeper, log: Log) -> None:
    stream = keeper.stream(3)
    log.append(stream, Message(b"x", partition=2))
    log.create(stream, 3)
    assert log.streams()[stream] == 3
    assert log.end(Place(stream, 2)) == 0


def test_the_log_says_when_it_took_a_record_and_never_goes_back(keeper: Keeper, log: Log) -> None:
    stream = keeper.stream()
    before = time.time_ns() // 1_000_000
    for n in range(20):
        log.append(stream, Message(b"x", timestamp=None if n % 2 else before - n))
    times = [r.appended for r in log.read(Place(stream), START)]
    if not keeper.url.startswith("kafka:"):  # there it is the event's own where that was given
        assert times == sorted(times)
    assert before - 1000 <= times[-1] <= time.time_ns() // 1_000_000 + 1000


def test_a_time_leads_to_the_first_record_that_has_it_or_a_later_one(
    keeper: Keeper, log: Log
) -> None:
    stream = keeper.stream()
    place = Place(stream)
    assert log.offset_at(place, 0) == 0
    for stamp in (100, 200, 150, 300, 250):
        log.append(stream, Message(b"x", timestamp=stamp))
    found = [log.offset_at(place, stamp) for stamp in (0, 100, 101, 200, 201, 300, 301)]
    assert found == [0, 0, 1, 1, 3, 3, 5]


def test_deleted_records_are_gone_and_the_others_stay_where_they_are(
    keeper: Keeper, log: Log
) -> None:
    stream = keeper.stream()
    log.append_batch(stream, [Message(str(n).encode(), str(n).encode()) for n in range(6)])
    place = Place(stream)
    if keeper.url.startswith("kafka:"):  # it deletes when it compacts, where it may
        with pytest.raises(Rejected, match="E_TOPIC_SETTINGS"):
            log.delete(place, 0, 3)
        return
    log.delete(place, 0, 3)
    assert [(r.offset, r.value) for r in log.read(place, START, limit=1)] == [(4, b"4")]
    assert [(r.offset, r.value) for r in log.read(place, START)] == [(4, b"4"), (5, b"5")]
    assert log.end(place) == 5


def test_waiting_ends_when_the_time_is_over(keeper: Keeper, log: Log) -> None:
    place = Place(keeper.stream())
    assert log.wait(place, START, timeout=0.05) is False


def test_waiting_is_over_at_once_where_there_is_something(keeper: Keeper, log: Log) -> None:
    stream = keeper.stream()
    log.append(stream, Message(b"x"))
    assert log.wait(Place(stream), START, timeout=20) is True


def together(count: int, work: Callable[[int], None]) -> None:
    """Run `work(0)` to `work(count - 1)` at the same time and raise what one of them raised."""
    errors: list[BaseException] = []

    def run(n: int) -> None:
        try:
            work(n)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_an_append_wakes_all_who_wait(keeper: Keeper, log: Log) -> None:
    stream = keeper.stream()
    place = Place(stream)
    other = keeper.open()
    woken: list[bool] = []

    def wait_or_append(who: int) -> None:
        if who == 3:
            other.append(stream, Message(b"x"))
        else:
            woken.append((log, log, other)[who].wait(place, START, 30))

    together(4, wait_or_append)
    assert woken == [True, True, True]


def test_threads_append_beside_each_other_without_loss_and_each_in_order(
    keeper: Keeper, log: Log
) -> None:
    stream = keeper.stream()
    receipts: list[list[int]] = [[] for _ in range(4)]

    def write(who: int) -> None:
        for n in range(25):
            receipt = log.append(stream, Message(f"{who}:{n}".encode()))
            receipts[who].append(receipt.offset)

    together(4, write)
    records = read_all(log, Place(stream))
    assert [r.offset for r in records] == list(range(100))
    for who in range(4):
        mine = [r for r in records if r.value.startswith(f"{who}:".encode())]
        assert values(mine) == [f"{who}:{n}".encode() for n in range(25)]
        assert [r.offset for r in mine] == receipts[who]


def test_closing_twice_is_closing_once(keeper: Keeper) -> None:
    with keeper.open() as log:
        log.append(keeper.stream(), Message(b"x"))
    log.close()
