"""The past as the log has it: every command, its verdict, and what it brought."""

from collections.abc import Sequence

from modelwire.control.commands import By, submit
from modelwire.control.history import documents, in_force_then
from modelwire.control.reading import fold_log, read_past
from modelwire.control.saved import state_hash
from modelwire.control.state import State
from modelwire_log.contract import Message
from modelwire_log.memory.log import MemoryLog
from modelwire_schemas.control import Body
from modelwire_schemas.names import topic
from tests.consumer_sdk.control.making import LEAD, MODEL, ROUTE, change, document, release

NAMESPACE = "test"


class Clock:
    """The log's time (ms), which a test turns."""

    def __init__(self) -> None:
        self.time = 1_700_000_000_000

    def now(self) -> int:
        return self.time

    def monotonic_ns(self) -> int:
        return self.time * 1_000_000


def story(log: MemoryLog, clock: Clock, bodies: Sequence[Body]) -> None:
    for body in bodies:
        submit(log, NAMESPACE, body, By("ann", "why"), clock=clock)
        clock.time += 1_000


def usual() -> tuple[MemoryLog, Clock]:
    clock = Clock()
    log = MemoryLog(clock=clock.now)
    story(log, clock, [release("1"), release("2"), change("1", 0), change("2", 1)])
    return log, clock


def test_the_past_has_every_command_with_its_verdict_and_its_documents() -> None:
    log, clock = usual()
    story(log, clock, [change("1", 1), change("1", 2, at_once=True)])
    log.append(topic(NAMESPACE, "control"), Message(b"nonsense"))
    past = read_past(log, NAMESPACE)
    assert [p.verdict.code for p in past] == ["", "", "", "", "E_CONFLICT", "", "E_CORRUPT"]
    assert [[a.revision for a in p.documents] for p in past] == [[], [], [1], [2], [], [3], []]


def test_a_repeated_request_brings_its_document_once() -> None:
    log, clock = usual()
    for _ in range(2):
        submit(log, NAMESPACE, change("1", 2), By(), request_id="once", clock=clock)
    past = read_past(log, NAMESPACE)
    assert [len(p.documents) for p in past[-2:]] == [1, 0]
    assert [a.revision for a in documents(past, ROUTE)] == [1, 2, 3]


def test_the_past_can_be_read_up_to_an_offset() -> None:
    log, _ = usual()
    assert [p.entry.offset for p in read_past(log, NAMESPACE, last=2)] == [0, 1, 2]


def test_the_document_of_an_event_is_found_under_the_offset_of_its_output() -> None:
    log, clock = usual()
    story(log, clock, [change("1", 2, at_once=True)])
    accepted = documents(read_past(log, NAMESPACE), ROUTE)
    flipped = accepted[1].effective
    found = [
        in_force_then(accepted, ts, ts, offset)
        for ts, offset in ((flipped, 1), (flipped, 2), (flipped - 1, 3), (flipped, 3), (0, 4))
    ]
    assert [a and a.revision for a in found] == [None, 1, 1, 2, 3]


def test_the_state_at_an_offset_is_the_fold_up_to_it() -> None:
    log, _ = usual()
    whole = fold_log(log, NAMESPACE)
    assert whole.offset == 3
    at = fold_log(log, NAMESPACE, last=2)
    assert (at.offset, at.routes[ROUTE].head.revision) == (2, 1)
    assert state_hash(fold_log(log, NAMESPACE, state=at)) == state_hash(whole)


def test_a_log_that_nobody_wrote_to_has_no_past() -> None:
    log = MemoryLog()
    assert read_past(log, NAMESPACE) == []
    assert fold_log(log, NAMESPACE) == State()


def test_every_route_has_a_past_of_its_own() -> None:
    log, clock = usual()
    story(log, clock, [change(document("1", "early", MODEL), 0)])
    past = read_past(log, NAMESPACE)
    assert [a.effective >= LEAD for a in documents(past, ROUTE)] == [False, True]
    assert [a.revision for a in documents(past, "early")] == [1]
