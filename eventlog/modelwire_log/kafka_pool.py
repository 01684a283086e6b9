"""Readers of a Kafka log, borrowed by place and position, a few of them kept."""

from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock

from modelwire_log.contract import Place
from modelwire_log.kafka_client import Clients
from modelwire_log.kafka_reader import Reader

_KEPT = 8


class Pool:
    """Lends each reader to one thread at a time and keeps the last few for who goes on reading."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._lock = Lock()
        self._idle: list[Reader] = []
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
        """Give all readers back; those that are lent go when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for reader in idle:
            reader.close()

    def _take(self, place: Place, after: int) -> Reader | None:
        with self._lock:
            for index, reader in enumerate(self._idle):
                if reader.place == place and reader.after == after:
                    return self._idle.pop(index)
        return None

    def _put_back(self, reader: Reader) -> list[Reader]:
        """Keep a reader; return those that are to be closed."""
        with self._lock:
            if reader.spoilt or self._closed:
                return [reader]
            self._idle.append(reader)
            surplus, self._idle = self._idle[:-_KEPT], self._idle[-_KEPT:]
        return surplus
