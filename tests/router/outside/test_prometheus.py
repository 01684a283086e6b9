"""A number from a Prometheus server, and every way in which there is none."""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

import pytest

from modelwire_router.outside.prometheus import value, written
from modelwire_router.rollout.plan import Prometheus
from modelwire_schemas.errors import ModelwireError
from tests.router.outside.asked import about, prometheus
from tests.router.outside.servers import Answering, Server, send

TIMEOUT = 5.0
HURRY = 0.2


def series(*numbers: str) -> list[dict[str, object]]:
    return [{"metric": {"i": str(i)}, "value": [1.5, n]} for i, n in enumerate(numbers)]


NO_VALUE: list[dict[str, object]] = [{}]
HISTOGRAM: list[dict[str, object]] = [{"metric": {"i": "0"}, "histogram": [0, "1"]}]


def success(kind: str, result: object) -> str:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}})


def asked(server: Server, query: str = "up", timeout: float = TIMEOUT) -> float:
    source = Prometheus(server.url, query)
    return value(about(source), source, timeout=timeout)


def why_not(server: Server, timeout: float = TIMEOUT) -> ModelwireError:
    with pytest.raises(ModelwireError) as caught:
        asked(server, timeout=timeout)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("kind", "result", "number"),
    [
        ("vector", series("0.25"), 0.25),
        ("vector", series("-1e3"), -1000.0),
        ("vector", series("0"), 0.0),
        ("scalar", [1.5, "7"], 7.0),
    ],
)
def test_one_sample_is_the_value(server: Server, kind: str, result: object, number: float) -> None:
    server.answering = send(200, success(kind, result))
    assert asked(server) == number


def test_the_query_goes_to_the_instant_api_with_its_places_filled_in(server: Server) -> None:
    server.answering = send(200, success("vector", series("1")))
    query = 'a{v="{{candidate}}"}/b{v="{{ stable }}",r="{{route}}",m="{{model}}",x="{{other}}"}'
    asked(server, query)
    (request,) = server.asked
    parts = urlsplit(request.path)
    assert (request.method, parts.path) == ("GET", "/api/v1/query")
    assert parse_qs(parts.query) == {
        "query": ['a{v="2"}/b{v="1",r="late",m="flights",x="{{other}}"}']
    }


@pytest.mark.parametrize("quote", ['"', "'", "`", "\\", "\n"])
def test_what_is_filled_in_ends_no_string(quote: str) -> None:
    question = about(Prometheus("http://p", ""), route=f"a{quote}b{{{{model}}}}")
    assert written("{{route}}", question) == f"a\\x{ord(quote):02x}b{{{{model}}}}"


def test_a_login_in_the_address_is_sent_as_a_header(server: Server) -> None:
    server.answering = send(200, success("scalar", [0, "1"]))
    server.url = server.url.replace("//", "//ann:canary@")
    asked(server)
    (request,) = server.asked
    assert request.headers["Authorization"] == "Basic YW5uOmNhbmFyeQ=="
    assert "canary" not in request.path


def hang_up(_: BaseHTTPRequestHandler) -> None:
    """Answer nothing."""


def another_protocol(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"SSH-2.0-x\r\n\r\n")


HTML = "<!doctype html><html><body>Bad gateway</body></html>"


@pytest.mark.parametrize(
    ("answering", "code", "told"),
    [
        pytest.param(send(200, success("vector", series())), "E_METRIC", "no series", id="empty"),
        pytest.param(
            send(200, success("vector", series("1", "2", "3"))), "E_METRIC", "3 series", id="three"
        ),
        pytest.param(send(200, success("vector", series("NaN"))), "E_METRIC", "NaN", id="nan"),
        pytest.param(send(200, success("vector", series("+Inf"))), "E_METRIC", "+Inf", id="inf"),
        pytest.param(send(200, success("vector", series("x"))), "E_METRIC", "x", id="text"),
        pytest.param(send(200, success("vector", NO_VALUE)), "E_METRIC", "a vector", id="no value"),
        pytest.param(
            send(200, success("vector", HISTOGRAM)),
            "E_METRIC",
            "a vector",
            id="histogram",
        ),
        pytest.param(
            send(200, success("vector", [{"value": [0, 1]}])), "E_METRIC", "1", id="number"
        ),
        pytest.param(send(200, success("matrix", NO_VALUE)), "E_METRIC", "a matrix", id="matrix"),
        pytest.param(send(200, success("string", [0, "1"])), "E_METRIC", "a string", id="string"),
        pytest.param(send(200, "{}"), "E_METRIC", "none of Prometheus", id="other JSON"),
        pytest.param(send(200, "[]"), "E_METRIC", "none of Prometheus", id="a list"),
        pytest.param(send(200, "[" * 100_000), "E_METRIC", "none of Prometheus", id="deep"),
        pytest.param(send(200, b"\xff\xfe"), "E_METRIC", "none of Prometheus", id="bytes"),
        pytest.param(send(200, HTML), "E_METRIC", "none of Prometheus", id="HTML"),
        pytest.param(send(200), "E_METRIC", "none of Prometheus", id="nothing"),
        pytest.param(send(204), "E_METRIC", "none of Prometheus", id="no content"),
        pytest.param(send(500, HTML), "E_METRIC", "500 Internal", id="500 in HTML"),
        pytest.param(send(500, success("scalar", [0, "1"])), "E_METRIC", "500", id="500 with data"),
        pytest.param(send(401), "E_METRIC", "401 Unauthorized", id="401"),
        pytest.param(
            send(400, '{"status":"error","errorType":"bad_data","error":"parse error"}'),
            "E_METRIC",
            "refuses the query: parse error",
            id="refused",
        ),
        pytest.param(
            send(200, '{"status":"error","error":"' + "x" * 100_000 + '"}'),
            "E_METRIC",
            "refuses the query: xxx",
            id="long error",
        ),
        pytest.param(
            send(302, Location="http://127.0.0.1:1/"), "E_METRIC", "302 Found", id="redirect"
        ),
        pytest.param(send(200, b" " * 1_000_001), "E_TOO_LARGE", "1,000,000", id="large"),
        pytest.param(
            send(200, b"{}", **{"Content-Length": "99"}), "E_UNAVAILABLE", "", id="cut off"
        ),
        pytest.param(hang_up, "E_UNAVAILABLE", "without response", id="hangs up"),
        pytest.param(
            another_protocol,
            "E_UNAVAILABLE",
            "SSH",
            id="no http",
        ),
    ],
)
def test_any_other_answer_is_an_error_in_words(
    server: Server, answering: Answering, code: str, told: str
) -> None:
    server.answering = answering
    error = why_not(server)
    assert error.code == code
    assert told in str(error)
    assert len(str(error)) < 400
    assert len(server.asked) == 1


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b" " * 100_000)


def test_an_endless_answer_is_cut(server: Server) -> None:
    server.answering = endless
    assert why_not(server).code == "E_TOO_LARGE"


def silent(server: Server) -> Answering:
    return lambda _: server.ended.wait()


def dripping_headers(server: Server) -> Answering:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not server.ended.wait(0.02):
            handler.wfile.write(b"x")

    return drip


def dripping_body(server: Server) -> Answering:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        send(200, success("scalar", [0, "1"]), **{"Content-Length": "1000"})(handler)
        while not server.ended.wait(0.02):
            handler.wfile.write(b" ")

    return drip


def open_body(server: Server) -> Answering:
    """Answer in full, but never end: without a length nobody can tell."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(success("scalar", [0, "1"]).encode())
        server.ended.wait()

    return answer


@pytest.mark.parametrize("slow", [silent, dripping_headers, dripping_body, open_body])
def test_a_server_that_hangs_is_left_in_time(
    server: Server, slow: Callable[[Server], Answering]
) -> None:
    server.answering = slow(server)
    error = why_not(server, timeout=HURRY)
    assert error.code == "E_SLOW"
    assert "within 0.2 s" in str(error)


def test_a_server_that_is_not_there_is_told_without_what_is_secret_in_its_address() -> None:
    question = prometheus("http://ann:canary@127.0.0.1:1/canary?canary=1")
    assert isinstance(question.source, Prometheus)
    with pytest.raises(ModelwireError) as caught:
        value(question, question.source, timeout=TIMEOUT)
    assert caught.value.code == "E_UNAVAILABLE"
    assert "http://127.0.0.1:1" in str(caught.value)
    assert "canary" not in str(caught.value)
