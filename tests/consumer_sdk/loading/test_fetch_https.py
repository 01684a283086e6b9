"""Files by https: from the released host only, by a trusted certificate, within bounded time."""

import contextlib
import ssl
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from modelwire.loading.cache import Cache
from modelwire.loading.fetch import fetch
from modelwire.loading.pace import Patience
from modelwire_schemas.errors import ModelwireError
from tests.consumer_sdk.loading.making import artifact, release

CONTENT = bytes(range(256)) * 40_000
"""10 MB: more than any buffer on the way."""

QUICK = Patience(window=0.4, base=1.5, rate=100_000_000, attempts=3)


@dataclass
class Store:
    """A server with a certificate of its own, and what it was asked for."""

    url: str
    answers: Mapping[str, Callable[[BaseHTTPRequestHandler], None]]
    asked: list[str] = field(default_factory=list[str])
    ended: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    """Answers by path."""

    protocol_version = "HTTP/1.1"
    store: Store

    def do_GET(self) -> None:
        self.store.asked.append(self.path)
        with contextlib.suppress(OSError):
            self.store.answers[self.path](self)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay quiet."""


def send(handler: BaseHTTPRequestHandler, status: int, content: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(content)), **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(content)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def store(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("NO_PROXY", "localhost")
    with serving(authority) as store:
        yield store


@contextlib.contextmanager
def serving(authority: trustme.CA) -> Generator[Store]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    class OneStore(Handler):
        """Answers for this store."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), OneStore)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    made = Store(f"https://localhost:{server.server_address[1]}", {})
    OneStore.store = made
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made
    finally:
        made.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


def get(store: Store, tmp_path: Path, patience: Patience = QUICK) -> bytes:
    made = replace(artifact({"model.onnx": CONTENT}), inline=(), uri=f"{store.url}/m.onnx")
    cache = Cache(tmp_path / "cache")
    folder = fetch(
        release(made), None, "artifacts", cache, patience=patience, pause=lambda seconds: None
    )
    return (folder / "model.onnx").read_bytes()


def why_not(store: Store, tmp_path: Path) -> ModelwireError:
    with pytest.raises(ModelwireError) as caught:
        get(store, tmp_path)
    assert [path.name for path in (tmp_path / "cache" / "artifacts").iterdir()] == []
    return caught.value


def test_a_file_comes_in_whole(store: Store, tmp_path: Path) -> None:
    store.answers = {"/m.onnx": lambda handler: send(handler, 200, CONTENT)}
    assert get(store, tmp_path) == CONTENT


def test_a_file_comes_in_pieces(store: Store, tmp_path: Path) -> None:
    def chunked(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for start in range(0, len(CONTENT), 100_000):
            piece = CONTENT[start : start + 100_000]
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        handler.wfile.write(b"0\r\n\r\n")

    store.answers = {"/m.onnx": chunked}
    assert get(store, tmp_path) == CONTENT


def test_a_server_without_a_trusted_certificate_is_refused(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))
    error = why_not(store, tmp_path)
    assert error.code == "E_DENIED"
    assert "SSL_CERT_FILE" in str(error)
    assert store.asked == []


@pytest.mark.parametrize(
    ("status", "code", "times"),
    [
        (404, "E_NOT_FOUND", 1),
        (403, "E_DENIED", 1),
        (401, "E_DENIED", 1),
        (503, "E_UNAVAILABLE", 3),
    ],
)
def test_a_refusal_is_told_and_only_passing_ones_are_tried_again(
    store: Store, tmp_path: Path, status: int, code: str, times: int
) -> None:
    store.answers = {"/m.onnx": lambda handler: send(handler, status, b"<html>no</html>")}
    assert why_not(store, tmp_path).code == code
    assert len(store.asked) == times


def test_a_server_that_comes_back_is_read(store: Store, tmp_path: Path) -> None:
    def second_time(handler: BaseHTTPRequestHandler) -> None:
        if len(store.asked) == 1:
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(CONTENT)))
            handler.end_headers()
            handler.wfile.write(CONTENT[:5_000_000])
        else:
            send(handler, 200, CONTENT)

    store.answers = {"/m.onnx": second_time}
    assert get(store, tmp_path) == CONTENT
    assert len(store.asked) == 2


def test_a_redirect_within_the_host_is_followed(store: Store, tmp_path: Path) -> None:
    store.answers = {
        "/m.onnx": lambda handler: send(handler, 302, b"", Location="/other/m.onnx"),
        "/other/m.onnx": lambda handler: send(handler, 200, CONTENT),
    }
    assert get(store, tmp_path) == CONTENT


@pytest.mark.parametrize(
    "target",
    [
        "https://127.0.0.1:1/m.onnx",
        "http://169.254.169.254/latest/meta-data",
        "//other/m.onnx",
        "file:///etc/passwd",
        "/m.onnx?again=1",
        "",
        "https://localhost:1/m.onnx",
    ],
)
def test_a_redirect_elsewhere_is_refused(store: Store, tmp_path: Path, target: str) -> None:
    store.answers = {"/m.onnx": lambda handler: send(handler, 302, b"", Location=target)}
    assert why_not(store, tmp_path).code == "E_REDIRECT"
    assert set(store.asked) == {"/m.onnx"}


def test_endless_data_is_cut_one_byte_behind_the_size(store: Store, tmp_path: Path) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not store.ended.is_set():
            handler.wfile.write(CONTENT)

    store.answers = {"/m.onnx": endless}
    assert why_not(store, tmp_path).code == "E_SIZE"


def headers_for_ever(handler: BaseHTTPRequestHandler, ended: threading.Event) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not ended.wait(0.02):
        handler.wfile.write(b"x")
        handler.wfile.flush()


def silence(handler: BaseHTTPRequestHandler, ended: threading.Event) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CONTENT)))
    handler.end_headers()
    handler.wfile.flush()
    ended.wait()


def a_byte_now_and_then(handler: BaseHTTPRequestHandler, ended: threading.Event) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CONTENT)))
    handler.end_headers()
    while not ended.wait(0.02):
        handler.wfile.write(b"x")
        handler.wfile.flush()


@pytest.mark.parametrize(
    ("slow", "told"),
    [
        (headers_for_ever, "it takes longer than it may"),
        (silence, "nothing comes in"),
        (a_byte_now_and_then, "bytes came in"),
    ],
)
def test_a_slow_server_is_left(
    store: Store,
    tmp_path: Path,
    slow: Callable[[BaseHTTPRequestHandler, threading.Event], None],
    told: str,
) -> None:
    store.answers = {"/m.onnx": lambda handler: slow(handler, store.ended)}
    error = why_not(store, tmp_path)
    assert error.code == "E_SLOW"
    assert told in error.what
    assert len(store.asked) == 1


def test_a_server_that_is_not_there_is_unavailable(store: Store, tmp_path: Path) -> None:
    store.url = "https://localhost:1"
    assert why_not(store, tmp_path).code == "E_UNAVAILABLE"
