"""One call by http or https: bounded in time and size, no redirects, no secrets in errors."""

import contextlib
import http.client
import ssl
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass

from modelwire.loading.line import line
from modelwire.version import VERSION
from modelwire_router.outside.address import Address
from modelwire_schemas.errors import Rejected, TimedOut, Unavailable

MOST = 1_000_000
"""Bytes that an answer may have."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered."""

    status: int
    body: bytes

    @property
    def good(self) -> bool:
        """Whether the server did what it was asked for."""
        return 200 <= self.status < 300

    @property
    def told(self) -> str:
        """The status in words."""
        name = http.client.responses.get(self.status, "")
        return f"the server answers {self.status} {name}".strip()


def call(
    method: str,
    address: Address,
    *,
    timeout: float,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Return the answer, whatever its status, within `timeout` seconds for all of it.

    Raises TimedOut `E_SLOW`, Unavailable `E_UNAVAILABLE`, Rejected `E_DENIED` (a certificate that
    is not trusted) and `E_TOO_LARGE`.
    """
    end = time.monotonic() + timeout
    sent = {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": f"modelwire/{VERSION}",
        **({"Authorization": address.login} if address.login else {}),
        **(headers or {}),
    }
    cut = line(address.scheme, address.host, address.port, connect=timeout, most=timeout)
    with _told(address, timeout, end), cut as connection:
        connection.sock.settimeout(max(0.001, end - time.monotonic()))
        connection.request(method, address.target, body, sent)
        with contextlib.closing(connection.getresponse()) as answer:
            content = answer.read(MOST + 1)
            if len(content) > MOST:
                raise _too_large(address)
            if answer.length or time.monotonic() >= end:
                raise http.client.IncompleteRead(b"")
            return Reply(answer.status, content)


@contextlib.contextmanager
def _told(address: Address, timeout: float, end: float) -> Generator[None]:
    """Turn what the network raises into errors of ours; a line that was cut ended too late."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise Rejected(
            "E_DENIED",
            f"the server's certificate is not trusted: {error.verify_message}",
            where=address.place,
            todo="name the authority's file in SSL_CERT_FILE",
        ) from None
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, TimeoutError) or time.monotonic() >= end:
            raise TimedOut(
                "E_SLOW", f"no answer within {timeout:g} s", where=address.place
            ) from None
        what = str(error)[:200] or type(error).__name__
        raise Unavailable("E_UNAVAILABLE", what, where=address.place) from None


def _too_large(address: Address) -> Rejected:
    return Rejected(
        "E_TOO_LARGE",
        "the answer is too large",
        where=address.place,
        expected=f"at most {MOST:,} bytes",
    )
