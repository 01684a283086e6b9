"""What a log in memory keeps: streams as lists, groups as dictionaries, one lock around both."""

import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

from modelwire_log.contract import START, Message, Place, Position, Receipt, Record
from modelwire_log.member import Share
from modelwire_log.sharing import share_out
from modelwire_log.streams import checked_partition, partition_of, stream_name
from modelwire_schemas.errors import Unavailable


@dataclass(slots=True)
class Members:
    """A group: who asks for which streams, who holds and who shall have what, and what is done."""

    streams: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    held: dict[Place, str] = field(default_factory=dict[Place, str])
    heirs: dict[Place, str] = field(default_factory=dict[Place, str])
    shares: dict[str, Share] = field(default_factory=dict[str, Share])
    positions: dict[Place, Position] = field(default_factory=dict[Place, Position])

    def share_out(self, places: Iterable[Place]) -> None:
        """Share out anew; what nobody holds goes to its heir at once."""
        self.heirs = share_out(self.streams, list(places), self.held)
        self.held = {
            place: holder if (holder := self.held.get(place, "")) in self.streams else heir
            for place, heir in self.heirs.items()
        }
        self.shares = {member: self._share(member) for member in self.streams}

    def _share(self, member: str) -> Share:
        held = frozenset(p for p, m in self.held.items() if m == member)
        return Share(held, frozenset(p for p in held if self.heirs[p] != member))


class Store:
    """Use it inside `with store.here():` only, which raises when the log is told to be away."""

    def __init__(self, url: str, clock: Callable[[], int]) -> None:
        self.url = url
        self.away = False
        self.notices = 0
        self.streams: dict[str, list[list[Record | None]]] = {}
        self.groups: dict[str, Members] = {}
        self._clock = clock
        self._appended = 0
        self._keyless = 0
        self._news = threading.Condition(threading.RLock())

    @contextmanager
    def here(self) -> Generator[None]:
        with self._news:
            self._stay()
            yield

    def ring(self) -> None:
        """Wake those who wait."""
        with self._news:
            self.notices += 1
            self._news.notify_all()

    def wait_for(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until the condition holds, and raise as soon as the log goes away."""
        found = self._news.wait_for(lambda: self.away or condition(), timeout)
        self._stay()
        return found

    def create(self, stream: str, partitions: int) -> None:
        if stream_name(stream) not in self.streams:
            self.streams[stream] = [[] for _ in range(partitions)]
            for group in self.groups.values():
                group.share_out(self.places())
            self.ring()

    def places(self) -> list[Place]:
        return [Place(s, n) for s, parts in self.streams.items() for n in range(len(parts))]

    def records(self, place: Place) -> list[Record | None]:
        """Return the records of a place, None where one was deleted; empty if unknown."""
        parts = self.streams.get(place.stream, [])
        return parts[place.partition] if 0 <= place.partition < len(parts) else []

    def read(self, place: Place, after: int, limit: int) -> list[Record]:
        records = self.records(place)
        behind = (records[offset] for offset in range(max(after, START) + 1, len(records)))
        return list(islice(filter(None, behind), limit))

    def offset_at(self, place: Place, time: int) -> int:
        records = self.records(place)
        late = (r.offset for r in records if r is not None and r.timestamp >= time)
        return next(late, len(records))

    def delete(self, place: Place, first: int, last: int) -> None:
        records = self.records(place)
        for offset in range(max(first, 0), min(last + 1, len(records))):
            records[offset] = None

    def put(self, outputs: Sequence[tuple[str, Message]]) -> list[Receipt]:
        """Append all, or none if one is refused."""
        places = [self._place(stream_name(stream), message) for stream, message in outputs]
        for place in places:
            self.create(place.stream, 1)
        self._appended = max(self._appended, self._clock())
        receipts = [
            self._append(place, message)
            for place, (_, message) in zip(places, outputs, strict=True)
        ]
        self.ring()
        return receipts

    def _place(self, stream: str, message: Message) -> Place:
        count = len(self.streams.get(stream, [None]))
        if message.partition is not None:
            return Place(stream, checked_partition(stream, message.partition, count))
        self._keyless += 1
        return Place(stream, partition_of(message.key, self._keyless, count))

    def _append(self, place: Place, message: Message) -> Receipt:
        records = self.streams[place.stream][place.partition]
        stamp = self._appended if message.timestamp is None else message.timestamp
        receipt = Receipt(place.stream, place.partition, len(records), self._appended)
        records.append(
            Record(
                *receipt[:3],
                timestamp=stamp,
                appended=self._appended,
                value=message.value,
                key=message.key,
                headers=message.headers,
            )
        )
        return receipt

    def _stay(self) -> None:
        if self.away:
            raise Unavailable(
                "E_LOG_UNAVAILABLE", f"the log {self.url} is away", todo="bring it back"
            )
