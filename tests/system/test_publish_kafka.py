"""Publishing onto a real Kafka: chunks in partitions, one record last, all within bounds."""

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelwire.control.reading import control_place
from modelwire.loading.cache import Cache
from modelwire.loading.fetch import fetch
from modelwire_log.envelope import open_envelope
from modelwire_log.kafka.log import KafkaLog
from modelwire_log.kafka.setup import create_topics
from modelwire_publisher import PublishedRelease, publish
from modelwire_schemas.control import ControlRecord
from modelwire_schemas.errors import Conflict, NotFound, Unavailable
from modelwire_schemas.names import topic
from modelwire_schemas.release import ReleasePublished
from tests.models.good import mlp, save_sized
from tests.system.broker import Broker
from tests.system.ports import free_ports

pytestmark = pytest.mark.system

FIELDS = ("a", "b", "c", "d")


@pytest.fixture
def log(kafka_broker: Broker) -> Iterator[KafkaLog]:
    with KafkaLog(kafka_broker.url) as opened:
        yield opened


@pytest.fixture
def namespace(log: KafkaLog) -> str:
    name = f"ns-{uuid.uuid4().hex[:8]}"
    create_topics(log, name)
    return name


def releases(log: KafkaLog, namespace: str) -> list[ReleasePublished]:
    records = log.read(control_place(namespace), -1)
    opened = [open_envelope(record) for record in records]
    bodies = [event.body for event in opened if isinstance(event, ControlRecord)]
    return [body for body in bodies if isinstance(body, ReleasePublished)]


def test_a_large_model_is_published_and_fetched(
    log: KafkaLog, namespace: str, tmp_path: Path
) -> None:
    path = save_sized(tmp_path / "large.onnx", 9)

    def again(there: KafkaLog | str) -> PublishedRelease:
        return publish(
            path, model="late", version="1", log=there, namespace=namespace, fields=FIELDS
        )

    first, second = again(log), again(log.url)
    assert (first.where, first.form, first.already) == ("chunks", "mapped", False)
    assert (second.offset, second.already) == (first.offset, True)
    (release,) = releases(log, namespace)
    folder = fetch(release, log, topic(namespace, "artifacts"), Cache(tmp_path / "cache"))
    assert (folder / "model.weights").stat().st_size == release.artifact.files[1].size


def test_a_version_never_has_two_digests(log: KafkaLog, namespace: str, tmp_path: Path) -> None:
    def published(seed: int) -> PublishedRelease:
        path = tmp_path / f"{seed}.onnx"
        path.write_bytes(mlp(seed=seed))
        return publish(path, model="late", version="1", log=log, namespace=namespace, fields=FIELDS)

    published(1)
    with pytest.raises(Conflict, match="E_CONFLICT"):
        published(2)
    assert len(releases(log, namespace)) == 1


def test_topics_that_are_not_there_are_told(log: KafkaLog, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(mlp())
    with pytest.raises(NotFound, match=r"E_NO_STREAM|modelwire topics create"):
        publish(path, model="late", version="1", log=log, namespace="nobody", fields=FIELDS)


def test_a_broker_that_is_away_is_told_in_time(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(mlp())
    (port,) = free_ports(1)
    started = time.monotonic()
    with pytest.raises(Unavailable, match="E_LOG_UNAVAILABLE"):
        publish(
            path,
            model="late",
            version="1",
            log=f"kafka://127.0.0.1:{port}",
            fields=FIELDS,
            timeout=2.0,
        )
    assert time.monotonic() - started < 20
