"""A log whose Kafka is away, frozen, killed or damaged: bounded waits, clear errors, recovery."""

import time
import uuid
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from modelwire_log.contract import START, Consumer, Group, Message, Place, Position, Record
from modelwire_log.kafka.log import KafkaLog
from modelwire_schemas.errors import Conflict, Corrupt, NotFound, Unavailable
from tests.system.broker import Broker
from tests.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

SLACK_S = 3.0
RECOVERED_WITHIN_S = 60.0


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Run a broker for these tests alone; each leaves it running."""
    with Broker(tmp_path_factory.mktemp("kafka-away")) as running:
        yield running


@pytest.fixture
def stream() -> str:
    return f"stream-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def log(broker: Broker, stream: str) -> Iterator[KafkaLog]:
    """Open a log with a stream of two partitions."""
    with KafkaLog(broker.url) as opened:
        opened.create(stream, 2)
        yield opened


@contextmanager
def within(seconds: float) -> Generator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds + SLACK_S


def all_calls_give_up(log: KafkaLog, stream: str) -> None:
    """Make every call that needs a broker; each must end in its time with a clear error."""
    place = Place(stream)
    calls: list[tuple[float, Callable[[], object]]] = [
        (1, lambda: log.read(place, START, timeout=1)),
        (1, lambda: log.end(place, timeout=1)),
        (1, lambda: log.offset_at(place, 0, timeout=1)),
        (1, lambda: log.append(stream, Message(b"late"), timeout=1)),
        (1, lambda: log.append_batch(stream, [Message(b"late")] * 5, timeout=1)),
        (5, log.streams),
        (5, lambda: log.positions("g")),
        (5, log.groups),
        (5, lambda: log.create("other")),
    ]

    def gives_up(bound: float, call: Callable[[], object]) -> None:
        with within(bound), pytest.raises(Unavailable, match="E_LOG_UNAVAILABLE"):
            call()

    with ThreadPoolExecutor(len(calls)) as threads:
        for done in [threads.submit(gives_up, *each) for each in calls]:
            done.result()
    with within(0.5):
        assert log.wait(Place(stream, 1), START, 0.5) is False


def append_until_it_works(log: KafkaLog, stream: str, value: bytes) -> None:
    """Append one record as soon as the log takes it."""

    def appended() -> bool:
        try:
            log.append(stream, Message(value, partition=0), timeout=10)
        except (Unavailable, NotFound):
            return False
        return True

    eventually(appended, within=RECOVERED_WITHIN_S, what="an append")


def poll_until(member: Consumer, value: bytes) -> None:
    """Poll until the record with this value has come."""

    def came() -> bool:
        try:
            found: list[Record] = member.poll(100, 0.2)
        except (NotFound, Unavailable):
            return False
        return any(record.value == value for record in found)

    eventually(came, within=RECOVERED_WITHIN_S, what=f"record {value!r}")


def values(log: KafkaLog, stream: str) -> list[bytes]:
    return [record.value for record in log.read(Place(stream), START, timeout=10)]


def test_a_log_opened_while_it_is_away_works_once_it_is_there(broker: Broker, stream: str) -> None:
    broker.stop()
    place, group = Place(stream), f"group-{stream}"
    with within(0):
        log = KafkaLog(broker.url)
        member = log.consumer(Group(group, (stream,)))
    with log:
        all_calls_give_up(log, stream)
        with within(0.5):
            assert member.poll(10, 0.5) == []
        broker.start()
        log.create(stream, 2)
        append_until_it_works(log, stream, b"first")
        assert values(log, stream) == [b"first"]
        poll_until(member, b"first")
        member.commit([Position(place, 0, 1, 2)])
        assert log.positions(group) == (Position(place, 0, 1, 2),)
        member.close()


def test_a_frozen_broker_holds_nobody_up_and_all_goes_on_when_it_thaws(
    broker: Broker, log: KafkaLog, stream: str
) -> None:
    place = Place(stream)
    member = log.consumer(Group(f"group-{stream}", (stream,)))
    append_until_it_works(log, stream, b"before")
    poll_until(member, b"before")
    broker.pause()
    with within(5), pytest.raises(Unavailable, match="E_LOG_UNAVAILABLE"):
        member.commit([Position(place, 0)])
    all_calls_give_up(log, stream)
    with within(1):
        member.poll(10, 1)
    with within(5), pytest.raises((Unavailable, Conflict)):
        member.commit([Position(place, 0)])
    broker.resume()
    append_until_it_works(log, stream, b"after")
    poll_until(member, b"after")
    member.commit([Position(place, log.end(place))])
    with within(5):
        member.close()


def test_an_append_that_found_no_broker_is_not_sent_later(
    broker: Broker, log: KafkaLog, stream: str
) -> None:
    append_until_it_works(log, stream, b"first")
    broker.kill()
    for _ in range(2):
        with within(1), pytest.raises(Unavailable, match="unknown; append it again with the same"):
            log.append(stream, Message(b"lost", partition=0), timeout=1)
    broker.start()
    append_until_it_works(log, stream, b"second")
    assert values(log, stream) == [b"first", b"second"]


def test_an_append_into_a_frozen_broker_comes_once_or_not_at_all(
    broker: Broker, log: KafkaLog, stream: str
) -> None:
    append_until_it_works(log, stream, b"first")
    broker.pause()
    with within(1), pytest.raises(Unavailable, match="whether it was appended is unknown"):
        log.append(stream, Message(b"perhaps", partition=0), timeout=1)
    broker.resume()
    append_until_it_works(log, stream, b"last")
    assert values(log, stream) in ([b"first", b"last"], [b"first", b"perhaps", b"last"])


def test_a_group_goes_on_where_it_was_when_its_broker_was_killed(
    broker: Broker, log: KafkaLog, stream: str
) -> None:
    place, group = Place(stream), f"group-{stream}"
    member = log.consumer(Group(group, (stream,)))
    append_until_it_works(log, stream, b"first")
    poll_until(member, b"first")
    member.commit([Position(place, 0, 7, 8)], [(stream, Message(b"output", partition=1))])
    broker.kill()
    with within(0.5):
        member.poll(10, 0.5)
    broker.start()
    append_until_it_works(log, stream, b"second")
    poll_until(member, b"second")
    assert log.positions(group) == (Position(place, 0, 7, 8),)
    assert [record.value for record in log.read(Place(stream, 1), START)] == [b"output"]
    member.close()


def test_a_damaged_record_is_named_once_all_before_it_was_read(
    broker: Broker, log: KafkaLog, stream: str
) -> None:
    for value in (b"sound", b"damaged", b"behind"):
        append_until_it_works(log, stream, value)
    broker.stop()
    (segment,) = broker.folder.glob(f"data/{stream}-0/*.log")
    segment.write_bytes(segment.read_bytes().replace(b"damaged", b"demaged"))
    broker.start()
    place = Place(stream)
    with KafkaLog(broker.url) as reading:
        assert [record.value for record in reading.read(place, START, timeout=10)] == [b"sound"]
        for _ in range(2):
            with pytest.raises(Corrupt, match=rf"E_CORRUPT: .*{stream}\[0\].*offset 1"):
                reading.read(place, 0, timeout=10)
