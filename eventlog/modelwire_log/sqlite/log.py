"""A log in one SQLite file: durable, shared by the processes of a machine, all done atomically."""

import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from modelwire_log.clock import wall_ms
from modelwire_log.contract import (
    Capabilities,
    Consumer,
    Group,
    Message,
    Place,
    Position,
    Receipt,
    Record,
)
from modelwire_log.member import LOOK_AGAIN_S, Member
from modelwire_log.sqlite import groups as books
from modelwire_log.sqlite.desk import SqliteDesk
from modelwire_log.sqlite.file import LogFile
from modelwire_log.sqlite.heads import head_of, next_of
from modelwire_log.sqlite.life import Heart
from modelwire_log.sqlite.put import blank
from modelwire_log.sqlite.take import first_at, take
from modelwire_log.sqlite.writer import Writer, durable
from modelwire_log.streams import stream_name

SESSION_S = 6.0
READ_S = 5.0


class SqliteLog:
    """A log file. It is opened when first used, and made if it is not there and `make` is true.

    A transaction of modelwire's own streams survives the death of the machine (FULL), the others,
    and what instances tell again and again, that of the process (NORMAL). Appends of several
    threads at the same time become one transaction. A member of a group that shows no life for
    `session` s loses its partitions.
    """

    def __init__(
        self,
        path: Path,
        *,
        session: float = SESSION_S,
        clock: Callable[[], int] = wall_ms,
        make: bool = True,
    ) -> None:
        path = path.absolute()  # whatever the process's folder will be
        self.url = f"sqlite:///{quote(str(path))}"
        self.capabilities = Capabilities(atomic_batch=True, transactional_positions=True)
        self._file = LogFile(path, make=make)
        self._writer = Writer(self._file, clock)
        self._heart = Heart(self._file, session)
        self._members: weakref.WeakSet[Member] = weakref.WeakSet()

    def create(self, stream: str, partitions: int = 1) -> None:
        self._writer.create(stream_name(stream), partitions)

    def streams(self) -> Mapping[str, int]:
        query = "SELECT stream, count(*) FROM places GROUP BY stream"
        with self._file.read(READ_S) as connection:
            return dict(connection.execute(query).fetchall())

    def append(self, stream: str, message: Message, *, timeout: float = 30.0) -> Receipt:
        return self._writer.append(stream, (message,), timeout)[0]

    def append_batch(
        self, stream: str, messages: Sequence[Message], *, timeout: float = 30.0
    ) -> list[Receipt]:
        return self._writer.append(stream, messages, timeout)

    def read(
        self, place: Place, after: int, limit: int = 1000, *, timeout: float = 5.0
    ) -> list[Record]:
        with self._file.read(timeout) as connection:
            head = head_of(connection, place)
            return take(connection, head, after, limit) if head else []

    def end(self, place: Place, *, timeout: float = 5.0) -> int:
        with self._file.read(timeout, look=True) as connection:
            head = head_of(connection, place)
            return head.next - 1 if head else -1

    def wait(self, place: Place, after: int, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while True:
            mark = self._file.ear.mark()
            with self._file.read(READ_S) as connection:
                if next_of(connection, place) > after + 1:
                    return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._file.ear.listen(mark, min(left, LOOK_AGAIN_S))

    def offset_at(self, place: Place, time: int, *, timeout: float = 5.0) -> int:
        with self._file.read(timeout) as connection:
            head = head_of(connection, place)
            return first_at(connection, head, time) if head else 0

    def delete(self, place: Place, first: int, last: int, *, timeout: float = 30.0) -> None:
        with self._file.write(timeout, durable=durable([place.stream])) as connection:
            if head := head_of(connection, place):
                blank(connection, head, first, last)

    def consumer(self, group: Group) -> Consumer:
        desk = SqliteDesk(self._file, self._writer, self._heart, group)
        member = Member(desk, group)
        self._members.add(member)
        weakref.finalize(member, self._heart.remove, desk.token)  # dropped, it expires
        return member

    def positions(self, group: str) -> tuple[Position, ...]:
        with self._file.read(READ_S) as connection:
            return tuple(books.positions(connection, group))

    def groups(self) -> tuple[str, ...]:
        with self._file.read(READ_S) as connection:
            return tuple(books.groups(connection))

    def close(self) -> None:
        for member in list(self._members):
            member.close()
        self._heart.close()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
