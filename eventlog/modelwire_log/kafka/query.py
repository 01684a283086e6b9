"""Questions to Kafka about its streams: which there are, how far they go, where a time lies."""

import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import TypeVar

from confluent_kafka import Consumer, KafkaException, TopicPartition

from modelwire_log.contract import Place
from modelwire_log.kafka.client import Clients
from modelwire_log.kafka.errors import no_stream
from modelwire_log.kafka.position import topic_of
from modelwire_schemas.errors import ModelwireError, NotFound, Unavailable

_MADE_WITHIN_S = 10.0
_LOOK_AGAIN_S = 0.05
_LEAST_S = 0.1
_MOST_IDLE = 4

Answer = TypeVar("Answer")


class Query:
    """Asks, within a time. Threads may share it: each call has a client for itself.

    A client serves one call at a time, so a second one would wait for the first one's timeout.
    """

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._lock = Lock()
        self._idle: list[Consumer] = [clients.follower()]
        self._closed = False
        self._known: dict[str, int] = {}

    def streams(self, timeout: float) -> Mapping[str, int]:
        """Return how many partitions each topic has, Kafka's own left out."""
        with self._client() as client:
            found = self._ask(client, lambda: client.list_topics(timeout=timeout), "streams")
        return {
            name: len(topic.partitions)
            for name, topic in found.topics.items()
            if topic.error is None and not name.startswith("__")
        }

    def partitions(self, stream: str, timeout: float) -> int:
        """Return how many partitions a stream has; raises NotFound `E_NO_STREAM`."""
        known = self._known.get(stream)
        if known is not None:
            return known
        with self._client() as client:
            return self._partitions(client, stream, timeout)

    def look_again(self, streams: Iterable[str], timeout: float) -> None:
        """Have a broker say that all streams are there; raises NotFound `E_NO_STREAM`."""
        with self._client() as client:
            for stream in streams:
                self._known.pop(stream, None)
                self._partitions(client, stream, timeout)

    def wait_for(self, stream: str) -> None:
        """Return once a topic that was just made is known here, with a leader for each part."""
        deadline = time.monotonic() + _MADE_WITHIN_S
        with self._client() as client:
            while True:
                try:
                    for partition in range(self._partitions(client, stream, _left(deadline))):
                        self.end(Place(stream, partition), _left(deadline))
                except ModelwireError:
                    if time.monotonic() > deadline:
                        raise
                    client.poll(_LOOK_AGAIN_S)
                else:
                    return

    def end(self, place: Place, timeout: float) -> int:
        """Return the offset of the last record that can be read; -1 if there is none."""
        topic = topic_of(place)
        _, high = self._of(
            place, lambda client, left: client.get_watermark_offsets(topic, left), timeout
        )
        return high - 1

    def offset_at(self, place: Place, time_ms: int, timeout: float) -> int:
        """Return the first offset with that time or a later one; behind the end if none."""
        deadline = time.monotonic() + timeout
        topic = TopicPartition(place.stream, place.partition, max(0, time_ms))
        found = self._of(
            place, lambda client, left: client.offsets_for_times([topic], left), timeout
        )[0]
        if found.error is not None:
            raise self._clients.error(found.error, "asking for a time in", place)
        return found.offset if found.offset >= 0 else self.end(place, _left(deadline)) + 1

    def close(self) -> None:
        """Close all clients; those that are lent are closed when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for client in idle:
            self._clients.forget(client)
            client.close()

    @contextmanager
    def _client(self) -> Generator[Consumer]:
        with self._lock:
            client = self._idle.pop() if self._idle else None
        client = client or self._clients.follower()
        try:
            yield client
        finally:
            with self._lock:
                keep = not self._closed and len(self._idle) < _MOST_IDLE
                if keep:
                    self._idle.append(client)
            if not keep:
                self._clients.forget(client)
                client.close()

    def _partitions(self, client: Consumer, stream: str, timeout: float) -> int:
        known = self._known.get(stream)
        if known is not None:
            return known
        found = self._ask(client, lambda: client.list_topics(stream, timeout=timeout), stream)
        topic = found.topics[stream]
        if topic.error is not None:
            raise self._clients.error(topic.error, "looking for", stream)
        self._known[stream] = len(topic.partitions)
        return len(topic.partitions)

    def _of(self, place: Place, ask: Callable[[Consumer, float], Answer], timeout: float) -> Answer:
        """Ask about a place until the time is over: a client that was cut off knows little.

        What it does not know is missing only if a broker says so.
        """
        deadline = time.monotonic() + timeout
        with self._client() as client:
            while True:
                count = self._partitions(client, place.stream, _left(deadline))
                if place.partition >= count:
                    raise no_stream(str(place), f"the stream has {count} partitions")
                try:
                    return self._ask(client, lambda: ask(client, _left(deadline)), place)
                except (NotFound, Unavailable) as error:
                    self._known.pop(place.stream, None)
                    if time.monotonic() > deadline or error.code == "E_LOG_DENIED":
                        raise
                    client.poll(_LOOK_AGAIN_S)

    def _ask(self, client: Consumer, ask: Callable[[], Answer], where: object) -> Answer:
        try:
            return ask()
        except KafkaException as failure:
            client.poll(0)  # lets it say why
            raise self._clients.failure(failure, "asking about", where) from None


def _left(deadline: float) -> float:
    return max(_LEAST_S, deadline - time.monotonic())
