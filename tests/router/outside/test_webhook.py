"""Metrics and gates by webhook: what is posted, and what each answer means."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from modelwire_router.outside.webhook import agrees, value
from modelwire_router.rollout.plan import Hook, Webhook
from modelwire_schemas.errors import ModelwireError
from tests.router.outside.asked import ABOUT, NOW, SECRET, gate, metric
from tests.router.outside.servers import Answering, Server, send, serving
from tests.router.outside.verifying import verified


def valued(url: str, timeout: float = 5.0, secret: bytes = b"") -> float:
    return value(metric(url), Webhook(url), timeout=timeout, secret=secret, now=NOW)


def agreed(url: str, timeout: int = 5000, secret: bytes = b"") -> bool:
    question = gate(url, timeout)
    assert isinstance(question.source, Hook)
    return agrees(question, question.source, secret=secret, now=NOW)


def why_not(url: str) -> ModelwireError:
    with pytest.raises(ModelwireError) as caught:
        valued(url)
    return caught.value


@pytest.mark.parametrize(
    ("answer", "number"),
    [('{"value": 0.5}', 0.5), ('{"value": -3, "more": [1]}', -3.0), ('{"value": 0}', 0.0)],
)
def test_a_metric_is_the_number_in_the_answer(server: Server, answer: str, number: float) -> None:
    server.answering = send(200, answer)
    assert valued(server.url) == number


def test_a_metric_is_asked_for_with_what_it_is_about(server: Server) -> None:
    server.answering = send(200, '{"value": 1}')
    valued(f"{server.url}/quality?of=late")
    (request,) = server.asked
    assert (request.method, request.path) == ("POST", "/quality?of=late")
    assert request.headers["Content-Type"] == "application/json"
    assert request.json == {"type": "metric", "name": "errors", **ABOUT}


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "<html>",
        "1",
        "[]",
        "{}",
        '{"value": null}',
        '{"value": true}',
        '{"value": "1"}',
        '{"value": NaN}',
        '{"value": Infinity}',
        '{"value": 1e400}',
        '{"value": ' + "9" * 5000 + "}",
        '{"value": [1]}',
        '{"Value": 1}',
    ],
)
def test_any_other_answer_is_no_value(server: Server, answer: str) -> None:
    server.answering = send(200, answer)
    assert why_not(server.url).code == "E_METRIC"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_refusal_is_no_value_whatever_it_holds(server: Server, status: int) -> None:
    server.answering = send(status, '{"value": 1}', Location="/other")
    error = why_not(server.url)
    assert error.code == "E_METRIC"
    assert str(status) in str(error)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "wanted"),
    [(200, True), (202, True), (204, True), (400, False), (403, False), (404, False), (503, False)],
)
def test_a_gate_agrees_by_2xx_and_not_yet_by_4xx_and_5xx(
    server: Server, status: int, *, wanted: bool
) -> None:
    server.answering = send(status, "<html>" if status != 204 else "")
    assert agreed(server.url) is wanted


def test_a_gate_is_asked_under_the_name_that_flagger_gave_it(server: Server) -> None:
    agreed(server.url)
    (request,) = server.asked
    kind = "confirm-promotion"
    assert request.json == {"type": kind, "name": kind, **ABOUT}


def test_a_redirect_neither_opens_nor_closes_a_gate(server: Server) -> None:
    server.answering = send(302, Location="/yes")
    with pytest.raises(ModelwireError) as caught:
        agreed(server.url)
    assert caught.value.code == "E_GATE"
    assert len(server.asked) == 1


def test_a_gate_that_hangs_is_left_when_its_own_time_is_over(server: Server) -> None:
    server.answering = lambda _: server.ended.wait()
    with pytest.raises(ModelwireError) as caught:
        agreed(server.url, timeout=200)
    assert caught.value.code == "E_SLOW"


def test_what_is_posted_is_signed_where_there_is_a_secret(server: Server) -> None:
    server.answering = send(200, '{"value": 1}')
    valued(server.url, secret=SECRET)
    agreed(server.url, secret=SECRET)
    for request in server.asked:
        assert verified(SECRET, request.headers["X-Modelwire-Signature"], request.body) == NOW


def test_without_a_secret_nothing_is_signed(server: Server) -> None:
    agreed(server.url)
    (request,) = server.asked
    assert "X-Modelwire-Signature" not in request.headers


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with serving(send(200), context) as made:
        yield made


def test_a_trusted_certificate_is_accepted(
    secure: Server, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert agreed(secure.url)


def test_any_other_certificate_is_refused(secure: Server) -> None:
    with pytest.raises(ModelwireError) as caught:
        agreed(secure.url)
    assert caught.value.code == "E_DENIED"
    assert "SSL_CERT_FILE" in str(caught.value)
    assert secure.asked == []


def answers_that_tell_nothing() -> list[Answering]:
    return [
        send(500, "canary"),
        send(200, "canary"),
        send(302, Location="http://canary/"),
        lambda _: None,
    ]


def test_no_error_shows_what_is_secret_in_a_url(server: Server) -> None:
    url = server.url.replace("//", "//ann:canary@") + "/canary?canary=1"
    for answering in answers_that_tell_nothing():
        server.answering = answering
        assert "canary" not in str(why_not(url))
    assert len(server.asked) == 4
