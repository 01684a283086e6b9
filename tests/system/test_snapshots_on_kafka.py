"""Snapshots on a real Kafka: compaction takes the old ones, and a topic may be missing."""

import secrets
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelwire.control.reading import control_place, fold_log
from modelwire.control.snapshots import EVERY, beginning, snapshot_place
from modelwire.control.state import State
from modelwire_log.contract import START
from modelwire_log.envelope import seal
from modelwire_log.kafka.log import KafkaLog
from modelwire_log.kafka.setup import create_topics
from modelwire_log.kafka.topics import control_topic, own_topics
from modelwire_router.snapshots import Snapshots
from modelwire_schemas.policy import PolicySet
from tests.consumer_sdk.control.making import record
from tests.system.broker import Broker
from tests.waiting import eventually

pytestmark = pytest.mark.system

EAGER = {"min.cleanable.dirty.ratio": "0.01", "segment.ms": "50", "min.compaction.lag.ms": "0"}


@pytest.fixture
def log(tmp_path: Path) -> Iterator[KafkaLog]:
    """Return a log whose broker compacts what it can at once."""
    with (
        Broker(tmp_path, extra={"log.cleaner.backoff.ms": "100"}) as broker,
        KafkaLog(broker.url) as opened,
    ):
        yield opened


def grow(log: KafkaLog, namespace: str, count: int) -> State:
    """Append so many commands and return the state behind them, folded from the beginning."""
    expires = int(time.time() * 1000) + 60_000
    asked = [record(PolicySet(500), secrets.token_hex(8), expires) for _ in range(count)]
    stream = control_place(namespace).stream
    log.append_batch(stream, [seal(one, source="test") for one in asked])
    return fold_log(log, namespace, state=State())


def test_the_newest_snapshot_outlives_compaction(log: KafkaLog) -> None:
    namespace = f"ns-{uuid.uuid4().hex[:8]}"
    stored = own_topics(namespace)[-1]
    log.session().admin.create(stored.name, 1, 1, {**stored.settings(1), **EAGER})
    create_topics(log, namespace, 1)
    keeper, place = Snapshots(log, namespace, "controller"), snapshot_place(namespace)
    grow(log, namespace, 1)

    def compacted() -> bool:
        keeper.keep(grow(log, namespace, EVERY))
        return log.read(place, START)[0].offset > 0

    eventually(compacted, within=60)
    whole = grow(log, namespace, 20)
    assert beginning(log, namespace, whole.offset).offset == whole.offset - 20
    assert fold_log(log, namespace) == whole


def test_a_namespace_without_the_topic_is_folded_whole(
    log: KafkaLog, caplog: pytest.LogCaptureFixture
) -> None:
    namespace = f"ns-{uuid.uuid4().hex[:8]}"
    control = control_topic(namespace)
    log.session().admin.create(control.name, 1, 1, control.settings(1))
    log.session().query.wait_for(control.name)
    whole = grow(log, namespace, EVERY + 1)
    Snapshots(log, namespace, "controller").keep(whole)
    assert [m for m in caplog.messages if "E_NO_STREAM" in m]
    started = time.monotonic()
    assert fold_log(log, namespace) == whole
    assert time.monotonic() - started < 5
