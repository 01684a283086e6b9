"""What a message of a Kafka client says of its event: key, time, headers, place."""

from collections.abc import Mapping
from typing import Any, TypedDict


class EventArguments(TypedDict):
    """What `predict` takes beside the event."""

    key: bytes | None
    at: int | None
    headers: Mapping[str, object]
    source: tuple[str, int, int]


def from_kafka(message: Any) -> EventArguments:  # noqa: ANN401 - any client's message class
    """Return key, time (ms), headers and coordinates of a confluent-kafka message.

    Use it as `route.predict(event, **modelwire.from_kafka(message))`.
    """
    kind, timestamp = message.timestamp()
    return EventArguments(
        key=message.key(),
        at=timestamp if kind and timestamp >= 0 else None,
        headers=dict(message.headers() or ()),
        source=(message.topic(), message.partition(), message.offset()),
    )
