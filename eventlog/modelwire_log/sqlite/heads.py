"""Where the places of a log file end, and the log's time."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from modelwire_log.contract import Place
from modelwire_log.sqlite.schema import OFFSET_BITS
from modelwire_log.sqlite.seal import damaged, seal

_SELECT = "SELECT place, stream, partition, partitions, next, high, crc FROM places"
_Row = tuple[int, str, int, int, int, int, int]


@dataclass(slots=True)
class Head:
    """The end of a place: its number, its next offset, the highest timestamp so far."""

    number: int
    place: Place
    partitions: int
    next: int = 0
    high: int = 0

    @property
    def base(self) -> int:
        """The id of the record with offset 0."""
        return self.number << OFFSET_BITS

    def seal(self) -> int:
        place = self.place
        return seal(
            self.number, place.stream, place.partition, self.partitions, self.next, self.high
        )


def heads(connection: sqlite3.Connection, stream: str) -> list[Head]:
    """Return the ends of all partitions of a stream; empty if there is none."""
    rows = connection.execute(f"{_SELECT} WHERE stream = ? ORDER BY partition", (stream,))
    found = _checked(rows)
    if not found:
        found = [head for head in all_heads(connection) if head.place.stream == stream]
    if [head.place.partition for head in found] != list(range(found[0].partitions if found else 0)):
        raise damaged(f"the list of the partitions of {stream}")
    return found


def head_of(connection: sqlite3.Connection, place: Place) -> Head | None:
    """Return the end of one place, None if there is no such place."""
    found = _checked(
        connection.execute(
            f"{_SELECT} WHERE stream = ? AND partition = ?", (place.stream, place.partition)
        )
    )
    if not found:  # an index that is damaged would hide it
        found = [head for head in all_heads(connection) if head.place == place]
    return found[0] if found else None


def next_of(connection: sqlite3.Connection, place: Place) -> int:
    """Return the next offset of a place, unverified: for those who will read what is there."""
    query = "SELECT next FROM places WHERE stream = ? AND partition = ?"
    row = connection.execute(query, (place.stream, place.partition)).fetchone()
    return row[0] if row else 0


def all_heads(connection: sqlite3.Connection) -> list[Head]:
    """Return the ends of all places."""
    return _checked(connection.execute(_SELECT))


def create(connection: sqlite3.Connection, stream: str, partitions: int) -> list[Head]:
    """Make a stream that is not there, and return its ends."""
    last = connection.execute("SELECT max(place) FROM places").fetchone()[0] or 0
    ends = [Head(last + 1 + n, Place(stream, n), partitions) for n in range(partitions)]
    connection.executemany(
        "INSERT INTO places VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(end.number, stream, end.place.partition, partitions, 0, 0, end.seal()) for end in ends],
    )
    return ends


def store_head(connection: sqlite3.Connection, head: Head) -> None:
    """Store the end of a place."""
    connection.execute(
        "UPDATE places SET next = ?, high = ?, crc = ? WHERE place = ?",
        (head.next, head.high, head.seal(), head.number),
    )


def append_time(connection: sqlite3.Connection, clock: int) -> int:
    """Return the log's time of this transaction: the clock, but never less than before."""
    log_id, last, crc = connection.execute("SELECT id, appended, crc FROM log").fetchone()
    if crc != seal(log_id, last):
        raise damaged("the log's own line")
    if clock > last:
        sealed = (clock, seal(log_id, clock))
        connection.execute("UPDATE log SET appended = ?, crc = ?", sealed)
        return clock
    return int(last)


def _checked(rows: Iterable[_Row]) -> list[Head]:
    found: list[Head] = []
    for number, stream, partition, partitions, end, high, crc in rows:
        head = Head(number, Place(stream, partition), partitions, end, high)
        if head.seal() != crc:
            raise damaged(f"the end of {stream}[{partition}]")
        found.append(head)
    return found
