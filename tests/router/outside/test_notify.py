"""Telling webhooks: signed, in order, again until heard, given up in the end, nobody waiting."""

import logging
import threading
from http.server import BaseHTTPRequestHandler

import pytest

from modelwire.clock import SystemClock
from modelwire_router.outside.notify import Notifier
from modelwire_router.outside.words import hears
from modelwire_router.rollout.plan import Hook, HookKind
from tests.router.outside.asked import ABOUT, NOW, SECRET, notice
from tests.router.outside.servers import Answering, Server, send, serving
from tests.router.outside.verifying import verified
from tests.waiting import eventually

SOON = (0.01, 0.01, 0.01)
LONG = 10.0


def hook(url: str, timeout: int = 5000) -> Hook:
    return Hook(HookKind.ROLLBACK, url, timeout)


def numbers(server: Server) -> list[str]:
    return [request.json["id"] for request in server.asked]


def in_turn(server: Server, *answers: Answering) -> Answering:
    """Answer the first time so, then so, …; the last answer stays."""

    def answering(handler: BaseHTTPRequestHandler) -> None:
        answers[min(len(server.asked), len(answers)) - 1](handler)

    return answering


@pytest.mark.parametrize("kind", [HookKind.ROLLBACK, HookKind.EVENT, HookKind.RETRAIN_WANTED])
def test_a_notice_says_what_happened_and_why(server: Server, kind: HookKind) -> None:
    notifier = Notifier(SystemClock())
    notifier.tell(hook(server.url), notice(kind))
    notifier.close(LONG)
    (request,) = server.asked
    assert request.json == {
        "type": str(kind),
        **ABOUT,
        "id": "n-1",
        "at": NOW,
        "text": "rolled back",
        "findings": [
            {
                "metric": "errors",
                "judgement": "fail",
                "at": NOW,
                "measured": 0.012,
                "reference": 0.001,
                "limit": 0.005,
                "samples": 9000,
                "reference_samples": 91_000,
                "detail": "",
                "dry_run": False,
            }
        ],
    }
    assert notifier.dropped == 0


def test_a_notice_is_signed_anew_at_every_try(server: Server) -> None:
    server.answering = in_turn(server, send(500), send(200))
    clock = SystemClock()
    began = clock.now()
    notifier = Notifier(clock, secret=SECRET, waits=SOON)
    notifier.tell(hook(server.url), notice())
    eventually(lambda: len(server.asked) == 2)
    notifier.close(LONG)
    for request in server.asked:
        signed = verified(SECRET, request.headers["X-Modelwire-Signature"], request.body)
        assert began - 1000 < signed <= clock.now()


@pytest.mark.parametrize("status", [500, 502, 503, 408, 425, 429])
def test_a_failure_that_may_pass_is_tried_again_until_it_is_heard(
    server: Server, status: int
) -> None:
    server.answering = in_turn(server, send(status), send(status), send(200))
    notifier = Notifier(SystemClock(), waits=SOON)
    notifier.tell(hook(server.url), notice(number=1))
    notifier.tell(hook(server.url), notice(number=2))
    eventually(lambda: len(server.asked) == 4)
    notifier.close(LONG)
    assert numbers(server) == ["n-1", "n-1", "n-1", "n-2"]
    assert notifier.dropped == 0


def test_a_webhook_that_never_hears_is_given_up_counted_and_told_once(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.answering = send(500, "canary")
    notifier = Notifier(SystemClock(), waits=SOON)
    url = server.url.replace("//", "//ann:canary@") + "/canary?canary=1"
    with caplog.at_level(logging.DEBUG):
        notifier.tell(hook(url), notice(number=1))
        notifier.tell(hook(url), notice(number=2))
        eventually(lambda: notifier.dropped == 2)
    notifier.close(LONG)
    assert numbers(server) == ["n-1"] * 4 + ["n-2"] * 4
    assert [record.message for record in caplog.records] == [
        f"webhook {server.url} is not told: the server answers 500 Internal Server Error"
    ]
    assert "canary" not in caplog.text


@pytest.mark.parametrize("status", [302, 400, 401, 404, 410])
def test_a_refusal_for_good_is_not_tried_again(server: Server, status: int) -> None:
    server.answering = in_turn(server, send(status, Location="/other"), send(200))
    notifier = Notifier(SystemClock(), waits=(3600.0,))
    notifier.tell(hook(server.url), notice(number=1))
    notifier.tell(hook(server.url), notice(number=2))
    eventually(lambda: len(server.asked) == 2)
    notifier.close(LONG)
    assert numbers(server) == ["n-1", "n-2"]
    assert notifier.dropped == 1


def test_a_webhook_that_hangs_keeps_neither_the_teller_nor_others_waiting(server: Server) -> None:
    server.answering = lambda _: server.ended.wait()
    notifier = Notifier(SystemClock(), waits=(3600.0,))
    notifier.tell(hook(server.url, timeout=200), notice())
    with serving(send(200)) as other:
        notifier.tell(hook(other.url), notice())
        eventually(lambda: len(other.asked) == 1)
        notifier.close(LONG)
    assert notifier.dropped == 1


def test_one_who_waits_for_another_try_does_not_keep_the_others(server: Server) -> None:
    server.answering = send(500)
    notifier = Notifier(SystemClock(), waits=(3600.0,))
    notifier.tell(hook(server.url), notice())
    eventually(lambda: len(server.asked) == 1)
    with serving(send(200)) as other:
        notifier.tell(hook(other.url), notice())
        eventually(lambda: len(other.asked) == 1)
        notifier.close(LONG)


def test_what_waits_is_bounded_and_the_oldest_make_room(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    release = threading.Event()

    def slow(handler: BaseHTTPRequestHandler) -> None:
        release.wait()
        send(200)(handler)

    server.answering = slow
    notifier = Notifier(SystemClock(), room=3)
    notifier.tell(hook(server.url), notice(number=0))
    eventually(lambda: len(server.asked) == 1)
    for number in range(1, 100):
        notifier.tell(hook(server.url), notice(number=number))
    release.set()
    eventually(lambda: len(server.asked) == 3)
    notifier.close(LONG)
    assert numbers(server) == ["n-0", "n-98", "n-99"]
    assert notifier.dropped == 97
    assert len(caplog.records) == 1
    assert "more than 3 notices wait" in caplog.text


def test_closing_tries_once_more_what_waits_for_another_try(server: Server) -> None:
    server.answering = in_turn(server, send(500), send(200))
    notifier = Notifier(SystemClock(), waits=(3600.0,))
    notifier.tell(hook(server.url), notice())
    with serving(send(200)) as other:
        notifier.tell(hook(other.url), notice())
        eventually(lambda: len(other.asked) == 1)
        notifier.close(LONG)
    assert numbers(server) == ["n-1", "n-1"]
    assert notifier.dropped == 0


def test_closing_drops_the_rest(server: Server) -> None:
    server.answering = send(500)
    notifier = Notifier(SystemClock(), waits=(3600.0,))
    for number in range(3):
        notifier.tell(hook(server.url), notice(number=number))
    eventually(lambda: len(server.asked) == 1)
    notifier.close(LONG)
    assert len(server.asked) <= 2
    assert notifier.dropped == 3
    notifier.tell(hook(server.url), notice())
    assert notifier.dropped == 4


def test_closing_waits_no_longer_than_it_is_told(server: Server) -> None:
    server.answering = lambda _: server.ended.wait()
    notifier = Notifier(SystemClock())
    notifier.tell(hook(server.url, timeout=60_000), notice())
    eventually(lambda: len(server.asked) == 1)
    notifier.close(0.05)
    assert notifier.dropped == 1


def test_one_who_was_told_nothing_closes_at_once() -> None:
    notifier = Notifier(SystemClock())
    notifier.close(LONG)
    assert notifier.dropped == 0


@pytest.mark.parametrize("url", ["", "ftp://canary/", "http://canary:x/"])
def test_a_bad_url_is_told_and_not_shown(url: str, caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier(SystemClock(), waits=(3600.0,))
    notifier.tell(hook(url), notice())
    eventually(lambda: notifier.dropped == 1)
    notifier.close(LONG)
    assert "E_URL" in caplog.text
    assert "canary" not in caplog.text


def test_what_nobody_thought_of_costs_one_notice_and_no_more(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    notifier = Notifier(SystemClock())
    notifier.tell(hook(f"{server.url}/a", timeout=None), notice())  # type: ignore[arg-type]
    notifier.tell(hook(server.url), notice())
    eventually(lambda: len(server.asked) == 1)
    notifier.close(LONG)
    assert notifier.dropped == 1
    assert "a notice of route late failed" in caplog.text


def test_a_hook_hears_its_own_kind_and_one_for_events_hears_all() -> None:
    everything, own = Hook(HookKind.EVENT, ""), Hook(HookKind.ROLLBACK, "")
    assert hears(everything, HookKind.ROLLBACK)
    assert hears(everything, HookKind.RETRAIN_WANTED)
    assert hears(own, HookKind.ROLLBACK)
    assert not hears(own, HookKind.RETRAIN_WANTED)
