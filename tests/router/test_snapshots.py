"""Who writes snapshots: the controller, seldom, and never at the price of its work."""

import logging
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from modelwire.clock import ManualClock
from modelwire.control.reading import control_place, fold_log
from modelwire.control.snapshots import (
    EVERY,
    MAX_CHUNKS,
    beginning,
    cut,
    record_at,
    snapshot_place,
    usable,
)
from modelwire.control.state import Request, State, Verdict
from modelwire_log.contract import START, Log, Message, Receipt
from modelwire_log.envelope import seal
from modelwire_log.memory.log import MemoryLog
from modelwire_log.sqlite.log import SqliteLog
from modelwire_router.controller import Controller
from modelwire_router.doctor import Finding, examine
from modelwire_router.observer import Observer
from modelwire_router.snapshots import Snapshots
from modelwire_schemas.errors import NotFound
from modelwire_schemas.policy import PolicySet
from tests.consumer_sdk.control.making import BEGIN, record
from tests.waiting import eventually
from tests.world import NAMESPACE

SNAPSHOTS = snapshot_place(NAMESPACE)


class Desk:
    """A log, and who keeps snapshots of it."""

    def __init__(self, log: MemoryLog | None = None) -> None:
        self.clock = ManualClock(BEGIN)
        self.log = log or MemoryLog(clock=self.clock.now)
        self.keeper = self.another()

    def another(self) -> Snapshots:
        return Snapshots(self.log, NAMESPACE, "controller-1")

    def grow(self, count: int) -> State:
        """Append so many commands and return the state behind them."""
        grow(self.log, count, self.clock.now())
        return fold_log(self.log, NAMESPACE)

    def kept(self) -> list[int]:
        """Return the control offsets of the snapshots, newest first."""
        end = self.log.end(control_place(NAMESPACE))
        return [chunks[0].offset for chunks in usable(self.log, NAMESPACE, end)]


def grow(log: Log, count: int, now: int) -> None:
    asked = [record(PolicySet(500), secrets.token_hex(8), now + 60_000) for _ in range(count)]
    log.append_batch(control_place(NAMESPACE).stream, [seal(one, source="test") for one in asked])


def test_a_snapshot_is_kept_once_enough_has_come() -> None:
    desk = Desk()
    desk.keeper.keep(desk.grow(EVERY))
    assert desk.kept() == []
    for count in (1, 1, EVERY - 2, 1):
        desk.keeper.keep(desk.grow(count))
    assert desk.kept() == [2 * EVERY, EVERY]


def test_what_is_kept_is_what_readers_begin_from() -> None:
    desk = Desk()
    state = desk.grow(EVERY + 1)
    desk.keeper.keep(state)
    assert beginning(desk.log, NAMESPACE, state.offset) == state


def test_two_controllers_keep_one_snapshot_and_a_new_one_goes_on() -> None:
    desk = Desk()
    state = desk.grow(EVERY + 10)
    for keeper in (desk.keeper, desk.another(), desk.another()):
        keeper.keep(state)
    assert desk.kept() == [EVERY + 9]
    desk.another().keep(desk.grow(EVERY))
    assert desk.kept() == [2 * EVERY + 9, EVERY + 9]


def test_a_snapshot_that_nobody_can_use_is_replaced() -> None:
    desk = Desk()
    desk.log.append(SNAPSHOTS.stream, Message(b"nonsense", b"state/0"))
    desk.keeper.keep(desk.grow(EVERY + 1))
    assert desk.kept() == [EVERY]


def test_a_log_that_takes_no_snapshot_is_told_of_and_asked_again_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Bare(MemoryLog):
        there = False

        def append_batch(
            self, stream: str, messages: Sequence[Message], *, timeout: float = 30.0
        ) -> list[Receipt]:
            if stream == SNAPSHOTS.stream and not self.there:
                raise NotFound("E_NO_STREAM", f"there is no stream {stream}")
            return super().append_batch(stream, messages, timeout=timeout)

    clock = ManualClock(BEGIN)
    log = Bare(clock=clock.now)
    desk = Desk(log)
    with caplog.at_level(logging.WARNING):
        for count in (EVERY + 1, 1, 1):
            desk.keeper.keep(desk.grow(count))
    assert [m for m in caplog.messages if "E_NO_STREAM" in m] == caplog.messages[:1]
    assert len(caplog.messages) == 1
    log.there = True
    desk.keeper.keep(desk.grow(EVERY))
    assert desk.kept() == [2 * EVERY + 2]


def test_a_state_above_the_cap_is_told_of_and_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    verdict = Verdict(0, "r", detail=secrets.token_hex(MAX_CHUNKS * 1024 * 1024))
    state = desk.grow(EVERY + 1)
    huge = State(state.offset, requests={"r": Request("0" * 64, BEGIN, verdict)})
    with caplog.at_level(logging.WARNING):
        desk.keeper.keep(huge)
    assert desk.kept() == []
    assert "E_TOO_BIG" in caplog.text


def test_nothing_is_kept_of_a_log_that_was_put_back() -> None:
    desk = Desk()
    desk.keeper.keep(State(offset=10 * EVERY))
    assert desk.log.end(SNAPSHOTS) == START


def test_a_controller_keeps_snapshots_and_begins_at_them() -> None:
    log = MemoryLog()
    controller = Controller(log, NAMESPACE, every=0.05)
    grow(log, EVERY + 1, 2**42)
    thread = threading.Thread(target=controller.run)
    thread.start()
    try:
        eventually(lambda: log.end(SNAPSHOTS) > START)
    finally:
        controller.stop()
        thread.join()
    observer = Observer(log, NAMESPACE)
    assert observer.world(BEGIN, {}).state == fold_log(log, NAMESPACE, state=State())


def about_snapshots(url: str) -> Finding:
    (found,) = (finding for finding in examine(url, NAMESPACE) if finding.check == "snapshots")
    return found


def test_the_doctor_holds_the_newest_snapshot_against_the_whole_log(tmp_path: Path) -> None:
    with SqliteLog(tmp_path / "log.db") as log:
        now = int(time.time() * 1000)
        grow(log, EVERY + 1, now)
        assert about_snapshots(log.url).ok
        state = fold_log(log, NAMESPACE)
        Snapshots(log, NAMESPACE, "controller-1").keep(state)
        grow(log, 3, now)
        honest = about_snapshots(log.url)
        assert honest.ok
        assert f"covers offset {EVERY} of {EVERY + 3}" in honest.found
        at = record_at(log, NAMESPACE, state.offset)
        assert at is not None
        (lie,) = cut(replace(state, policy=PolicySet(900)), at)
        log.append(SNAPSHOTS.stream, seal(lie, source="somebody"))
        found = about_snapshots(log.url)
        assert not found.ok
        assert SNAPSHOTS.stream in found.todo
