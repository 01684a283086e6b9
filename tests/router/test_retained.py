"""The newest events of a stream are its newest, whatever partition they are on."""

import time
from collections.abc import Iterator
from functools import partial

import orjson
import pytest

from modelwire_log.contract import Log, Message
from modelwire_log.open import open_log
from modelwire_router.retained import newest_events
from modelwire_schemas.errors import NotFound
from tests.waiting import eventually


@pytest.fixture
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    with open_log(f"memory:{request.node.name}") as log:
        yield log


def numbers(log: Log, last: int) -> list[object]:
    return [fields["n"] for fields in newest_events(log, "flights", last).fields]


def is_past(seconds: float) -> bool:
    return time.time() > seconds


def test_they_are_the_last_ones(log: Log) -> None:
    log.create("flights", 1)
    log.append_batch("flights", [Message(orjson.dumps({"n": n})) for n in range(50)])
    assert numbers(log, 5) == [45, 46, 47, 48, 49]
    assert numbers(log, 500) == list(range(50))


def test_they_are_the_newest_of_all_partitions(log: Log) -> None:
    log.create("flights", 2)
    for partition in (1, 0):
        events = [orjson.dumps({"n": n + 20 * (1 - partition)}) for n in range(20)]
        log.append_batch("flights", [Message(e, partition=partition) for e in events])
        later = time.time() + 0.002
        eventually(partial(is_past, later))
    assert numbers(log, 20) == list(range(20, 40))
    assert numbers(log, 30) == list(range(10, 40))


def test_what_is_no_event_is_counted(log: Log) -> None:
    log.create("flights", 1)
    log.append_batch("flights", [Message(b'{"n": 1}'), Message(b"[]"), Message(b"oops")])
    found = newest_events(log, "flights", 10)
    assert (len(found.records), found.left_out) == (1, 2)


def test_a_stream_without_events_is_refused(log: Log) -> None:
    log.create("flights", 2)
    with pytest.raises(NotFound, match="E_NO_EVENTS"):
        newest_events(log, "flights", 10)
    with pytest.raises(NotFound, match="E_NO_STREAM"):
        newest_events(log, "landings", 10)
