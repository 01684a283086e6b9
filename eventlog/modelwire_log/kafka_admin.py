"""What is asked of Kafka now and then: making topics, their settings, the positions of groups."""

# The client's admin module names its public classes by plain imports and leaves futures open.
# pyright: reportPrivateImportUsage=false, reportUnknownVariableType=false

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from threading import Lock
from typing import TypeVar

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    ConfigEntry,
    ConfigResource,
    ListConsumerGroupsResult,
    NewTopic,
    ResourceType,
)

from modelwire_log.contract import Position
from modelwire_log.kafka_client import Clients
from modelwire_log.kafka_errors import reason
from modelwire_log.kafka_position import from_topic

_WITHIN_S = 10.0

Answer = TypeVar("Answer")


class Admin:
    """An administrator's client, made when it is first needed; threads may share it."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._lock = Lock()
        self._client: AdminClient | None = None

    def create(
        self, topic: str, partitions: int, replication: int, settings: Mapping[str, str]
    ) -> bool:
        """Make a topic; False if it was there already. Replication -1 is the broker's default."""
        new = NewTopic(
            topic,
            num_partitions=partitions,
            replication_factor=replication,
            config=dict(settings),
        )
        futures: dict[str, Future[None]] = self._made().create_topics(
            [new], request_timeout=_WITHIN_S, operation_timeout=_WITHIN_S
        )
        try:
            futures[topic].result(_WITHIN_S)
        except KafkaException as failure:
            if reason(failure).code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return False
            raise self._clients.failure(failure, "making topic", topic) from None
        return True

    def settings(self, topic: str, timeout: float = _WITHIN_S) -> dict[str, str]:
        """Return a topic's settings as they are in force."""
        resource = ConfigResource(ResourceType.TOPIC, topic)
        futures: dict[ConfigResource, Future[dict[str, ConfigEntry]]]
        futures = self._made().describe_configs([resource], request_timeout=timeout)
        entries = self._result(futures[resource], "asking for the settings of", topic)
        return {name: entry.value for name, entry in entries.items() if entry.value is not None}

    def positions(self, group: str) -> tuple[Position, ...]:
        """Return the committed positions of a group."""
        return self._positions([group])[group]

    def groups(self) -> tuple[str, ...]:
        """Return the names of the groups that have positions."""
        future: Future[ListConsumerGroupsResult]
        future = self._made().list_consumer_groups(request_timeout=_WITHIN_S)
        found = self._result(future, "asking for", "groups")
        names = [group.group_id for group in found.valid or ()]
        return tuple(sorted(name for name, has in self._positions(names).items() if has))

    def _positions(self, groups: Iterable[str]) -> dict[str, tuple[Position, ...]]:
        client = self._made()
        asked: dict[str, Future[ConsumerGroupTopicPartitions]] = {}
        for group in groups:
            question = [ConsumerGroupTopicPartitions(group)]
            asked |= client.list_consumer_group_offsets(question, request_timeout=_WITHIN_S)
        found: dict[str, tuple[Position, ...]] = {}
        for group, future in asked.items():
            answer = self._result(future, "asking for the positions of", f"group {group}")
            topics = answer.topic_partitions or ()
            found[group] = tuple(from_topic(topic) for topic in topics if topic.offset >= 0)
        return found

    def _made(self) -> AdminClient:
        with self._lock:
            if self._client is None:
                self._client = self._clients.admin()
            return self._client

    def _result(self, future: Future[Answer], doing: str, where: str) -> Answer:
        try:
            return future.result(_WITHIN_S)
        except KafkaException as failure:
            raise self._clients.failure(failure, doing, where) from None
        except TimeoutError:
            late = KafkaError(KafkaError._TIMED_OUT)
            raise self._clients.error(late, doing, where) from None
