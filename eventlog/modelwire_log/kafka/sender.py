"""Appending to Kafka: one idempotent producer, and a report for every record or a clear error."""

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Lock

from confluent_kafka import KafkaError, KafkaException, Message as KafkaMessage, Producer

from modelwire_log.contract import Message, Receipt
from modelwire_log.kafka.client import Clients
from modelwire_log.kafka.errors import reason
from modelwire_log.kafka.position import where
from modelwire_schemas.errors import ModelwireError, Unavailable

_SLICE_S = 0.005
_LINGER_MS = 5
_UNKNOWN_OUTCOME = frozenset(
    {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT, KafkaError._MSG_TIMED_OUT}
)


class Sender:
    """Sends records and waits until the log has them; threads may share it.

    With `bulk` records travel in large batches, else each goes at once.
    """

    def __init__(self, clients: Clients, *, bulk: bool) -> None:
        self._clients = clients
        self._linger_ms = _LINGER_MS if bulk else 0
        self._lock = Lock()
        self._line: _Line | None = None

    def prepare(self) -> None:
        """Make the producer now: Kafka lets it number its records only half a second later."""
        with self._running():
            pass

    def send(
        self, records: Sequence[tuple[str, Message]], timeout: float, *, tombstones: bool = False
    ) -> list[Receipt]:
        """Append (stream, message) in order; return when the log has all of them.

        After `timeout` seconds nothing of them is sent any more, and Unavailable says that the
        outcome of what was under way is unknown. `tombstones` stand for their keys, without values.
        """
        deadline = time.monotonic() + timeout
        with self._running() as line:
            delivery = _Delivery(line.producer, len(records), tombstones=tombstones)
            for index, (stream, message) in enumerate(records):
                if not delivery.post(index, stream, message, deadline):
                    break
            delivery.wait(deadline, hurry=bool(self._linger_ms))
            if delivery.left or delivery.fatal:
                self._retire(line)
        if delivery.left or delivery.error:
            streams = ", ".join(sorted({stream for stream, _ in records}))
            raise self._why(delivery.error, streams, timeout)
        return [receipt for receipt in delivery.receipts if receipt is not None]

    def close(self) -> None:
        """Give the producer back; an append that another thread has under way fails."""
        if self._line is not None:
            with self._running() as line:
                self._retire(line)

    @contextmanager
    def _running(self) -> Generator["_Line"]:
        """Lend the producer; the last one to give a retired one back closes it."""
        with self._lock:
            line = self._line = self._line or _Line(self._clients.writer(self._linger_ms))
            line.users += 1
        try:
            yield line
        finally:
            with self._lock:
                line.users -= 1
                over = line.retired and not line.users
            if over:
                self._clients.forget(line.producer)
                line.producer.close()

    def _retire(self, line: "_Line") -> None:
        """End a producer with all that it holds, so that nothing is appended later unseen."""
        with self._lock:
            line.retired = True
            if self._line is line:
                self._line = None
        line.producer.purge()

    def _why(self, error: KafkaError | None, streams: str, timeout: float) -> ModelwireError:
        if error is not None and error.code() not in _UNKNOWN_OUTCOME:
            return self._clients.error(error, "appending to", streams)
        return Unavailable(
            "E_LOG_UNAVAILABLE",
            f"Kafka at {self._clients.servers} did not acknowledge a record for {streams}"
            f" within {timeout:.3g} s; whether it was appended is unknown",
            todo="append it again with the same id once Kafka is back",
        )


@dataclass(slots=True)
class _Line:
    """A producer and how many calls use it."""

    producer: Producer
    users: int = 0
    retired: bool = False


class _Delivery:
    """How the records of one call fare."""

    def __init__(self, producer: Producer, count: int, *, tombstones: bool) -> None:
        self._producer = producer
        self._tombstones = tombstones
        self.left = 0
        self.error: KafkaError | None = None
        self.receipts: list[Receipt | None] = [None] * count

    @property
    def fatal(self) -> bool:
        """Tell whether the producer is of no use any more."""
        return self.error is not None and self.error.fatal()

    def post(self, index: int, stream: str, message: Message, deadline: float) -> bool:
        """Hand a record to the producer; False if it does not take it."""
        while True:
            try:
                self._producer.produce(
                    stream,
                    None if self._tombstones else message.value,
                    message.key,
                    -1 if message.partition is None else message.partition,
                    on_delivery=partial(self._report, index),
                    timestamp=0 if message.timestamp is None else message.timestamp,
                    headers=list(message.headers),
                )
            except BufferError:  # its queue is full
                if time.monotonic() > deadline:
                    self.error = KafkaError(KafkaError._QUEUE_FULL)
                    return False
                self._producer.poll(_SLICE_S)
            except KafkaException as failure:
                self.error = reason(failure)
                return False
            else:
                self.left += 1
                return True

    def wait(self, deadline: float, *, hurry: bool) -> None:
        """Return when nothing is under way any more, something failed, or the time is over.

        With `hurry` batches do not wait to fill any longer.
        """
        if hurry:
            self._producer.flush(max(0.0, deadline - time.monotonic()))
        while self.left and self.error is None and time.monotonic() < deadline:
            self._producer.poll(_SLICE_S)

    def _report(self, index: int, error: KafkaError | None, message: KafkaMessage) -> None:
        self.left -= 1
        if error is not None:
            self.error = self.error or error
            return
        self.receipts[index] = Receipt(*where(message), message.timestamp()[1])
