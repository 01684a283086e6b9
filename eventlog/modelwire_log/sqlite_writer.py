"""Appending to a log file; what several threads append at the same time is one transaction."""

import contextlib
import sqlite3
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from modelwire_log.contract import Message, Receipt
from modelwire_log.sqlite_file import LogFile
from modelwire_log.sqlite_heads import append_time, create
from modelwire_log.sqlite_put import put
from modelwire_log.streams import OWN, stream_name
from modelwire_schemas.errors import ModelwireError, Unavailable


def durable(streams: Iterable[str]) -> bool:
    """Return whether one of these streams must survive the death of the machine."""
    return any(stream.startswith(OWN) for stream in streams)


@dataclass(slots=True, eq=False, repr=False)
class _Request:
    """A batch that waits to be appended, then its receipts or why it was not."""

    stream: str
    messages: Sequence[Message]
    receipts: list[Receipt] = field(default_factory=list[Receipt])
    error: Exception | None = None
    done: bool = False


class Writer:
    """Whoever gets the lock writes what all have brought; the others find it done."""

    def __init__(self, file: LogFile, clock: Callable[[], int]) -> None:
        self._file = file
        self._clock = clock
        self._waiting: deque[_Request] = deque()
        self._keyless = 0
        file.after_fork.append(self._waiting.clear)  # the parent's threads append them

    @property
    def waiting(self) -> int:
        """How many batches wait for the next transaction."""
        return len(self._waiting)

    def create(self, stream: str, partitions: int) -> None:
        with self._file.write(30.0, durable=True) as connection:
            create(connection, stream, partitions)

    def append(self, stream: str, messages: Sequence[Message], timeout: float) -> list[Receipt]:
        request = _Request(stream_name(stream), messages)
        self._waiting.append(request)
        try:
            with self._file.alone(timeout):
                if not request.done:
                    self._append_all(timeout)
        finally:
            if not request.done:  # it waited in vain
                with contextlib.suppress(ValueError):
                    self._waiting.remove(request)
        if request.error:
            raise request.error
        return request.receipts

    def put(self, connection: sqlite3.Connection, outputs: Iterable[tuple[str, Message]]) -> None:
        """Append inside a transaction of the caller's."""
        by_stream: defaultdict[str, list[Message]] = defaultdict(list)
        for stream, message in outputs:
            by_stream[stream].append(message)
        appended = append_time(connection, self._clock())
        for stream, messages in by_stream.items():
            self._put(connection, stream_name(stream), messages, appended)

    def _append_all(self, timeout: float) -> None:
        requests = [self._waiting.popleft() for _ in range(len(self._waiting))]
        level = durable(request.stream for request in requests)
        try:
            with self._file.write(timeout, durable=level) as connection:
                appended = append_time(connection, self._clock())
                for request in requests:
                    self._append(connection, request, appended)
        except ModelwireError as error:
            for request in requests:
                request.error = error
        except BaseException:
            for request in requests:
                request.error = Unavailable("E_LOG_UNAVAILABLE", "the append was interrupted")
            raise
        finally:
            for request in requests:
                request.done = True

    def _append(self, connection: sqlite3.Connection, request: _Request, appended: int) -> None:
        """Append one batch; one that is refused does not take the others with it."""
        connection.execute("SAVEPOINT batch")
        try:
            request.receipts = self._put(connection, request.stream, request.messages, appended)
        except (ModelwireError, TypeError, OverflowError, sqlite3.DataError) as error:
            connection.execute("ROLLBACK TO batch")
            request.error = error
        connection.execute("RELEASE batch")

    def _put(
        self,
        connection: sqlite3.Connection,
        stream: str,
        messages: Sequence[Message],
        appended: int,
    ) -> list[Receipt]:
        self._keyless += len(messages)
        return put(connection, stream, messages, appended, self._keyless)
