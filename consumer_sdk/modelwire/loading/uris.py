"""Where an artifact's file lies: the addresses that are followed, and no others."""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import Artifact

SCHEMES = frozenset({"file", "https", "s3", "gs", "az"})

_ESCAPE = re.compile(r"%[0-9a-fA-F]{2}")


@dataclass(frozen=True, slots=True)
class Address:
    """A file by reference. `path` is decoded and begins with a slash; `uri` is as it was given."""

    scheme: str
    host: str
    path: str
    uri: str


def address(artifact: Artifact, name: str) -> Address:
    """Return where the artifact's file `name` lies.

    A URI that ends in `/` names a folder with all files of the artifact, any other one the only
    file. Raises Rejected `E_URI` for what is not followed.
    """
    uri = artifact.uri
    if uri.endswith("/"):
        return parse(uri + name)
    if len(artifact.files) != 1:
        raise _refused(uri, f"it names one file of {len(artifact.files)}", "a folder: an end of /")
    return parse(uri)


def parse(uri: str) -> Address:
    """Return the parts of a URI; raises Rejected `E_URI` for what is not followed."""
    if any(not character.isprintable() or character in "\\ " for character in uri):
        raise _refused(uri, "it holds a backslash, a blank or a control character", "a plain URI")
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError as error:
        raise _refused(uri, str(error), "a plain URI") from None
    if parts.scheme not in SCHEMES:
        raise _refused(uri, f"scheme {parts.scheme!r}", "one of " + ", ".join(sorted(SCHEMES)))
    if parts.username or parts.password or parts.fragment or parts.query:
        raise _refused(uri, "it holds a login, a query or a fragment", "a path only")
    path = unquote(parts.path)
    if _ESCAPE.search(path) or "\\" in path or not path.isprintable():
        raise _refused(uri, "its escapes hide other characters", "a plain path")
    if not path.startswith("/") or {".", ".."} & set(path.split("/")):
        raise _refused(uri, "it climbs through the folders", "an absolute path without . and ..")
    _check_host(uri, parts.scheme, parts.hostname or "", port)
    return Address(parts.scheme, parts.netloc, path, uri)


def _check_host(uri: str, scheme: str, host: str, port: int | None) -> None:
    if scheme == "file" and (host not in ("", "localhost") or port is not None):
        raise _refused(uri, f"a file on host {host!r}", "file:///an/absolute/path")
    if scheme != "file" and not host:
        raise _refused(uri, "it names no host or bucket", f"{scheme}://host/path")


def _refused(uri: str, what: str, expected: str) -> Rejected:
    return Rejected(
        "E_URI", f"an artifact's URI is not followed: {what}", where=uri[:200], expected=expected
    )
