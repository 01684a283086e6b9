"""What only a log in memory can do: go by a clock of the test's own, and play dead."""

import threading

import pytest

from modelwire_log.contract import START, Group, Message, Place
from modelwire_log.memory.log import MemoryLog
from modelwire_schemas.errors import Unavailable

PLACE = Place("events")


def test_the_log_goes_by_the_clock_it_was_given_but_never_back() -> None:
    now = [1000]
    log = MemoryLog(clock=lambda: now[0])
    times: list[int] = []
    for moment in (1000, 2000, 1500, 3000):
        now[0] = moment
        times.append(log.append("events", Message(b"x")).appended)
    assert times == [1000, 2000, 2000, 3000]
    assert [r.timestamp for r in log.read(PLACE, START)] == times


def test_a_log_that_is_away_answers_nothing_until_it_is_back() -> None:
    log = MemoryLog("name")
    log.append("events", Message(b"x"))
    member = log.consumer(Group("group", ("events",)))
    member.poll(10, 0)
    log.away = True
    for use in (
        lambda: log.append("events", Message(b"y")),
        lambda: log.read(PLACE, START),
        lambda: log.end(PLACE),
        lambda: log.wait(PLACE, 0, 10),
        lambda: log.streams(),
        lambda: log.positions("group"),
        lambda: member.poll(10, 10),
    ):
        with pytest.raises(Unavailable, match="memory:name is away") as error:
            use()
        assert error.value.code == "E_LOG_UNAVAILABLE"
    log.away = False
    assert [r.value for r in log.read(PLACE, START)] == [b"x"]
    assert member.poll(10, 0) == []


def test_who_waits_hears_at_once_that_the_log_goes_away() -> None:
    log = MemoryLog()
    raised: list[str] = []

    def wait() -> None:
        try:
            log.wait(PLACE, START, 30)
        except Unavailable as error:
            raised.append(error.code)

    waiter = threading.Thread(target=wait)
    waiter.start()
    log.away = True
    waiter.join(10)
    assert raised == ["E_LOG_UNAVAILABLE"]
