"""Questions to Kafka about its streams: which there are, how far they go, where a time lies."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from confluent_kafka import KafkaException, TopicPartition

from modelwire_log.contract import Place
from modelwire_log.kafka_client import Clients
from modelwire_log.kafka_errors import no_stream
from modelwire_schemas.errors import ModelwireError, NotFound, Unavailable

_MADE_WITHIN_S = 10.0
_LOOK_AGAIN_S = 0.05
_LEAST_S = 0.1

Answer = TypeVar("Answer")


class Query:
    """Asks, within a time, on a client of its own that threads may share."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._consumer = clients.follower()
        self._known: dict[str, int] = {}

    def streams(self, timeout: float) -> Mapping[str, int]:
        """Return how many partitions each topic has, Kafka's own left out."""
        found = self._ask(lambda left: self._consumer.list_topics(timeout=left), "all", timeout)
        return {
            name: len(topic.partitions)
            for name, topic in found.topics.items()
            if topic.error is None and not name.startswith("__")
        }

    def partitions(self, stream: str, timeout: float) -> int:
        """Return how many partitions a stream has; raises NotFound `E_NO_STREAM`."""
        if stream not in self._known:
            found = self._ask(
                lambda left: self._consumer.list_topics(stream, timeout=left), stream, timeout
            ).topics[stream]
            if found.error is not None:
                raise self._clients.error(found.error, "looking for", stream)
            self._known[stream] = len(found.partitions)
        return self._known[stream]

    def check_all(self, streams: Iterable[str], timeout: float, *, again: bool = False) -> None:
        """Raise NotFound `E_NO_STREAM` unless all are there; `again` asks a broker in any case."""
        for stream in streams:
            if again:
                self._known.pop(stream, None)
            self.partitions(stream, timeout)

    def check(self, place: Place, timeout: float) -> None:
        """Raise NotFound `E_NO_STREAM` unless the place is there."""
        if place.partition >= (count := self.partitions(place.stream, timeout)):
            raise no_stream(str(place), f"it has {count} partitions")

    def wait_for(self, stream: str) -> None:
        """Return once a topic that was just made is known here, with a leader for each part."""
        deadline = time.monotonic() + _MADE_WITHIN_S
        while True:
            try:
                for partition in range(self.partitions(stream, _MADE_WITHIN_S)):
                    self.end(Place(stream, partition), _MADE_WITHIN_S)
            except ModelwireError:
                if time.monotonic() > deadline:
                    raise
                self._consumer.poll(_LOOK_AGAIN_S)
            else:
                return

    def end(self, place: Place, timeout: float) -> int:
        """Return the offset of the last record that can be read; -1 if there is none."""
        topic = TopicPartition(place.stream, place.partition)
        _, high = self._of(
            place, lambda left: self._consumer.get_watermark_offsets(topic, left), timeout
        )
        return high - 1

    def offset_at(self, place: Place, time_ms: int, timeout: float) -> int:
        """Return the first offset with that time or a later one; behind the end if none."""
        deadline = time.monotonic() + timeout
        topic = TopicPartition(place.stream, place.partition, max(0, time_ms))
        found = self._of(
            place, lambda left: self._consumer.offsets_for_times([topic], left), timeout
        )[0]
        if found.error is not None:
            raise self._clients.error(found.error, "asking for a time in", place)
        if found.offset >= 0:
            return found.offset
        return self.end(place, _left(deadline)) + 1

    def close(self) -> None:
        """Give the client back."""
        self._clients.forget(self._consumer)
        self._consumer.close()

    def _of(self, place: Place, ask: Callable[[float], Answer], timeout: float) -> Answer:
        """Ask about a place until the time is over: a client that was cut off knows little.

        What it does not know is missing only if a broker says so.
        """
        deadline = time.monotonic() + timeout
        while True:
            self.check(place, _left(deadline))
            try:
                return self._ask(ask, place, _left(deadline))
            except (NotFound, Unavailable) as error:
                self._known.pop(place.stream, None)
                if time.monotonic() > deadline or error.code == "E_LOG_DENIED":
                    raise
                self._consumer.poll(_LOOK_AGAIN_S)

    def _ask(self, ask: Callable[[float], Answer], where: object, timeout: float) -> Answer:
        try:
            return ask(timeout)
        except KafkaException as failure:
            self._consumer.poll(0)  # lets it say why
            raise self._clients.failure(failure, "asking about", where) from None


def _left(deadline: float) -> float:
    return max(_LEAST_S, deadline - time.monotonic())
