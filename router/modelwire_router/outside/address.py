"""Where a server is: an http or https URL, checked, and shown without its secrets (pure)."""

from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, unquote, urlsplit

from modelwire_schemas.errors import Rejected
from modelwire_schemas.names import printable

PORTS = {"http": 80, "https": 443}
SAFE = "/%:@!$&'()*+,;=~"


@dataclass(frozen=True, slots=True)
class Address:
    """A checked URL: `target` is path and query, `login` a value for the header Authorization."""

    scheme: str
    host: str
    port: int
    target: str = field(repr=False)
    login: str = field(repr=False)

    @property
    def place(self) -> str:
        """Scheme, host and port: all that errors and logs show, since a path may be a secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def address(url: str, path: str = "", query: str = "") -> Address:
    """Return the checked address of `url`, with `path` and `query` (encoded) added to it.

    Raises Rejected `E_URL`; the text does not show the URL.
    """
    try:
        parts = urlsplit(url) if printable(url) and " " not in url else None
        port = parts.port if parts else None
        host = (parts.hostname or "") if parts else ""
        host.encode("idna")
    except ValueError:
        raise _no_url() from None
    if parts is None or parts.scheme not in PORTS or not host or port == 0:
        raise _no_url()
    asked = "&".join(part for part in (parts.query, query) if part)
    target = quote((parts.path.rstrip("/") + path) if path else parts.path or "/", safe=SAFE)
    if asked:
        target += "?" + quote(asked, safe=SAFE + "?")
    return Address(parts.scheme, host, port or PORTS[parts.scheme], target, _login(parts))


def _login(parts: SplitResult) -> str:
    if parts.username is None:
        return ""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + b64encode(pair.encode()).decode()


def _no_url() -> Rejected:
    return Rejected(
        "E_URL",
        "this is no URL of a server",
        expected="http://host[:port][/path] or https://…",
        todo="mend the URL in the rollout file",
    )
