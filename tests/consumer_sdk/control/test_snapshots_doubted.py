"""Snapshots that are not believed are as if they were not there."""

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from modelwire.clock import ManualClock
from modelwire.control.reading import (
    fold_log,
)
from modelwire.control.saved import dump
from modelwire.control.snapshots import (
    EVERY,
    MAX_STATE,
    beginning,
)
from modelwire.control.state import State
from modelwire_log.contract import START, Message, Place
from modelwire_log.envelope import seal
from modelwire_schemas.control import FOLD_VERSION
from modelwire_schemas.errors import Unavailable
from modelwire_schemas.snapshot import SnapshotChunk
from tests.consumer_sdk.control.making import (
    BEGIN,
    record,
    release,
)
from tests.consumer_sdk.control.snapshotted import (
    NAMESPACE,
    SNAPSHOTS,
    WHOLE,
    Watched,
    history,
    story,
)

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
