"""Checked words: the names and versions that may travel."""

import re

from modelwire_schemas.errors import Rejected

PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
VERSION_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}", re.ASCII)
HIDDEN = re.compile(
    r"[\x00-\x1f\x7f-\xa0\xad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000"
    r"\ud800-\uf8ff\ufeff\ufff0-\ufffb\ufffe\uffff\U000e0000-\U000e00ff\U000f0000-\U0010ffff]"
)
DIGEST_PATTERN = re.compile(r"[0-9a-f]{64}", re.ASCII)


def name(kind: str, value: object) -> str:
    """Return `value` if it may name a `kind` (model, route, namespace, stream, …).

    Raises Rejected `E_NAME` otherwise. The pattern keeps names safe in paths, topics and pages.
    """
    if isinstance(value, str) and PATTERN.fullmatch(value):
        return value
    raise Rejected(
        "E_NAME",
        f"{kind} {value!r} is no valid name",
        expected="1 to 100 of A-Z a-z 0-9 . _ - and a letter or digit first",
        todo="choose another name",
    )


def version(value: object) -> str:
    """Return `value` if it may be a version: a string, never a number.

    Raises Rejected `E_VERSION`; for a number the text shows the quoted form.
    """
    if isinstance(value, str) and VERSION_PATTERN.fullmatch(value):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise Rejected(
            "E_VERSION",
            f"version {value!r} is a number",
            expected=f'a string: "{value}"',
            todo="put it in quotes",
        )
    raise Rejected(
        "E_VERSION",
        f"version {value!r} is no valid version",
        expected="1 to 64 of A-Z a-z 0-9 . _ + - and a letter or digit first",
        todo="choose another version",
    )


def printable(text: str) -> bool:
    """Whether a text is one line without characters that hide or move others.

    By a fixed list: `str.isprintable` follows Python's tables, which differ from release to
    release, and readers of the log must not.
    """
    return HIDDEN.search(text) is None


def digest(value: object) -> str:
    """Return `value` if it is a sha256 in 64 hex digits; raises Rejected `E_DIGEST`."""
    if isinstance(value, str) and DIGEST_PATTERN.fullmatch(value):
        return value
    raise Rejected("E_DIGEST", f"{value!r} is no sha256", expected="64 lower-case hex digits")


def topic(namespace: str, stream: str) -> str:
    """Return the full name of one of modelwire's own streams: `modelwire.<namespace>.<stream>`."""
    return f"modelwire.{name('namespace', namespace)}.{stream}"
