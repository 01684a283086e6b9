"""Reading one place of Kafka forward, without a group, up to what is there now."""

import time
from collections import deque
from typing import cast

from confluent_kafka import KafkaError, Message as KafkaMessage, TopicPartition

from modelwire_log.contract import Place, Record
from modelwire_log.kafka.client import Clients
from modelwire_log.kafka.position import where
from modelwire_schemas.errors import ModelwireError

_AT_ONCE = 1000
_TROUBLE = frozenset({"E_CORRUPT", "E_LOG_DENIED"})


def record(message: KafkaMessage) -> Record:
    """Return a consumed message as a record; a tombstone has an empty value."""
    time_ms = message.timestamp()[1]
    headers = cast("list[tuple[str, bytes | None]] | None", message.headers())
    return Record(
        *where(message),
        time_ms,
        time_ms,
        message.value() or b"",
        message.key(),
        tuple((name, value or b"") for name, value in headers) if headers else (),
    )


class Reader:
    """A client that goes forward in one place; one thread at a time may use it.

    It never goes back: a client that is sent elsewhere first waits for the fetch that it has
    under way, which takes longer than a new client.
    """

    def __init__(self, clients: Clients, place: Place, after: int) -> None:
        self.place = place
        self.after = after
        self.spoilt = False
        self._clients = clients
        self._ahead: deque[Record] = deque()
        self._reached = after
        self._trouble: ModelwireError | None = None
        self._consumer = clients.follower()
        self._consumer.assign([TopicPartition(place.stream, place.partition, after + 1)])

    @property
    def has_some(self) -> bool:
        """Tell whether records behind `after` have arrived already."""
        return bool(self._ahead)

    def read(self, last: int, limit: int, deadline: float) -> list[Record]:
        """Return up to `limit` records behind `self.after`, waiting for those up to offset `last`.

        Raises the trouble that it met once everything before it has been returned.
        """
        while len(self._ahead) < limit and self._reached < last and not self._trouble:
            if not self._take(deadline):
                break
        found = [self._ahead.popleft() for _ in range(min(limit, len(self._ahead)))]
        if found:
            self.after = found[-1].offset
        elif self._trouble or self._reached < last:
            late = KafkaError(KafkaError._TIMED_OUT)
            raise self._trouble or self._clients.error(late, "reading", self.place)
        return found

    def wait(self, deadline: float) -> bool:
        """Wait for a record behind `self.after`; False if there is none by the deadline."""
        while not self._ahead and not self._trouble and self._take(deadline):
            pass
        return bool(self._ahead or self._trouble)

    def close(self) -> None:
        """Give the client back."""
        self._clients.forget(self._consumer)
        self._consumer.close()

    def _take(self, deadline: float) -> bool:
        """Take what arrives, waiting for the first; False when the time is over."""
        first = self._consumer.poll(max(0.0, deadline - time.monotonic()))
        if first is None:
            return False
        for message in (first, *self._consumer.consume(_AT_ONCE, 0)):
            self._hear(message)
        return True

    def _hear(self, message: KafkaMessage) -> None:
        error, offset = message.error(), message.offset()
        if error is None:
            self._ahead.append(record(message))
            self._reached = self._ahead[-1].offset
        elif error.code() == KafkaError._PARTITION_EOF and offset is not None:
            self._reached = max(self._reached, offset - 1)
        elif error.code() != KafkaError.GROUP_AUTHORIZATION_FAILED:  # it needs no group
            self._stumble(self._clients.error(error, "reading", self.place))

    def _stumble(self, trouble: ModelwireError) -> None:
        if trouble.code in _TROUBLE:
            self._trouble = self._trouble or trouble
        self.spoilt = self.spoilt or trouble.code != "E_LOG_UNAVAILABLE"  # a new client helps
