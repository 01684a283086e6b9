"""A real server on this machine that answers as a test says, and remembers what it was asked."""

import contextlib
import json
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from typing import Any

Answering = Callable[[BaseHTTPRequestHandler], object]


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    headers: Message
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Server:
    """Where the server is, how it answers, and what it was asked."""

    url: str
    answering: Answering
    asked: list[Asked] = field(default_factory=list[Asked])
    ended: threading.Event = field(default_factory=threading.Event)


def send(status: int, content: bytes | str = b"", **headers: str) -> Answering:
    """Answer so."""
    body = content.encode() if isinstance(content, str) else content

    def answering(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answering


@contextlib.contextmanager
def serving(answering: Answering, tls: SSLContext | None = None) -> Generator[Server]:
    """Run a server; what still hangs in it is let go at the end."""
    holder: list[Server] = []

    class Handler(BaseHTTPRequestHandler):
        """Answers as the test says."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            (server,) = holder
            server.asked.append(
                Asked(self.command, self.path, self.headers, self.rfile.read(length))
            )
            with contextlib.suppress(OSError):
                server.answering(self)
            self.close_connection = True

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    port = server.server_address[1]
    made = Server(f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}", answering)
    holder.append(made)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made
    finally:
        made.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
