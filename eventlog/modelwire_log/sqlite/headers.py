"""Headers in a row: one JSON object that SQLite can look into, so that `ce_type` is a column.

A value that is no text is kept as `["<base64>"]`. An object cannot hold a name twice; such headers
are an array of all names and values.
"""

import contextlib
from base64 import b64decode, b64encode

import orjson

Headers = tuple[tuple[str, bytes], ...]
Text = str | list[str]


def packed(headers: Headers) -> bytes:
    """Return headers as JSON."""
    texts: dict[str, Text] = {
        name: value.decode() if value.isascii() else _text(name, value) for name, value in headers
    }
    if len(texts) == len(headers):
        return orjson.dumps(texts)
    return orjson.dumps([(name, _text(name, value)) for name, value in headers])


def unpacked(text: bytes) -> Headers:
    """Return the headers again, in their order; the row's checksum has been verified before."""
    parsed: dict[str, Text] | list[tuple[str, Text]] = orjson.loads(text)
    pairs = parsed.items() if isinstance(parsed, dict) else parsed
    return tuple([(name, _value(value)) for name, value in pairs])


def _text(name: str, value: bytes) -> Text:
    """Return a value as a text if it is one; others than CloudEvents' must be plain for that."""
    if value.isascii() or name.startswith("ce_"):
        with contextlib.suppress(UnicodeDecodeError):
            return value.decode()
    return [b64encode(value).decode()]


def _value(text: Text) -> bytes:
    return text.encode() if isinstance(text, str) else b64decode(text[0])
