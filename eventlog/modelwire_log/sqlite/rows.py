"""What a record is as a row, and the CRC32C over all that it says."""

import struct
from typing import Any

from modelwire_log.sqlite.schema import OFFSET_BITS
from modelwire_log.sqlite.seal import crc_of, crc_on

FIELDS = "id, timestamp, appended, high, crc, key, headers, value"
SELECT = """
SELECT id, timestamp, appended, high, crc,
  CAST(key AS BLOB), CAST(headers AS BLOB), CAST(value AS BLOB)
FROM records WHERE id BETWEEN ? AND ? ORDER BY id
"""
"""The casts cost nothing, and a damaged text is bytes, not an error of decoding."""
Row = tuple[Any, ...]
"""What SELECT gives; damaged, it may hold anything."""
OFFSETS = (1 << OFFSET_BITS) - 1
"""The part of an id that is the offset."""
DELETED = b"deleted"
"""Stands in the checksum for the value of a deleted record."""

_frame = struct.Struct("<qqqqqq")


def checksum(
    id_: int,
    stamp: int,
    appended: int,
    high: int,
    key: bytes | None,
    headers: bytes | None,
    value: bytes | None,
) -> int:
    """Return the CRC32C over a whole record: where, when, key, headers, value (None: deleted)."""
    frame = _frame.pack(
        id_,
        stamp,
        appended,
        high,
        -1 if key is None else len(key),
        -1 if headers is None else len(headers),
    )
    if key is not None:
        frame += key
    if headers is not None:
        frame += headers
    return crc_on(crc_of(frame), DELETED if value is None else value)


def is_sound(row: Row, id_: int) -> bool:
    """Return whether the row is the one with this id, as it was written."""
    found, stamp, appended, high, crc, key, headers, value = row
    try:
        same: bool = crc == checksum(found, stamp, appended, high, key, headers, value)
    except (struct.error, TypeError):
        return False
    return same and found == id_
