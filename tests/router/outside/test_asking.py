"""Asking without waiting: once, one at a time of a kind, a few in all, nobody held up by others."""

import logging
import threading
from collections.abc import Iterable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler

import pytest

from modelwire.clock import ManualClock
from modelwire_router.outside.asking import Asker
from modelwire_router.outside.words import Answer, Question
from modelwire_router.rollout.plan import Hook
from tests.router.outside.asked import NOW, SECRET, about, gate, metric, prometheus
from tests.router.outside.servers import Answering, Server, send, serving
from tests.router.outside.verifying import verified
from tests.waiting import eventually

ONE = send(200, '{"value": 1}')


def asker(at_once: int = 8, timeout: float = 20.0, secret: bytes = b"") -> Asker:
    return Asker(ManualClock(NOW), at_once=at_once, timeout=timeout, secret=secret)


def answered(asker: Asker, *questions: Question) -> list[Answer]:
    eventually(lambda: set(questions) <= set(asker.answers()), what="the answers")
    return [asker.answers()[question] for question in questions]


def ask_all(asker: Asker, questions: Iterable[Question]) -> None:
    for question in questions:
        asker.ask(question)


def held(release: threading.Event, then: Answering = ONE) -> Answering:
    """Answer when the test lets go."""

    def answering(handler: BaseHTTPRequestHandler) -> None:
        release.wait()
        then(handler)

    return answering


def test_each_kind_of_question_gets_its_kind_of_answer(server: Server) -> None:
    found = asker()
    series = '{"status":"success","data":{"resultType":"scalar","result":[0,"0.5"]}}'
    with serving(send(200, series)) as prom, serving(send(503)) as closed:
        asked = (
            prometheus(prom.url),
            metric(server.url, name="other"),
            replace(gate(closed.url), name="closed"),
            gate(server.url),
        )
        server.answering = ONE
        ask_all(found, asked)
        assert answered(found, *asked) == [
            Answer(NOW, value=0.5),
            Answer(NOW, value=1.0),
            Answer(NOW, agreed=False),
            Answer(NOW, agreed=True),
        ]


def test_an_answered_question_is_not_asked_again_but_in_its_next_slot(server: Server) -> None:
    server.answering = ONE
    found, first = asker(), metric(server.url, slot=1)
    for _ in range(3):
        found.ask(first)
        answered(found, first)
    assert len(server.asked) == 1
    second = replace(first, slot=2)
    found.ask(second)
    answered(found, second)
    assert len(server.asked) == 2


def test_asking_waits_for_nobody_and_goes_on_when_the_time_is_over(server: Server) -> None:
    server.answering = lambda _: server.ended.wait()
    found, question = asker(timeout=0.2), metric(server.url)
    found.ask(question)
    assert found.answers() == {}
    (answer,) = answered(found, question)
    assert answer.value is None
    assert answer.error.startswith("E_SLOW: no answer within 0.2 s, http://127.0.0.1:")


def test_slots_of_one_question_are_asked_one_at_a_time_and_the_newest_wins(server: Server) -> None:
    release = threading.Event()
    server.answering = held(release)
    found, slots = asker(), [metric(server.url, slot=slot) for slot in range(5)]
    found.ask(slots[0])
    eventually(lambda: len(server.asked) == 1)
    ask_all(found, slots)
    release.set()
    answered(found, slots[0], slots[4])
    assert set(found.answers()) == {slots[0], slots[4]}
    assert len(server.asked) == 2


class Crowd:
    """Counts who is being answered at the same time."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.lock = threading.Lock()
        self.release = threading.Event()

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.release.wait()
        with self.lock:
            self.now -= 1
        ONE(handler)


def test_a_server_that_hangs_holds_half_of_the_threads_and_the_others_go_on(
    server: Server,
) -> None:
    crowd = Crowd()
    server.answering = crowd
    found = asker(at_once=4)
    stuck = [metric(server.url, route=f"route-{number}") for number in range(20)]
    ask_all(found, stuck)
    eventually(lambda: crowd.now == 2)
    with serving(ONE) as other:
        well = [metric(other.url, name=f"metric-{number}") for number in range(20)]
        ask_all(found, well)
        assert {answer.value for answer in answered(found, *well)} == {1.0}
        ask_all(found, stuck)
        assert (crowd.now, len(server.asked)) == (2, 2)
    crowd.release.set()
    answered(found, *stuck)
    assert (crowd.most, len(server.asked)) == (2, 20)


def test_no_more_are_under_way_than_there_may_be() -> None:
    crowd = Crowd()
    with serving(crowd) as first, serving(crowd) as second, serving(crowd) as third:
        found = asker(at_once=4)
        asked = [
            metric(server.url, name=f"{server.url} {number}")
            for server in (first, second, third)
            for number in range(4)
        ]
        ask_all(found, asked)
        eventually(lambda: crowd.now == 4)
        crowd.release.set()
        answered(found, *asked)
    assert crowd.most == 4


def threads() -> int:
    return sum(thread.name == "modelwire-asker" for thread in threading.enumerate())


def test_who_has_nothing_to_ask_needs_no_thread(server: Server) -> None:
    server.answering = ONE
    found, question = asker(), metric(server.url)
    assert threads() == 0
    found.ask(question)
    answered(found, question)
    eventually(lambda: threads() == 0)


def test_what_is_forgotten_is_not_answered(server: Server) -> None:
    release = threading.Event()
    server.answering = held(release)
    found = asker(at_once=1)
    under_way, waiting, wanted = (metric(server.url, name=name) for name in "abc")
    found.ask(under_way)
    eventually(lambda: len(server.asked) == 1)
    ask_all(found, (waiting, wanted))
    found.forget([under_way, waiting])
    release.set()
    answered(found, wanted)
    assert set(found.answers()) == {wanted}
    assert [request.json["name"] for request in server.asked] == ["a", "c"]
    found.forget([wanted, waiting])
    assert found.answers() == {}


def test_who_forgets_and_asks_again_gets_a_new_answer(server: Server) -> None:
    release = threading.Event()
    server.answering = held(release)
    found, question = asker(), metric(server.url)
    found.ask(question)
    eventually(lambda: len(server.asked) == 1)
    found.forget([question])
    found.ask(question)
    server.answering = send(200, '{"value": 2}')
    release.set()
    (answer,) = answered(found, question)
    assert answer.value == 2.0


@pytest.mark.parametrize("url", ["", "ftp://canary/", "http://canary:x/"])
def test_a_bad_url_is_an_answer_like_any_other(url: str, server: Server) -> None:
    server.answering = ONE
    found = asker(at_once=1)
    bad, good = metric(url, name="bad"), metric(server.url, name="good")
    ask_all(found, (bad, good))
    first, second = answered(found, bad, good)
    assert first.error.startswith("E_URL")
    assert "canary" not in first.error
    assert second.value == 1.0


def test_what_nobody_thought_of_costs_one_answer_and_no_more(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.answering = ONE
    found, good = asker(at_once=1), metric(server.url, name="good")
    broken = about(Hook("confirm", server.url, timeout=None))  # type: ignore[arg-type]
    with caplog.at_level(logging.ERROR):
        ask_all(found, (broken, good))
        first, second = answered(found, broken, good)
    assert (first.error, second.value) == ("E_UNEXPECTED: TypeError", 1.0)
    assert "a question of route late failed" in caplog.text


def test_questions_are_signed(server: Server) -> None:
    server.answering = ONE
    found, question = asker(secret=SECRET), metric(server.url)
    found.ask(question)
    answered(found, question)
    (request,) = server.asked
    assert verified(SECRET, request.headers["X-Modelwire-Signature"], request.body) == NOW
