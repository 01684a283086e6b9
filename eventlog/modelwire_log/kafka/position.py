"""A group's position as Kafka stores it: an offset, and a short text with c and H beside it."""

import re

from confluent_kafka import Message as KafkaMessage, TopicPartition

from modelwire_log.contract import Place, Position

_NOTE = re.compile(r"c=(-1|\d{1,19});h=(-1|\d{1,19})", re.ASCII)


def to_topic(position: Position) -> TopicPartition:
    """Return what is to be stored: the next offset, and `c=…;h=…` (R13)."""
    place = position.place
    note = f"c={position.control};h={position.settled}"
    return TopicPartition(place.stream, place.partition, position.after + 1, metadata=note)


def from_topic(topic: TopicPartition) -> Position:
    """Return what was stored; another program's note says nothing of c and H."""
    note = _NOTE.fullmatch(topic.metadata or "")
    control, settled = (int(note[1]), int(note[2])) if note else (-1, -1)
    return Position(place_of(topic), topic.offset - 1, control, settled)


def where(message: KafkaMessage) -> tuple[str, int, int]:
    """Return the stream, partition and offset of a message that was sent or received."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if topic is None or partition is None or offset is None:
        raise ValueError("a message without its place is an event of the client")
    return topic, partition, offset


def place_of(topic: TopicPartition) -> Place:
    """Return the place that a client speaks of."""
    return Place(topic.topic, topic.partition)


def topic_of(place: Place) -> TopicPartition:
    """Return a place as a client wants it."""
    return TopicPartition(place.stream, place.partition)
