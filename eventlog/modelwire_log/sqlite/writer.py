"""Appending to a log file; what several threads append at the same time is one transaction."""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from modelwire_log.contract import Message, Receipt
from modelwire_log.sqlite.errors import unavailable
from modelwire_log.sqlite.file import LogFile
from modelwire_log.sqlite.heads import append_time, create, heads
from modelwire_log.sqlite.put import put
from modelwire_log.sqlite.queue import Queue, Request
from modelwire_log.streams import OWN, PASSING, stream_name
from modelwire_schemas.errors import ModelwireError, Unavailable


def durable(streams: Iterable[str]) -> bool:
    """Return whether one of these streams must survive the death of the machine."""
    return any(stream.startswith(OWN) and not stream.endswith(PASSING) for stream in streams)


class Writer:
    """Writes what threads bring, together where they come together."""

    def __init__(self, file: LogFile, clock: Callable[[], int]) -> None:
        self._file = file
        self._clock = clock
        self.queue = Queue()
        self._keyless = 0
        file.after_fork.append(self.queue.clear)

    def create(self, stream: str, partitions: int) -> None:
        with self._file.write(30.0, durable=True) as connection:
            if not heads(connection, stream):
                create(connection, stream, partitions)

    def append(self, stream: str, messages: Sequence[Message], timeout: float) -> list[Receipt]:
        request = Request(stream_name(stream), messages)
        if not messages:
            return []
        try:
            mine = self.queue.line_up(request, timeout)
        except TimeoutError:
            raise unavailable(
                self._file.path, "others of this process still write", "look what was appended"
            ) from None
        if mine:
            try:
                self._append_all(mine, timeout)
            finally:
                self.queue.finish(mine)
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

    def _append_all(self, requests: Sequence[Request], timeout: float) -> None:
        level = durable(request.stream for request in requests)
        try:
            with self._file.write(timeout, durable=level) as connection:
                appended = append_time(connection, self._clock())
                append = self._append_apart if len(requests) > 1 else self._append
                for request in requests:
                    append(connection, request, appended)
        except ModelwireError as error:
            for request in requests:
                request.error = error
        except BaseException:
            for request in requests:
                request.error = Unavailable("E_LOG_UNAVAILABLE", "the append was interrupted")
            raise

    def _append_apart(
        self, connection: sqlite3.Connection, request: Request, appended: int
    ) -> None:
        """Append one batch; one that is refused does not take the others with it."""
        connection.execute("SAVEPOINT batch")
        try:
            self._append(connection, request, appended)
        except (ModelwireError, TypeError, OverflowError, sqlite3.DataError) as error:
            connection.execute("ROLLBACK TO batch")
            request.error = error
        connection.execute("RELEASE batch")

    def _append(self, connection: sqlite3.Connection, request: Request, appended: int) -> None:
        request.receipts = self._put(connection, request.stream, request.messages, appended)

    def _put(
        self,
        connection: sqlite3.Connection,
        stream: str,
        messages: Sequence[Message],
        appended: int,
    ) -> list[Receipt]:
        self._keyless += len(messages)
        return put(connection, stream, messages, appended, self._keyless)
