"""The bytes that stand for a key, whatever an application calls its key."""

import operator
from typing import TypeAlias

from modelwire_schemas.errors import Rejected

Key: TypeAlias = str | bytes | int
"""What keeps an event on its side of a split."""

Coordinates: TypeAlias = tuple[str, int, int]
"""Where an event lies on its input log: topic, partition, offset."""


def key_bytes(key: object) -> bytes:
    """Return a key's bytes: text as UTF-8, bytes as they are, an integer in decimal (R27).

    So `"7"`, `b"7"` and `7` are one key. Raises Rejected `E_KEY` for anything else: a bool or a
    float has no spelling that every language shares, and a lone surrogate has no UTF-8.
    """
    try:
        if isinstance(key, str):
            return key.encode()
        if isinstance(key, bytes):
            return key
        if not isinstance(key, bool):
            return str(operator.index(key)).encode()  # type: ignore[arg-type]
    except (TypeError, ValueError):
        pass
    raise Rejected(
        "E_KEY",
        f"a {type(key).__name__} that has no bytes cannot be a key",
        expected="text, bytes or an integer",
        todo="give the key as text",
    )


def coordinate_bytes(coordinates: Coordinates) -> bytes:
    """Return `topic|partition|offset`, the key of an event that has none."""
    topic, partition, offset = coordinates
    return f"{topic}|{partition}|{offset}".encode()
