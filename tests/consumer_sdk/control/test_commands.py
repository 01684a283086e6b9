"""Asking for a change: the verdict that comes back, also when the answer was lost."""

from collections.abc import Sequence

import pytest

from modelwire.clock import ManualClock
from modelwire.control.commands import EXPIRES, By, me, submit
from modelwire.control.reading import fold_log
from modelwire_log.contract import Message, Place, Receipt, Record
from modelwire_log.memory.log import MemoryLog
from modelwire_schemas.errors import Conflict, Rejected, Unavailable
from modelwire_schemas.names import topic
from tests.consumer_sdk.control.making import ROUTE, change, release

NAMESPACE = "test"
CONTROL = Place(topic(NAMESPACE, "control"))


class Lossy(MemoryLog):
    """A log whose answers to appends are lost on the way: it has taken them all the same."""

    lost = 0

    def append_batch(
        self, stream: str, messages: Sequence[Message], *, timeout: float = 30.0
    ) -> list[Receipt]:
        receipts = super().append_batch(stream, messages, timeout=timeout)
        if self.lost:
            self.lost -= 1
            raise Unavailable("E_LOG_UNAVAILABLE", "no answer")
        return receipts


def served() -> Lossy:
    log = Lossy()
    for body in (release("1"), release("2"), change("1", 0)):
        submit(log, NAMESPACE, body, By("ann")).verdict.check()
    return log


def test_a_command_comes_back_with_its_verdict_and_the_state_at_it() -> None:
    log = served()
    outcome = submit(log, NAMESPACE, change("2", 1), By("ann", "better"))
    assert outcome.verdict.accepted
    assert outcome.state.offset == outcome.verdict.offset == 3
    head = outcome.state.routes[ROUTE].head
    assert (head.author, head.reason) == ("ann", "better")


def test_a_command_that_lost_says_who_won() -> None:
    log = served()
    state = fold_log(log, NAMESPACE)
    submit(log, NAMESPACE, change("2", 1), By("bob", "better"), state=state).verdict.check()
    lost = submit(log, NAMESPACE, change("2", 1), By("ann"), state=state)
    with pytest.raises(Conflict, match="bob at offset 3: better"):
        lost.verdict.check()


def test_a_command_that_breaks_a_rule_says_which() -> None:
    with pytest.raises(Rejected, match="E_UNKNOWN_VERSION"):
        submit(served(), NAMESPACE, change("9", 1), By()).verdict.check()


def test_a_retry_after_a_lost_answer_gets_the_first_verdict() -> None:
    log = served()
    log.lost = 1
    with pytest.raises(Unavailable):
        submit(log, NAMESPACE, change("2", 1), By("ann"), request_id="mine")
    again = submit(log, NAMESPACE, change("2", 1), By("ann"), request_id="mine")
    assert again.verdict.accepted
    assert again.verdict.repeats == 3
    assert again.state.routes[ROUTE].head.revision == 2


def test_a_retry_after_a_lost_answer_is_not_a_conflict_with_itself_nor_with_others() -> None:
    log = served()
    log.lost = 1
    with pytest.raises(Unavailable):
        submit(log, NAMESPACE, change("2", 1), By("ann"), request_id="mine")
    submit(log, NAMESPACE, change("1", 2), By("bob")).verdict.check()
    again = submit(log, NAMESPACE, change("2", 1), By("ann"), request_id="mine")
    assert again.verdict.accepted
    assert again.state.routes[ROUTE].head.revision == 3


def test_two_commands_have_ids_of_their_own() -> None:
    log = served()
    for _ in range(2):
        submit(log, NAMESPACE, release("3"), By())
    assert len({r.headers for r in log.read(CONTROL, -1)}) == 5


def test_a_command_expires_ten_minutes_after_its_author_sent_it() -> None:
    log = MemoryLog()
    clock = ManualClock(now=log_time(log) - EXPIRES - 60_000)
    assert submit(log, NAMESPACE, release("1"), By(), clock=clock).verdict.code == "E_EXPIRED"


def test_a_clock_that_is_behind_the_log_goes_by_the_state_that_was_read() -> None:
    log = served()
    slow = ManualClock(now=log_time(log) - EXPIRES - 60_000)
    state = fold_log(log, NAMESPACE)
    assert submit(log, NAMESPACE, change("2", 1), By(), clock=slow, state=state).verdict.accepted


def log_time(log: MemoryLog) -> int:
    return log.append("time", Message(b"")).appended


def test_a_log_that_is_away_is_told_at_once() -> None:
    log = served()
    log.away = True
    with pytest.raises(Unavailable, match="E_LOG_UNAVAILABLE"):
        submit(log, NAMESPACE, change("2", 1), By(), timeout=1)


class Forgetful(MemoryLog):
    """A log that takes a record and does not show it, as a replica that lags behind."""

    hidden = False

    def read(
        self, place: Place, after: int, limit: int = 1000, *, timeout: float = 5.0
    ) -> list[Record]:
        return [] if self.hidden else super().read(place, after, limit, timeout=timeout)


def test_a_command_that_can_not_be_read_back_gives_the_id_to_ask_again_with() -> None:
    log = Forgetful()
    log.hidden = True
    with pytest.raises(Unavailable, match="ask again with the request id mine"):
        submit(log, NAMESPACE, release("1"), By(), request_id="mine")
    log.hidden = False
    assert submit(log, NAMESPACE, release("1"), By(), request_id="mine").verdict.repeats == 0


def test_who_asks_is_the_user_of_the_process() -> None:
    assert me("why").author
    assert me("why").reason == "why"
