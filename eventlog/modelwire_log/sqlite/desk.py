"""A member of a group on SQLite: what it does there, and how it notices what others did."""

import os
import sqlite3
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence

from modelwire_log.contract import Group, Message, Place, Position, Record
from modelwire_log.member import LOOK_AGAIN_S, Share, fenced
from modelwire_log.sqlite import groups as books
from modelwire_log.sqlite.file import LogFile
from modelwire_log.sqlite.heads import Head, head_of
from modelwire_log.sqlite.life import Heart, this_life
from modelwire_log.sqlite.take import first_at, take
from modelwire_log.sqlite.writer import Writer, durable

READ_S = 5.0
WRITE_S = 30.0
NOTHING = Share(frozenset(), frozenset())


class SqliteDesk:
    """A Desk in a log file."""

    def __init__(self, file: LogFile, writer: Writer, heart: Heart, group: Group) -> None:
        self._file = file
        self._writer = writer
        self._heart = heart
        self._group = group
        self.token = uuid.uuid4().hex
        self._me = ""
        self._pid = 0
        self._generation = -1
        self._look_again = 0.0
        self._share = NOTHING
        self._heads: dict[Place, Head] = {}

    def share(self) -> Share:
        if self._pid != os.getpid():  # also after a fork: the child is a member of its own
            self._pid, self._me = os.getpid(), f"{self.token}-{os.getpid()}"
            self._generation, self._look_again = -1, 0.0
        if self._look_again <= time.monotonic():
            self._look_around()
        with self._file.read(READ_S) as connection:
            generation = books.generation(connection, self._group.name)
            if generation == self._generation:
                return self._share
            member = books.is_member(connection, self._me)
        if not member:
            self._join()
        self._load()
        return self._share

    def hand_over(self, places: Iterable[Place]) -> None:
        with self._file.write(WRITE_S, durable=False) as connection:
            books.hand_over(connection, self._group.name, self._me, places)

    def begin(self, places: Iterable[Place]) -> list[Position]:
        with self._file.read(READ_S) as connection:
            known = {p.place: p for p in books.positions(connection, self._group.name)}
            heads = {place: head_of(connection, place) for place in places}
            fresh = [
                Position(place, self._first(connection, head) - 1)
                for place, head in heads.items()
                if head and place not in known
            ]
        if fresh and self._group.begin != "start":  # whoever comes next begins there, too
            with self._file.write(WRITE_S, durable=False) as connection:
                books.store(connection, self._group.name, fresh)
        known.update((position.place, position) for position in fresh)
        return [known[place] for place in heads]

    def commit(self, positions: Sequence[Position], outputs: Sequence[tuple[str, Message]]) -> None:
        level = durable(stream for stream, _ in outputs)
        with self._file.write(WRITE_S, durable=level) as connection:
            held = books.shares(connection, self._group.name, self._me)
            for position in positions:
                if position.place not in held:
                    raise fenced(self._group.name, position.place)
            self._writer.put(connection, outputs)
            books.store(connection, self._group.name, positions)

    def leave(self) -> None:
        self._heart.remove(self.token)
        if self._pid == os.getpid():
            with self._file.write(WRITE_S, durable=False) as connection:
                books.put_out(connection, self._group.name, [self._me])

    def ends(self, places: Iterable[Place]) -> Mapping[Place, int]:
        with self._file.read(READ_S) as connection:
            self._heads = {place: head for place in places if (head := head_of(connection, place))}
        return {place: head.next - 1 for place, head in self._heads.items()}

    def read(self, place: Place, after: int, limit: int) -> list[Record]:
        with self._file.read(READ_S) as connection:
            return take(connection, self._heads[place], after, limit)

    def notices(self) -> int:
        return self._file.ear.mark()

    def listen(self, heard: int, timeout: float) -> None:
        self._file.ear.listen(heard, timeout)

    def _look_around(self) -> None:
        """Put out the dead, and take in new streams."""
        self._look_again = time.monotonic() + LOOK_AGAIN_S
        name = self._group.name
        with self._file.read(READ_S) as connection:
            dead = books.dead(connection, name, self._me)
            news = dead or books.unshared(connection, name, self._group.streams)
        if news:
            with self._file.write(WRITE_S, durable=False) as connection:
                books.put_out(connection, name, books.dead(connection, name, self._me))

    def _join(self) -> None:
        self._heart.add(self.token, self._me)
        with self._file.write(WRITE_S, durable=False) as connection:
            books.join(
                connection,
                self._group.name,
                self._me,
                self._group.streams,
                this_life(),
                self._heart.session_ms,
            )

    def _load(self) -> None:
        with self._file.read(READ_S) as connection:
            generation = books.generation(connection, self._group.name)
            held = books.shares(connection, self._group.name, self._me)
        self._generation = generation
        self._share = Share(
            frozenset(held),
            frozenset(place for place, heir in held.items() if heir != self._me),
        )

    def _first(self, connection: sqlite3.Connection, head: Head) -> int:
        match self._group.begin:
            case int(moment):
                return first_at(connection, head, moment)
            case "end":
                return head.next
            case _:
                return 0
