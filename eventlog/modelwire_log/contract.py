"""What every log promises: order, gaps, durability, blocking, and what `append` returns when.

A log holds named streams; a stream has partitions; a partition is a sequence of records, numbered
from 0, that never changes. Three keepers stand behind one contract: memory, SQLite, Kafka.

- *Order*: a partition's records are read in the order of their offsets, by everyone.
- *Gaps*: offsets rise; SQLite and memory leave none out. Kafka may (transactions, retention).
- *Durability*: `append` returns when the record survives the death of this process, and for
  streams of modelwire's own (`durable=True`) of the machine as well; what instances tell again and
  again (`fleet`, `telemetry`) need not, since they die with it.
- *Blocking*: every call is bounded by `timeout`, and then raises Unavailable (`E_LOG_UNAVAILABLE`);
  nothing waits for ever. A log that was opened while it was away works once it is there.
- *Time*: `Record.appended` is when the log took a record, by the log's clock, never by the
  writer's. It never falls within a partition on one clock; clocks of several brokers may differ.
- *Threads*: a Log may be used by several threads; a Consumer by the one that made it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from modelwire_schemas.errors import Rejected

START = -1
"""Read after this to read from the beginning."""


@dataclass(frozen=True, slots=True)
class Place:
    """A partition of a stream."""

    stream: str
    partition: int = 0

    def __str__(self) -> str:
        return f"{self.stream}[{self.partition}]"


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be appended; without a partition, the key's hash chooses it.

    `timestamp` (ms) is the event's time; by default the log's time of appending.
    """

    value: bytes
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp: int | None = None
    partition: int | None = None


class Record(NamedTuple):
    """What was appended, where, and when (ms): `timestamp` the event's, `appended` the log's.

    On Kafka both are the broker's one timestamp of the record, whichever kind the topic keeps.
    A named tuple, as it is made for each event, and a frozen dataclass costs four times as much.
    """

    stream: str
    partition: int
    offset: int
    timestamp: int
    appended: int
    value: bytes
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


class Receipt(NamedTuple):
    """Where an appended record lies, and when (ms, the log's clock) the log took it."""

    stream: str
    partition: int
    offset: int
    appended: int


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a keeper can do beyond the contract's floor.

    `atomic_batch`: `append_batch` is all or nothing. `transactional_positions`: a consumer's
    `commit` writes outputs and positions in one transaction, so a stream is scored exactly once.
    `makes_streams`: an append to an unknown stream makes it; on Kafka the operator makes topics.
    """

    atomic_batch: bool
    transactional_positions: bool
    makes_streams: bool = True


@dataclass(frozen=True, slots=True)
class Position:
    """A group's place in a partition: records up to `after` are done.

    `control` and `settled` are the control offset c and the highest settled time H under which
    they were done (R12, R13); -1 where there is none.
    """

    place: Place
    after: int
    control: int = -1
    settled: int = -1


class Consumer(Protocol):
    """A member of a group: shares the partitions of its streams with the other members.

    A partition has one member at a time. A member that dies loses its partitions to the others
    within the keeper's session timeout. Use it in one thread.
    """

    def poll(self, limit: int, timeout: float) -> list[Record]:
        """Return up to `limit` records of the assigned partitions, each partition in order.

        Waits up to `timeout` seconds for the first record, never for more. May return records of
        several partitions. Assignments change inside this call only: `on_revoked` is called with
        the partitions that go (commit them there), `on_assigned` with the positions that come.
        """
        ...

    def assignment(self) -> frozenset[Place]:
        """Return the partitions that this member has."""
        ...

    def pause(self, places: Iterable[Place]) -> None:
        """Return no records of these partitions until they are resumed."""
        ...

    def resume(self, places: Iterable[Place]) -> None:
        """Return records of these partitions again."""
        ...

    def seek(self, place: Place, after: int) -> None:
        """Go on behind offset `after` of an assigned partition."""
        ...

    def commit(
        self, positions: Sequence[Position], outputs: Sequence[tuple[str, Message]] = ()
    ) -> None:
        """Append `outputs` (stream, message) and store `positions`.

        With `transactional_positions` both happen in one transaction, fenced: a member that lost
        a partition raises Conflict `E_FENCED` and nothing is written. Else outputs are durable
        before positions are stored: at least once.
        """
        ...

    def close(self) -> None:
        """Leave the group at once, so that others need not wait; idempotent.

        Calls no `on_revoked`: commit before.
        """
        ...


@dataclass(frozen=True, slots=True)
class Group:
    """How a consumer joins: which streams, as whom, where to begin without a position.

    `begin` is `start`, `end`, or a time in ms (the first record with that time or a later one).
    """

    name: str
    streams: tuple[str, ...]
    begin: str | int = "start"
    on_assigned: Callable[[Sequence[Position]], None] = lambda positions: None
    on_revoked: Callable[[Sequence[Place]], None] = lambda places: None

    def __post_init__(self) -> None:
        """Raise Rejected `E_BEGIN` for a place to begin that there is not."""
        if not isinstance(self.begin, int) and self.begin not in {"start", "end"}:
            raise Rejected(
                "E_BEGIN",
                f"group {self.name} cannot begin at {self.begin!r}",
                expected="start, end or a time in ms",
            )


class Log(Protocol):
    """A durable, ordered log of streams."""

    url: str
    capabilities: Capabilities

    def create(self, stream: str, partitions: int = 1) -> None:
        """Make a stream if it is not there; on Kafka only the operator's command calls this."""
        ...

    def streams(self) -> Mapping[str, int]:
        """Return the names of all streams and how many partitions each has."""
        ...

    def append(self, stream: str, message: Message, *, timeout: float = 30.0) -> Receipt:
        """Append one record; return when it is durable.

        Memory and SQLite make an unknown stream with one partition; Kafka raises NotFound
        `E_NO_STREAM`.
        """
        ...

    def append_batch(
        self, stream: str, messages: Sequence[Message], *, timeout: float = 30.0
    ) -> list[Receipt]:
        """Append records in order; all or nothing where `capabilities.atomic_batch`."""
        ...

    def read(
        self, place: Place, after: int, limit: int = 1000, *, timeout: float = 5.0
    ) -> list[Record]:
        """Return up to `limit` records behind offset `after`, in order; empty at the end.

        Returns what is there now and does not wait for more. A damaged record raises Corrupt
        `E_CORRUPT` with its coordinates once everything before it has been returned.
        """
        ...

    def end(self, place: Place, *, timeout: float = 5.0) -> int:
        """Return the offset of the last record that is in the partition now; -1 if none."""
        ...

    def wait(self, place: Place, after: int, timeout: float) -> bool:
        """Wait until a record behind `after` is likely there; False after `timeout` seconds.

        A notice, not a promise: another process's append wakes it within milliseconds on
        SQLite, and through a waiting fetch on Kafka.
        """
        ...

    def offset_at(self, place: Place, time: int, *, timeout: float = 5.0) -> int:
        """Return the offset of the first record with `timestamp >= time`; behind the end if none.

        Asks the log's index by time; later records may still have smaller times.
        """
        ...

    def delete(self, place: Place, first: int, last: int, *, timeout: float = 30.0) -> None:
        """Remove the records `first` to `last` and give their room back; offsets stay as they are.

        For the bytes of withdrawn artifacts only: every other record stays what it was.
        """
        ...

    def consumer(self, group: Group) -> Consumer:
        """Join a group."""
        ...

    def positions(self, group: str) -> tuple[Position, ...]:
        """Return the committed positions of a group."""
        ...

    def groups(self) -> tuple[str, ...]:
        """Return the names of the groups that have committed positions."""
        ...

    def close(self) -> None:
        """Give everything back; idempotent."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
