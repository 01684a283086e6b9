"""A connection by http or https that is cut when its time is over."""

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Generator
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


@contextlib.contextmanager
def line(
    scheme: str, host: str, port: int | None, *, connect: float, most: float
) -> Generator[http.client.HTTPConnection]:
    """Connect within `connect` seconds, and cut the line `most` seconds after the start.

    A server that sends a byte now and then never runs into a socket's timeout. https checks the
    server's certificate, by the system's authorities or those that SSL_CERT_FILE names, and goes
    through the proxy that the environment names. Raises OSError.
    """
    end = time.monotonic() + most
    connection = _made(scheme, host, port, connect)
    with contextlib.closing(connection):
        connection.connect()
        with contextlib.closing(connection.sock) as wire:
            cut = threading.Timer(max(0.0, end - time.monotonic()), _cut, [wire])
            cut.daemon = True
            cut.start()
            try:
                yield connection
            finally:
                cut.cancel()


def _made(scheme: str, host: str, port: int | None, connect: float) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=connect)
    context = ssl.create_default_context()
    proxy = urlsplit(getproxies().get("https", ""))
    if not proxy.hostname or proxy_bypass(host):
        return http.client.HTTPSConnection(host, port, timeout=connect, context=context)
    connection = http.client.HTTPSConnection(
        proxy.hostname, proxy.port, timeout=connect, context=context
    )
    connection.set_tunnel(host, port)
    return connection


def _cut(wire: socket.socket) -> None:
    # The socket's own shutdown: that of TLS would take its state from under the reader.
    with contextlib.suppress(OSError):
        socket.socket.shutdown(wire, socket.SHUT_RDWR)
