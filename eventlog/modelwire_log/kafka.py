"""A log on Kafka: streams are topics, and every wait is bounded."""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from modelwire_log import kafka_settings
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
from modelwire_log.kafka_group import KafkaConsumer
from modelwire_log.kafka_session import Sessions
from modelwire_log.streams import checked_partition, stream_name

_LEAST_S = 0.1


class KafkaLog:
    """A log on Kafka, `kafka://host:port[,host:port]`; `kafka` are librdkafka's own settings.

    Opening it neither waits nor needs a broker. It never makes a topic by itself. Raises
    Rejected `E_LOG_URL` and `E_KAFKA_SETTING`.
    """

    def __init__(self, url: str, kafka: Mapping[str, str] | None = None) -> None:
        servers = kafka_settings.servers(url)
        self.url = kafka_settings.SCHEME + servers
        self.capabilities = Capabilities(atomic_batch=False, transactional_positions=False)
        self._sessions = Sessions(servers, dict(kafka or {}))

    def create(self, stream: str, partitions: int = 1) -> None:
        """Make a topic if it is not there; it keeps its records for ever, as other logs do."""
        session = self._sessions.current()
        session.admin.create(stream_name(stream), partitions, -1, {"retention.ms": "-1"})
        session.query.wait_for(stream)

    def streams(self) -> Mapping[str, int]:
        return self._sessions.current().query.streams(5.0)

    def append(self, stream: str, message: Message, *, timeout: float = 30.0) -> Receipt:
        return self.append_batch(stream, (message,), timeout=timeout)[0]

    def append_batch(
        self, stream: str, messages: Sequence[Message], *, timeout: float = 30.0
    ) -> list[Receipt]:
        """Append in order; not all or nothing: what was acknowledged before an error stays."""
        session, deadline = self._sessions.current(), time.monotonic() + timeout
        partitions = session.query.partitions(stream, timeout)
        for message in messages:
            if message.partition is not None:
                checked_partition(stream, message.partition, partitions)
        records = [(stream, message) for message in messages]
        return session.sender.send(records, _left(deadline)) if records else []

    def read(
        self, place: Place, after: int, limit: int = 1000, *, timeout: float = 5.0
    ) -> list[Record]:
        session, deadline = self._sessions.current(), time.monotonic() + timeout
        last = session.query.end(place, timeout)
        if last <= after:
            return []
        with session.pool.reader(place, after) as reader:
            return reader.read(last, limit, time.monotonic() + _left(deadline))

    def end(self, place: Place, *, timeout: float = 5.0) -> int:
        return self._sessions.current().query.end(place, timeout)

    def wait(self, place: Place, after: int, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        with self._sessions.current().pool.reader(place, after) as reader:
            return reader.wait(deadline)

    def offset_at(self, place: Place, time: int, *, timeout: float = 5.0) -> int:
        return self._sessions.current().query.offset_at(place, time, timeout)

    def consumer(self, group: Group) -> Consumer:
        return KafkaConsumer(self._sessions, group)

    def positions(self, group: str) -> tuple[Position, ...]:
        return self._sessions.current().admin.positions(group)

    def groups(self) -> tuple[str, ...]:
        return self._sessions.current().admin.groups()

    def close(self) -> None:
        self._sessions.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _left(deadline: float) -> float:
    return max(_LEAST_S, deadline - time.monotonic())
