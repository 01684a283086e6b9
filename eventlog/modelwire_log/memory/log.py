"""A log in memory, shared by the threads of a process: for tests, and for trying things."""

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

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
from modelwire_log.member import Member
from modelwire_log.memory.groups import MemoryDesk
from modelwire_log.memory.store import Store


class MemoryLog:
    """A log that ends with the process. It never makes anyone wait, so timeouts mean nothing.

    Set `away`, and every call raises Unavailable `E_LOG_UNAVAILABLE` at once. `clock` returns the
    log's time in ms; a test may give one that it moves by hand.
    """

    def __init__(self, name: str = "", *, clock: Callable[[], int] = wall_ms) -> None:
        self.url = f"memory:{name}"
        self.capabilities = Capabilities(atomic_batch=True, transactional_positions=True)
        self._store = Store(self.url, clock)

    @property
    def away(self) -> bool:
        """Whether the log plays dead."""
        return self._store.away

    @away.setter
    def away(self, away: bool) -> None:
        self._store.away = away
        self._store.ring()

    def create(self, stream: str, partitions: int = 1) -> None:
        with self._store.here():
            self._store.create(stream, partitions)

    def streams(self) -> Mapping[str, int]:
        with self._store.here():
            return {name: len(parts) for name, parts in self._store.streams.items()}

    def append(self, stream: str, message: Message, *, timeout: float = 30.0) -> Receipt:
        return self.append_batch(stream, (message,), timeout=timeout)[0]

    def append_batch(
        self, stream: str, messages: Sequence[Message], *, timeout: float = 30.0
    ) -> list[Receipt]:
        del timeout
        with self._store.here():
            return self._store.put([(stream, message) for message in messages])

    def read(
        self, place: Place, after: int, limit: int = 1000, *, timeout: float = 5.0
    ) -> list[Record]:
        del timeout
        with self._store.here():
            return self._store.read(place, after, limit)

    def end(self, place: Place, *, timeout: float = 5.0) -> int:
        del timeout
        with self._store.here():
            return len(self._store.records(place)) - 1

    def wait(self, place: Place, after: int, timeout: float) -> bool:
        with self._store.here():
            return self._store.wait_for(
                lambda: len(self._store.records(place)) - 1 > after, timeout
            )

    def offset_at(self, place: Place, time: int, *, timeout: float = 5.0) -> int:
        del timeout
        with self._store.here():
            return self._store.offset_at(place, time)

    def delete(self, place: Place, first: int, last: int, *, timeout: float = 30.0) -> None:
        del timeout
        with self._store.here():
            self._store.delete(place, first, last)

    def consumer(self, group: Group) -> Consumer:
        return Member(MemoryDesk(self._store, group), group)

    def positions(self, group: str) -> tuple[Position, ...]:
        with self._store.here():
            members = self._store.groups.get(group)
            return tuple(members.positions.values()) if members else ()

    def groups(self) -> tuple[str, ...]:
        with self._store.here():
            return tuple(sorted(n for n, g in self._store.groups.items() if g.positions))

    def close(self) -> None:
        """Do nothing: whoever shares the log by its name still has it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
