"""Records into rows, in batches: as little Python for each as can be."""

import sqlite3
import struct
from collections.abc import Sequence

from modelwire_log.contract import Message, Receipt
from modelwire_log.sqlite.headers import packed
from modelwire_log.sqlite.heads import Head, create, heads, store_head
from modelwire_log.sqlite.rows import FIELDS, SELECT, Row, checksum
from modelwire_log.streams import checked_partition, partition_of
from modelwire_schemas.errors import Rejected

_ROW = "(?, ?, ?, ?, ?, NULLIF(?, 0), NULLIF(?, 0), ?)"
_WIDTH = 8
_INSERT = {
    rows: f"INSERT INTO records ({FIELDS}) VALUES {', '.join([_ROW] * rows)}"  # noqa: S608
    for rows in (64, 8, 1)
}
"""How so many rows are inserted at once, which takes half the time of one by one."""
Bound = list[int | str | bytearray]
"""What is bound; sqlite3 looks long for adapters of None and bytes, but knows a bytearray."""


def put(
    connection: sqlite3.Connection,
    stream: str,
    messages: Sequence[Message],
    appended: int,
    keyless: int,
) -> list[Receipt]:
    """Append inside a transaction, if need be to a new stream; `keyless` starts the turns."""
    ends = heads(connection, stream) or create(connection, stream, 1)
    if len(ends) == 1 and all(m.partition in (None, 0) for m in messages):
        offsets = _put(connection, ends[0], messages, appended)
        return [Receipt(stream, 0, offset, appended) for offset in offsets]
    partitions = [
        partition_of(m.key, keyless + n, len(ends))
        if m.partition is None
        else checked_partition(stream, m.partition, len(ends))
        for n, m in enumerate(messages)
    ]
    offsets_of = {
        p: iter(
            _put(
                connection,
                ends[p],
                [m for m, q in zip(messages, partitions, strict=True) if q == p],
                appended,
            )
        )
        for p in sorted(set(partitions))
    }
    return [Receipt(stream, p, next(offsets_of[p]), appended) for p in partitions]


def _put(
    connection: sqlite3.Connection, head: Head, messages: Sequence[Message], appended: int
) -> range:
    try:
        bound = _bound(head, messages, appended)
    except struct.error:
        raise Rejected(
            "E_TIMESTAMP",
            "the timestamp of a message is out of range",
            expected="ms since 1970, less than 2^63",
        ) from None
    at = 0
    for rows, insert in _INSERT.items():
        width = rows * _WIDTH
        while len(bound) - at >= width:
            connection.execute(insert, bound[at : at + width])
            at += width
    offsets = range(head.next, head.next + len(messages))
    head.next = offsets.stop
    store_head(connection, head)
    return offsets


def _bound(head: Head, messages: Sequence[Message], appended: int) -> Bound:
    bound: Bound = []
    high = head.high
    for id_, message in enumerate(messages, head.base + head.next):
        key, value, stamp = message.key, message.value, message.timestamp
        headers = packed(message.headers) if message.headers else None
        if stamp is None:
            stamp = appended
        if stamp > high:
            high = stamp
        bound += (
            id_,
            stamp,
            appended,
            high,
            checksum(id_, stamp, appended, high, key, headers, value),
            0 if key is None else bytearray(key),
            0 if headers is None else headers.decode(),
            bytearray(value),
        )
    head.high = high
    return bound


def blank(connection: sqlite3.Connection, head: Head, first: int, last: int) -> None:
    """Take the contents of records away, and leave their coordinates and times."""
    low, high = head.base + max(first, 0), head.base + min(last, head.next - 1)
    rows: list[Row] = connection.execute(SELECT, (low, high)).fetchall()
    for id_, stamp, appended, highest, *_ in rows:
        crc = checksum(id_, stamp, appended, highest, None, None, None)
        connection.execute(
            "UPDATE records SET crc = ?, key = NULL, headers = NULL, value = NULL WHERE id = ?",
            (crc, id_),
        )
