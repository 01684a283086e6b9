"""Readers of a Kafka log, lent by place and position; who goes on reading gets the same one."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock

from modelwire_log.contract import Place
from modelwire_log.kafka.client import Clients
from modelwire_log.kafka.reader import Reader

_MOST_IDLE = 8
_LONGEST_IDLE_S = 30.0


class Pool:
    """Lends each reader to one thread at a time; those that nobody wants for long are closed."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._lock = Lock()
        self._idle: list[tuple[float, Reader]] = []
        self._closed = False

    @contextmanager
    def reader(self, place: Place, after: int) -> Generator[Reader]:
        """Lend a reader that goes on behind `after`."""
        lent = self._take(place, after) or Reader(self._clients, place, after)
        try:
            yield lent
        finally:
            for reader in self._put_back(lent):
                reader.close()

    def close(self) -> None:
        """Close all readers; those that are lent are closed when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for _, reader in idle:
            reader.close()

    def _take(self, place: Place, after: int) -> Reader | None:
        with self._lock:
            for index, (_, reader) in enumerate(self._idle):
                if reader.place == place and reader.after == after:
                    return self._idle.pop(index)[1]
        return None

    def _put_back(self, lent: Reader) -> list[Reader]:
        """Keep the reader; return those that have to be closed."""
        now = time.monotonic()
        with self._lock:
            if lent.spoilt or self._closed:
                return [lent]
            idle = [*self._idle, (now, lent)]
            # An idle reader goes on fetching into its buffer, so it is not kept for long.
            self._idle = [
                (since, reader)
                for since, reader in idle[-_MOST_IDLE:]
                if now - since < _LONGEST_IDLE_S
            ]
            return [reader for since, reader in idle if (since, reader) not in self._idle]
