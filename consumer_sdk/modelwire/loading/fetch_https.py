"""A file by https: certificates checked, no other host, never slower than it may be."""

import contextlib
import http.client
import socket
import ssl
from collections.abc import Generator
from urllib.parse import quote, urljoin, urlsplit

from modelwire.loading.line import line
from modelwire.loading.pace import Pace
from modelwire.loading.sink import Sink
from modelwire.loading.uris import Address, parse
from modelwire_schemas.errors import ModelwireError, NotFound, Rejected, Unavailable

AT_ONCE = 1024 * 1024

CONNECT = 10.0
"""Seconds until a connection must stand."""

HOPS = 5
"""Redirects within one host that are followed."""

MOVED = frozenset({301, 302, 303, 307, 308})
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that may be others a little later."""


def read(address: Address, sink: Sink, pace: Pace) -> None:
    """Write what lies at `address` into `sink`.

    The system's certificates count, or those that SSL_CERT_FILE names. Raises NotFound
    `E_NOT_FOUND`, Rejected `E_DENIED`, `E_REDIRECT`, TimedOut `E_SLOW`, Unavailable
    `E_UNAVAILABLE`.
    """
    for _ in range(HOPS):
        cut = line("https", address.host, None, connect=CONNECT, most=pace.left_in_all())
        with _told(address, pace), cut as connection:
            moved = _read_once(connection, address, sink, pace)
        if moved is None:
            return
        address = moved
    raise Rejected("E_REDIRECT", f"more than {HOPS} redirects", where=address.uri)


def _read_once(
    connection: http.client.HTTPConnection, address: Address, sink: Sink, pace: Pace
) -> Address | None:
    """Read the file; return where it moved to instead, if it did."""
    wire: socket.socket = connection.sock
    wire.settimeout(pace.left())
    target = quote(urlsplit(address.uri).path or "/", safe="/%:@!$&'()*+,;=~")
    connection.request("GET", target, headers={"Accept-Encoding": "identity"})
    with contextlib.closing(connection.getresponse()) as answer:
        if answer.status in MOVED:
            return _moved(address, answer.getheader("Location") or "")
        if answer.status != http.client.OK:
            raise _refused(address, answer.status)
        while data := answer.read1(AT_ONCE):
            sink.write(data)
            pace.got(len(data))
            wire.settimeout(pace.left())
        pace.got(0)
        if answer.length:
            raise Unavailable("E_UNAVAILABLE", "the connection ended too early", where=address.uri)
    return None


@contextlib.contextmanager
def _told(address: Address, pace: Pace) -> Generator[None]:
    """Turn what the network raises into errors of ours."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise Rejected(
            "E_DENIED",
            f"the server's certificate is not trusted: {error.verify_message}",
            where=address.uri,
            todo="name the authority's file in SSL_CERT_FILE",
        ) from None
    except TimeoutError:
        raise pace.too_slow("nothing comes in") from None
    except (OSError, http.client.HTTPException) as error:
        pace.got(0)
        raise Unavailable("E_UNAVAILABLE", str(error) or repr(error), where=address.uri) from None


def _moved(address: Address, location: str) -> Address:
    try:
        target = parse(urljoin(address.uri, location))
    except Rejected as error:
        raise Rejected("E_REDIRECT", error.what, where=address.uri) from None
    if (target.scheme, target.host) != (address.scheme, address.host):
        raise Rejected(
            "E_REDIRECT",
            f"the server sends us to {target.host}",
            where=address.uri,
            expected="an answer from the host that was released",
        )
    return target


def _refused(address: Address, status: int) -> ModelwireError:
    what = f"the server answers {status} {http.client.responses.get(status, '')}".strip()
    if status in (404, 410):
        return NotFound("E_NOT_FOUND", what, where=address.uri)
    if status in PASSING:
        return Unavailable("E_UNAVAILABLE", what, where=address.uri)
    return Rejected("E_DENIED", what, where=address.uri, expected="200 OK")
