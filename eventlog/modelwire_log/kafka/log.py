"""A log on Kafka: streams are topics, and every wait is bounded."""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

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
from modelwire_log.kafka import settings as kafka_settings
from modelwire_log.kafka.group import KafkaConsumer
from modelwire_log.kafka.guard import cannot_delete
from modelwire_log.kafka.session import Session, Sessions
from modelwire_log.streams import checked_partition, stream_name

_LEAST_S = 0.1
_ASK_WITHIN_S = 5.0
_DELETED_AT_ONCE = 16


class KafkaLog:
    """A log on Kafka, `kafka://host:port[,host:port]`; `kafka` are librdkafka's own settings.

    Opening it neither waits nor needs a broker. It never makes a topic by itself. Raises
    Rejected `E_LOG_URL` and `E_KAFKA_SETTING`.
    """

    def __init__(self, url: str, kafka: Mapping[str, str] | None = None) -> None:
        servers = kafka_settings.servers(url)
        kafka_settings.refuse_ours(kafka or {})
        self.url = kafka_settings.SCHEME + servers
        self.capabilities = Capabilities(
            atomic_batch=False, transactional_positions=False, makes_streams=False
        )
        self._sessions = Sessions(servers, dict(kafka or {}))

    def session(self) -> Session:
        """Return what this process holds open; raises Unavailable once the log is closed."""
        return self._sessions.current()

    def create(self, stream: str, partitions: int = 1) -> None:
        """Make a topic if it is not there; it keeps its records for ever, as other logs do."""
        session = self.session()
        session.admin.create(stream_name(stream), partitions, -1, {"retention.ms": "-1"})
        session.query.wait_for(stream)

    def streams(self) -> Mapping[str, int]:
        return self.session().query.streams(_ASK_WITHIN_S)

    def append(self, stream: str, message: Message, *, timeout: float = 30.0) -> Receipt:
        return self.append_batch(stream, (message,), timeout=timeout)[0]

    def append_batch(
        self, stream: str, messages: Sequence[Message], *, timeout: float = 30.0
    ) -> list[Receipt]:
        """Append in order; not all or nothing: what was acknowledged before an error stays."""
        session, deadline = self.session(), time.monotonic() + timeout
        session.guard.check(stream_name(stream), timeout)
        partitions = session.query.partitions(stream, _left(deadline))
        for message in messages:
            if message.partition is not None:
                checked_partition(stream, message.partition, partitions)
        if not messages:
            return []
        sender = session.bulk if len(messages) > 1 else session.sender
        return sender.send([(stream, message) for message in messages], _left(deadline))

    def read(
        self, place: Place, after: int, limit: int = 1000, *, timeout: float = 5.0
    ) -> list[Record]:
        session, deadline = self.session(), time.monotonic() + timeout
        session.guard.check(place.stream, timeout)
        with session.pool.reader(place, after) as reader:
            last = after if reader.has_some else session.query.end(place, _left(deadline))
            return reader.read(last, limit, deadline)

    def end(self, place: Place, *, timeout: float = 5.0) -> int:
        session, deadline = self.session(), time.monotonic() + timeout
        session.guard.check(place.stream, timeout)
        return session.query.end(place, _left(deadline))

    def wait(self, place: Place, after: int, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        with self.session().pool.reader(place, after) as reader:
            return reader.wait(deadline)

    def offset_at(self, place: Place, time: int, *, timeout: float = 5.0) -> int:
        return self.session().query.offset_at(place, time, timeout)

    def delete(self, place: Place, first: int, last: int, *, timeout: float = 30.0) -> None:
        """Bury the records' keys; they are gone when Kafka next compacts the topic.

        Raises Rejected `E_TOPIC_SETTINGS` if it never does.
        """
        session, deadline = self.session(), time.monotonic() + timeout
        settings = session.admin.settings(place.stream, timeout)
        if "compact" not in settings.get("cleanup.policy", ""):
            raise cannot_delete(session.clients.servers, place.stream)
        while first <= last:
            found = self.read(place, first - 1, _DELETED_AT_ONCE, timeout=_left(deadline))
            gone = [record for record in found if record.offset <= last and record.key is not None]
            if not gone:
                return
            graves = [Message(b"", record.key, partition=place.partition) for record in gone]
            records = [(place.stream, grave) for grave in graves]
            session.bulk.send(records, _left(deadline), tombstones=True)
            first = gone[-1].offset + 1

    def consumer(self, group: Group) -> Consumer:
        return KafkaConsumer(self._sessions, group)

    def positions(self, group: str) -> tuple[Position, ...]:
        return self.session().admin.positions(group)

    def groups(self) -> tuple[str, ...]:
        return self.session().admin.groups()

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
