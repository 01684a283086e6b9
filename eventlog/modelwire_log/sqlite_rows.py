"""Records as rows: written and read in batches, each row with a CRC32C over all that it says."""

import sqlite3
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import google_crc32c

from modelwire_log.contract import Message, Place, Receipt, Record
from modelwire_log.sqlite_headers import NONE, Texts, joined, split
from modelwire_log.sqlite_schema import OFFSET_BITS
from modelwire_log.streams import checked_partition, partition_of
from modelwire_schemas.errors import Corrupt, Rejected

INSERT = """
INSERT INTO records VALUES (
  ?, ?, ?, ?, ?, ?,
  CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT),
  CAST(? AS TEXT), ?, ?
)
"""
SELECT = """
SELECT id, timestamp, appended, crc,
  CAST(key AS BLOB), CAST(headers AS BLOB), CAST(value AS BLOB),
  CAST(ce_id AS BLOB), CAST(ce_source AS BLOB), CAST(ce_specversion AS BLOB),
  CAST(ce_type AS BLOB), CAST(ce_subject AS BLOB), CAST(ce_time AS BLOB)
FROM records WHERE id BETWEEN ? AND ? ORDER BY id
"""
"""The casts cost nothing, and a damaged text is bytes, not an error of decoding."""
DELETED = b"deleted"
"""Stands in the checksum for the value of a deleted record."""
OFFSETS = (1 << OFFSET_BITS) - 1
Row = tuple[int | str | bytes | None, ...]
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
        rows = _rows(head, messages, appended)
    except struct.error:
        raise Rejected(
            "E_TIMESTAMP",
            "the timestamp of a message is out of range",
            expected="ms since 1970, less than 2^63",
        ) from None
    first = head.next
    connection.executemany(INSERT, rows)
    connection.execute(
        "UPDATE places SET next = ?, high = ? WHERE place = ?",
        (first + len(rows), head.high, head.place),
    )
    return range(first, first + len(rows))


def _rows(head: Head, messages: Sequence[Message], appended: int) -> list[Row]:
    rows: list[Row] = []
    high = head.high
    for id_, message in enumerate(messages, head.base + head.next):
        stamp = appended if message.timestamp is None else message.timestamp
        high = max(high, stamp)
        texts, blob = split(message.headers) if message.headers else (NONE, None)
        crc = checksum(id_, stamp, appended, message.key, texts, blob, message.value)
        rows.append((id_, stamp, appended, high, crc, message.key, *texts, blob, message.value))
    head.high = high
    return rows


def checksum(
    id_: int,
    stamp: int,
    appended: int,
    key: bytes | None,
    texts: Texts,
    blob: bytes | None,
    value: bytes,
) -> int:
    """Return the CRC32C over a whole record: where, when, key, headers, value."""
    frame = _frame.pack(
        id_, stamp, appended, -1 if key is None else len(key), -1 if blob is None else len(blob)
    )
    if key is not None:
        frame += key
    if blob is not None:
        frame += blob + b"\0".join([text or b"" for text in texts])
    return _crc_on(_crc_of(frame), value)


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
        found, stamp, appended, crc, key, blob, value, *texts = row
        try:
            same = found == id_ + good and crc == checksum(
                found, stamp, appended, key, texts, blob, DELETED if value is None else value
            )
        except (struct.error, TypeError):  # a damaged row may hold anything
            same = False
        if not same:
            return good
        if value is not None:
            headers = joined(texts, blob) if blob is not None else ()
            offset = found & OFFSETS
            into.append(
                Record(place.stream, place.partition, offset, stamp, appended, value, key, headers)
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
        "UPDATE records SET crc = ?, key = NULL, headers = NULL, value = NULL, ce_id = NULL,"
        " ce_source = NULL, ce_specversion = NULL, ce_type = NULL, ce_subject = NULL,"
        " ce_time = NULL WHERE id = ?",
        [(checksum(i, stamp, at, None, (), None, DELETED), i) for i, stamp, at in rows],
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
