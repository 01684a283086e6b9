"""Groups in a log file: members, who holds what, and positions, changed inside transactions.

A place has a `holder` and an `heir`. They differ while the holder has yet to hand the place over,
so that it never has two holders; the dead hold nothing. Each change of a group counts up its
generation, by which the members notice.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence

from modelwire_log.contract import Place, Position
from modelwire_log.sharing import share_out
from modelwire_log.sqlite.life import Life, now_ms
from modelwire_log.sqlite.seal import damaged, seal

BEAT_AHEAD_MS = 1000
"""A beat from later than this is one from before the machine's last start."""


def generation(connection: sqlite3.Connection, group: str) -> int:
    """Return how often the group has changed."""
    query = "SELECT generation FROM groups WHERE name = ?"
    row = connection.execute(query, (group,)).fetchone()
    return row[0] if row else 0


def is_member(connection: sqlite3.Connection, member: str) -> bool:
    """Return whether the member is in its group."""
    query = "SELECT 1 FROM members WHERE id = ?"
    return connection.execute(query, (member,)).fetchone() is not None


def join(
    connection: sqlite3.Connection,
    group: str,
    member: str,
    streams: Sequence[str],
    life: Life,
    session_ms: int,
) -> None:
    """Put a member in and share out anew."""
    connection.execute(
        "INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            member,
            group,
            json.dumps(streams),
            life.space,
            life.pid,
            life.started,
            session_ms,
            now_ms(),
        ),
    )
    settle(connection, group)


def put_out(connection: sqlite3.Connection, group: str, members: Iterable[str]) -> None:
    """Take members out and share out anew."""
    connection.executemany("DELETE FROM members WHERE id = ?", [(m,) for m in members])
    settle(connection, group)


def dead(connection: sqlite3.Connection, group: str, me: str) -> list[str]:
    """Return the others whose process has ended, or whose heart has stopped."""
    now = now_ms()
    query = "SELECT id, beat, session, space, pid, started FROM members WHERE grp = ? AND id != ?"
    return [
        member
        for member, beat, session, *life in connection.execute(query, (group, me)).fetchall()
        if not beat - BEAT_AHEAD_MS <= now <= beat + session or Life(*life).is_over()
    ]


def unshared(connection: sqlite3.Connection, group: str, streams: Sequence[str]) -> bool:
    """Return whether these streams have places that the group does not know."""
    query = f"""
    SELECT 1 FROM places p WHERE stream IN ({",".join("?" * len(streams))}) AND NOT EXISTS (
      SELECT 1 FROM shares WHERE grp = ? AND stream = p.stream AND partition = p.partition
    )
    """  # noqa: S608 - question marks only
    return connection.execute(query, (*streams, group)).fetchone() is not None


def settle(connection: sqlite3.Connection, group: str) -> None:
    """Share out anew; what nobody holds goes to its heir at once."""
    members = {
        member: frozenset(json.loads(streams))
        for member, streams in connection.execute(
            "SELECT id, streams FROM members WHERE grp = ?", (group,)
        )
    }
    held = {
        Place(stream, partition): holder
        for stream, partition, holder in connection.execute(
            "SELECT stream, partition, holder FROM shares WHERE grp = ?", (group,)
        )
    }
    places = [Place(*row) for row in connection.execute("SELECT stream, partition FROM places")]
    heirs = share_out(members, places, held)
    connection.execute("DELETE FROM shares WHERE grp = ?", (group,))
    connection.executemany(
        "INSERT INTO shares VALUES (?, ?, ?, ?, ?)",
        [
            (
                group,
                place.stream,
                place.partition,
                holder if (holder := held.get(place, "")) in members else heir,
                heir,
            )
            for place, heir in heirs.items()
        ],
    )
    _count_up(connection, group)


def hand_over(
    connection: sqlite3.Connection, group: str, member: str, places: Iterable[Place]
) -> None:
    """Make the heirs of a member's places their holders."""
    connection.executemany(
        "UPDATE shares SET holder = heir"
        " WHERE grp = ? AND holder = ? AND stream = ? AND partition = ?",
        [(group, member, place.stream, place.partition) for place in places],
    )
    _count_up(connection, group)


def shares(connection: sqlite3.Connection, group: str, member: str) -> dict[Place, str]:
    """Return the places that a member holds, and who shall have them."""
    query = "SELECT stream, partition, heir FROM shares WHERE grp = ? AND holder = ?"
    return {
        Place(stream, partition): heir
        for stream, partition, heir in connection.execute(query, (group, member))
    }


def positions(connection: sqlite3.Connection, group: str) -> list[Position]:
    """Return the positions of a group, sorted by place."""
    query = """
    SELECT stream, partition, after, control, settled, crc FROM positions WHERE grp = ?
    ORDER BY stream, partition
    """
    found: list[Position] = []
    for *fields, crc in connection.execute(query, (group,)):
        if seal(group, *fields) != crc:
            raise damaged(f"the position of group {group} in {fields[0]}[{fields[1]}]")
        stream, partition, after, control, settled = fields
        found.append(Position(Place(stream, partition), after, control, settled))
    return found


def store(connection: sqlite3.Connection, group: str, done: Iterable[Position]) -> None:
    """Store positions of a group, in place of those that it had."""
    for p in done:
        fields = (group, p.place.stream, p.place.partition, p.after, p.control, p.settled)
        connection.execute(
            "INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*fields, seal(*fields)),
        )


def groups(connection: sqlite3.Connection) -> list[str]:
    """Return the names of the groups that have positions."""
    query = "SELECT DISTINCT grp FROM positions ORDER BY grp"
    return [name for (name,) in connection.execute(query)]


def _count_up(connection: sqlite3.Connection, group: str) -> None:
    connection.execute(
        "INSERT INTO groups VALUES (?, 1)"
        " ON CONFLICT (name) DO UPDATE SET generation = generation + 1",
        (group,),
    )
