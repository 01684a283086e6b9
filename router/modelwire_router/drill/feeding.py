"""Copies of a stream's events for a drill: those that land, or the newest ones again and again."""

import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from typing import Protocol

from modelwire_log.contract import Log, Message, Place, Record

AT_ONCE = 500


class Feed(Protocol):
    """Where a drill's events come from."""

    def due(self) -> Sequence[Record]:
        """Return the events that are due now; does not wait."""
        ...


class Landing:
    """The events that land on a stream from now on. Reads it, and joins no group."""

    def __init__(self, log: Log, stream: str) -> None:
        self._log = log
        places = [Place(stream, partition) for partition in range(log.streams()[stream])]
        self._after = {place: log.end(place) for place in places}

    def due(self) -> Sequence[Record]:
        """See `Feed`; raises Unavailable while the log is away."""
        return list(self._news())

    def _news(self) -> Iterator[Record]:
        for place in self._after:
            for record in self._log.read(place, self._after[place], AT_ONCE):
                self._after[place] = record.offset
                yield record


class Again:
    """Events that were, at an even rate (a second), from the first on after the last."""

    def __init__(self, records: Sequence[Record], rate: float) -> None:
        self._records = cycle(records)
        self._rate = rate
        self._began = time.monotonic()
        self._given = 0

    def due(self) -> Sequence[Record]:
        """See `Feed`."""
        due = int((time.monotonic() - self._began) * self._rate) - self._given
        some = list(islice(self._records, min(due, AT_ONCE)))
        self._given += len(some)
        return some


def copied(record: Record) -> Message:
    """Return an event as one of the present, on the number of its partition."""
    return Message(record.value, record.key, record.headers, None, record.partition)
