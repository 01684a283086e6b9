"""Headers in a row: CloudEvents attributes in columns of their own, the others in one blob.

The blob begins with a layout: the names in their order, each with how its value is kept. Rows of
one writer have the same layout, so that taking it apart is done once and then looked up.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

COLUMNS = ("ce_id", "ce_source", "ce_specversion", "ce_type", "ce_subject", "ce_time")
Texts = Sequence[bytes | None]
"""The values of the columns, as UTF-8."""
NONE: Texts = (None,) * len(COLUMNS)
Headers = tuple[tuple[str, bytes], ...]
IN_BLOB = 255


@dataclass(frozen=True, slots=True)
class Layout:
    """Names, and for each the number of its column or IN_BLOB; `packed` is how it is written."""

    names: tuple[str, ...]
    columns: tuple[int, ...]
    packed: bytes


@lru_cache(maxsize=256)
def _laid_out(names: tuple[str, ...]) -> Layout:
    """Give each attribute its column, the first time that it comes."""
    columns: list[int] = []
    parts = [struct.pack("<H", len(names))]
    for at, name in enumerate(names):
        known = name in COLUMNS and name not in names[:at]
        columns.append(COLUMNS.index(name) if known else IN_BLOB)
        encoded = name.encode()
        parts += struct.pack("<BH", columns[-1], len(encoded)), encoded
    body = b"".join(parts)
    return Layout(names, tuple(columns), struct.pack("<I", len(body)) + body)


def split(headers: Headers) -> tuple[Texts, bytes]:
    """Return the columns and the blob of these headers."""
    layout = _laid_out(tuple([name for name, _ in headers]))
    texts: list[bytes | None] = list(NONE)
    blob = [layout.packed]
    for (_, value), column in zip(headers, layout.columns, strict=True):
        if column == IN_BLOB:
            blob += len(value).to_bytes(4, "little"), value
        else:
            texts[column] = value
    return texts, b"".join(blob)


@lru_cache(maxsize=256)
def _taken_apart(packed: bytes) -> Layout:
    count = struct.unpack_from("<H", packed)[0]
    names: list[str] = []
    columns: list[int] = []
    at = 2
    for _ in range(count):
        column, size = struct.unpack_from("<BH", packed, at)
        at += 3
        names.append(packed[at : at + size].decode())
        columns.append(column)
        at += size
    return Layout(tuple(names), tuple(columns), packed)


def joined(texts: Texts, blob: bytes) -> Headers:
    """Return the headers again, in their order; the row's CRC has been checked before."""
    at = 4 + int.from_bytes(blob[:4], "little")
    layout = _taken_apart(blob[4:at])
    headers: list[tuple[str, bytes]] = []
    for name, column in zip(layout.names, layout.columns, strict=True):
        if column == IN_BLOB:
            end = at + 4 + int.from_bytes(blob[at : at + 4], "little")
            headers.append((name, blob[at + 4 : end]))
            at = end
        else:
            headers.append((name, texts[column] or b""))
    return tuple(headers)
