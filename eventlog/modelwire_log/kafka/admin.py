"""What is asked of Kafka now and then: making topics, their settings, the positions of groups."""

# The client's admin module names its public classes by plain imports and leaves futures open.
# pyright: reportPrivateImportUsage=false, reportUnknownVariableType=false

from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import Future
from contextlib import contextmanager

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
from modelwire_log.kafka.client import Clients
from modelwire_log.kafka.errors import reason
from modelwire_log.kafka.position import from_topic

_WITHIN_S = 10.0
_FOUND_WITHIN_S = 5.0


class Admin:
    """Asks on a client that lives for one question only.

    Kafka's client ends the process when a question that timed out meets the broker that came
    back. So it asks only where a broker answers, and never outlives its question.
    """

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

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
        with self._asking("making topic", topic) as client:
            futures: dict[str, Future[None]] = client.create_topics(
                [new], request_timeout=_WITHIN_S, operation_timeout=_WITHIN_S
            )
            try:
                futures[topic].result(_WITHIN_S)
            except KafkaException as failure:
                if reason(failure).code() == KafkaError.TOPIC_ALREADY_EXISTS:
                    return False
                raise
        return True

    def settings(self, topic: str, timeout: float = _WITHIN_S) -> dict[str, str]:
        """Return a topic's settings as they are in force."""
        resource = ConfigResource(ResourceType.TOPIC, topic)
        with self._asking("asking for the settings of", topic, timeout) as client:
            futures: dict[ConfigResource, Future[dict[str, ConfigEntry]]]
            futures = client.describe_configs([resource], request_timeout=timeout)
            entries = futures[resource].result(timeout)
        return {name: entry.value for name, entry in entries.items() if entry.value is not None}

    def positions(self, group: str) -> tuple[Position, ...]:
        """Return the committed positions of a group."""
        with self._asking("asking for the positions of group", group) as client:
            return _positions(client, [group])[group]

    def groups(self) -> tuple[str, ...]:
        """Return the names of the groups that have positions."""
        with self._asking("asking for", "groups") as client:
            future: Future[ListConsumerGroupsResult]
            future = client.list_consumer_groups(request_timeout=_WITHIN_S)
            names = [group.group_id for group in future.result(_WITHIN_S).valid or ()]
            return tuple(sorted(name for name, has in _positions(client, names).items() if has))

    @contextmanager
    def _asking(self, doing: str, where: str, timeout: float = _WITHIN_S) -> Generator[AdminClient]:
        """Lend a client that has a broker, and word what goes wrong."""
        client = self._clients.admin()
        try:
            with client:
                self._find_a_broker(client, timeout)
                yield client
        except KafkaException as failure:
            raise self._clients.failure(failure, doing, where) from None
        except TimeoutError:
            late = KafkaError(KafkaError._TIMED_OUT)
            raise self._clients.error(late, doing, where) from None
        finally:
            self._clients.forget(client)

    @staticmethod
    def _find_a_broker(client: AdminClient, timeout: float) -> None:
        try:
            client.cluster_id(timeout=min(timeout, _FOUND_WITHIN_S))
        except KafkaException as failure:  # whose text speaks of brokers that are too old
            client.poll(0)  # lets it say why
            raise KafkaException(KafkaError(reason(failure).code())) from None


def _positions(client: AdminClient, groups: Iterable[str]) -> dict[str, tuple[Position, ...]]:
    asked: dict[str, Future[ConsumerGroupTopicPartitions]] = {}
    for group in groups:
        question = [ConsumerGroupTopicPartitions(group)]
        asked |= client.list_consumer_group_offsets(question, request_timeout=_WITHIN_S)
    found: dict[str, tuple[Position, ...]] = {}
    for group, future in asked.items():
        topics = future.result(_WITHIN_S).topic_partitions or ()
        found[group] = tuple(from_topic(topic) for topic in topics if topic.offset >= 0)
    return found
