"""Records out of rows, each verified; what was deleted is left out, what is missing is damage."""

import sqlite3

from modelwire_log.contract import START, Place, Record
from modelwire_log.sqlite.errors import code_of
from modelwire_log.sqlite.headers import unpacked
from modelwire_log.sqlite.heads import Head
from modelwire_log.sqlite.rows import OFFSETS, SELECT, Row, is_sound
from modelwire_log.sqlite.seal import damaged
from modelwire_schemas.errors import Corrupt


def take(connection: sqlite3.Connection, head: Head, after: int, limit: int) -> list[Record]:
    """Return up to `limit` records behind `after`, in order.

    Raises Corrupt `E_CORRUPT` at a damaged one, once all before it have been returned.
    """
    records: list[Record] = []
    after = max(after, START)
    while after < head.next - 1 and len(records) < limit:
        first = after + 1
        last = min(after + limit - len(records), head.next - 1)
        good = _take_sound(connection, head, first, last, records)
        after += good
        if good < last - first + 1:
            break
    if records or after >= head.next - 1 or limit <= 0:
        return records
    raise _damaged(head.place, after + 1)


def first_at(connection: sqlite3.Connection, head: Head, time: int) -> int:
    """Return the offset of the first record with `timestamp >= time`, by bisection."""
    low, end = 0, head.next
    while low < end:
        middle = (low + end) // 2
        rows = _rows(connection, head, middle, middle)
        if not rows or not is_sound(rows[0], head.base + middle):
            raise _damaged(head.place, middle)
        if rows[0][3] >= time:
            end = middle
        else:
            low = middle + 1
    return low


def _take_sound(
    connection: sqlite3.Connection, head: Head, first: int, last: int, into: list[Record]
) -> int:
    """Add the records from `first` to `last`, up to a damaged one; return how many were sound."""
    place = head.place
    rows = _rows(connection, head, first, last)
    for good, row in enumerate(rows):
        if not is_sound(row, head.base + first + good):
            return good
        id_, stamp, appended, _, _, key, headers, value = row
        if value is not None:
            told = () if headers is None else unpacked(headers)
            into.append(
                Record(
                    place.stream, place.partition, id_ & OFFSETS, stamp, appended, value, key, told
                )
            )
    return len(rows)


def _rows(connection: sqlite3.Connection, head: Head, first: int, last: int) -> list[Row]:
    """Return the rows; where their pages are damaged, those before, one by one."""
    query = (head.base + first, head.base + last)
    try:
        return connection.execute(SELECT, query).fetchall()
    except sqlite3.DatabaseError as error:
        if code_of(error) != sqlite3.SQLITE_CORRUPT:
            raise
    return _rows(connection, head, first, first) if last > first else []


def _damaged(place: Place, offset: int) -> Corrupt:
    return damaged(
        f"record {place}@{offset}", f"restore the log from a backup, or go on behind {offset}"
    )
