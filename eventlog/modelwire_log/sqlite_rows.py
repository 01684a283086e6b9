"""Records as rows: written and read in batches, each row with a CRC32C over all that it says."""

import sqlite3
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import google_crc32c

from modelwire_log.contract import Message, Place, Receipt, Record
from modelwire_log.sqlite_headers import packed, unpacked
from modelwire_log.sqlite_schema import OFFSET_BITS
from modelwire_log.streams import checked_partition, partition_of
from modelwire_schemas.errors import Corrupt, Rejected

_FIELDS = "id, timestamp, appended, high, crc, key, headers, value"
_ROW = "(?, ?, ?, ?, ?, NULLIF(?, 0), CAST(NULLIF(?, 0) AS TEXT), ?)"
_WIDTH = 8
_INSERT = {
    rows: f"INSERT INTO records ({_FIELDS}) VALUES {', '.join([_ROW] * rows)}"  # noqa: S608
    for rows in (64, 8, 1)
}
"""How so many rows are inserted at once, which takes half the time of one by one."""
SELECT = """
SELECT id, timestamp, appended, crc,
  CAST(key AS BLOB), CAST(headers AS BLOB), CAST(value AS BLOB)
FROM records WHERE id BETWEEN ? AND ? ORDER BY id
"""
"""The casts cost nothing, and a damaged text is bytes, not an error of decoding."""
DELETED = b"deleted"
"""Stands in the checksum for the value of a deleted record."""
OFFSETS = (1 << OFFSET_BITS) - 1
Bound = list[int | bytearray]
"""What is bound; sqlite3 looks long for adapters of None and bytes, but knows a bytearray."""
ReadRow = tuple[Any, ...]
"""As SELECT gives it; damaged, it may hold anything."""

_frame = struct.Struct("<qqqqq")
_crc_of = cast(Callable[[bytes], int], google_crc32c.value)
_crc_on = cast(Callable[[int, bytes], int], google_crc32c.extend)


@dataclass(slots=True)
class Head:
    """The end of a place: its number, its next offset, the highest timestamp so far."""

    place: int
    next: int
    high: int

    @property
    def base(self) -> int:
        """The id of the record with offset 0."""
        return self.place << OFFSET_BITS


def heads(connection: sqlite3.Connection, stream: str) -> list[Head]:
    """Return the ends of all partitions of a stream; empty if there is none."""
    query = "SELECT place, next, high FROM places WHERE stream = ? ORDER BY partition"
    return [Head(*row) for row in connection.execute(query, (stream,))]


def head_of(connection: sqlite3.Connection, place: Place) -> Head | None:
    """Return the end of one partition, None if there is no such partition."""
    query = "SELECT place, next, high FROM places WHERE stream = ? AND partition = ?"
    row = connection.execute(query, (place.stream, place.partition)).fetchone()
    return Head(*row) if row else None


def create(connection: sqlite3.Connection, stream: str, partitions: int) -> None:
    """Make a stream if it is not there."""
    if not heads(connection, stream):
        connection.executemany(
            "INSERT INTO places (stream, partition) VALUES (?, ?)",
            [(stream, n) for n in range(partitions)],
        )


def append_time(connection: sqlite3.Connection, clock: int) -> int:
    """Return the log's time of this transaction: the clock, but never less than before."""
    last: int = connection.execute("SELECT appended FROM log").fetchone()[0]
    if clock <= last:
        return last
    connection.execute("UPDATE log SET appended = ?", (clock,))
    return clock


def put(
    connection: sqlite3.Connection,
    stream: str,
    messages: Sequence[Message],
    appended: int,
    keyless: int,
) -> list[Receipt]:
    """Append inside a transaction, if need be to a new stream; `keyless` starts the turns."""
    create(connection, stream, 1)
    ends = heads(connection, stream)
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
) -> Iterable[int]:
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
    connection.execute(
        "UPDATE places SET next = ?, high = ? WHERE place = ?",
        (offsets.stop, head.high, head.place),
    )
    return offsets


def _bound(head: Head, messages: Sequence[Message], appended: int) -> Bound:
    bound: Bound = []
    high = head.high
    for id_, message in enumerate(messages, head.base + head.next):
        key, value = message.key, message.value
        headers = packed(message.headers)
        stamp = appended if message.timestamp is None else message.timestamp
        high = max(high, stamp)
        bound += (
            id_,
            stamp,
            appended,
            high,
            checksum(id_, stamp, appended, key, headers, value),
            0 if key is None else bytearray(key),
            0 if headers is None else bytearray(headers),
            bytearray(value),
        )
    head.high = high
    return bound


def checksum(
    id_: int, stamp: int, appended: int, key: bytes | None, headers: bytes | None, value: bytes
) -> int:
    """Return the CRC32C over a whole record: where, when, key, headers, value."""
    frame = _frame.pack(
        id_,
        stamp,
        appended,
        -1 if key is None else len(key),
        -1 if headers is None else len(headers),
    )
    return _crc_on(_crc_of(b"".join((frame, key or b"", headers or b""))), value)


def take(
    connection: sqlite3.Connection, place: Place, head: Head, after: int, limit: int
) -> list[Record]:
    """Return up to `limit` records behind `after`, in order; what was deleted is left out.

    Every offset below the head's is known to be there: a missing one is damage, too.
    """
    records: list[Record] = []
    while after < head.next - 1 and len(records) < limit:
        last = min(after + limit - len(records), head.next - 1)
        try:
            rows = connection.execute(SELECT, (head.base + after + 1, head.base + last)).fetchall()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
                raise
            return records or _step(connection, place, head, after, last)
        good = _checked(place, head.base + after + 1, rows, records)
        if good <= last - after - 1:
            return _before(place, after + 1 + good, records)
        after = last
    return records


def _checked(place: Place, id_: int, rows: list[ReadRow], into: list[Record]) -> int:
    """Add the records of the rows up to the first damaged one; return how many rows are good."""
    for good, row in enumerate(rows):
        found, stamp, appended, crc, key, headers, value = row
        content = DELETED if value is None else value
        try:
            same = found == id_ + good and crc == checksum(
                found, stamp, appended, key, headers, content
            )
        except (struct.error, TypeError):  # a damaged row may hold anything
            same = False
        if not same:
            return good
        if value is not None:
            offset = found & OFFSETS
            into.append(
                Record(
                    place.stream,
                    place.partition,
                    offset,
                    stamp,
                    appended,
                    value,
                    key,
                    () if headers is None else unpacked(headers),
                )
            )
    return len(rows)


def _step(
    connection: sqlite3.Connection, place: Place, head: Head, after: int, last: int
) -> list[Record]:
    """Read one record only, where the pages of a longer read are damaged."""
    if last > after + 1:
        return take(connection, place, head, after, 1)
    return _before(place, last, [])


def _before(place: Place, offset: int, records: list[Record]) -> list[Record]:
    """Return what comes before a damaged record; raise if it comes first."""
    if records:
        return records
    raise Corrupt(
        "E_CORRUPT",
        f"record {place}@{offset} is damaged",
        expected="the bytes that were written",
        todo=f"restore the log from a backup, or go on behind {offset}",
    )


def blank(connection: sqlite3.Connection, head: Head, first: int, last: int) -> None:
    """Take the contents of records away, and leave their coordinates and times."""
    query = "SELECT id, timestamp, appended FROM records WHERE id BETWEEN ? AND ?"
    low, high = head.base + max(first, 0), head.base + min(last, head.next - 1)
    rows = connection.execute(query, (low, high)).fetchall()
    connection.executemany(
        "UPDATE records SET crc = ?, key = NULL, headers = NULL, value = NULL WHERE id = ?",
        [(checksum(i, stamp, at, None, None, DELETED), i) for i, stamp, at in rows],
    )


def first_at(connection: sqlite3.Connection, head: Head, time: int) -> int:
    """Return the offset of the first record with `timestamp >= time`, by bisection."""
    low, end = 0, head.next
    while low < end:
        middle = (low + end) // 2
        query = "SELECT high FROM records WHERE id = ?"
        row = connection.execute(query, (head.base + middle,)).fetchone()
        if row is not None and row[0] >= time:
            end = middle
        else:
            low = middle + 1
    return low
