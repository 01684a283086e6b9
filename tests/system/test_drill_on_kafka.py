"""A drill beside a stream on Kafka: it only reads."""

import uuid
from pathlib import Path

import pytest

from modelwire_log.contract import Log, Place
from modelwire_log.open import open_log
from modelwire_router.demo.files import flights
from tests.router.cli.desk import Desk
from tests.router.drill.files import CANARY
from tests.system.broker import Broker

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


def test_a_drill_leaves_no_topic_no_record_and_no_group(
    kafka_broker: Broker, tmp_path: Path
) -> None:
    space = f"drilled-{uuid.uuid4().hex[:8]}"
    stream = f"{space}.flights"
    desk = Desk(tmp_path, kafka_broker.url, space)
    desk.ok("topics", "create", stream)
    desk.publish("1", "2")
    desk.ok("flip", "flights-late", "1")
    desk.ok("feed", stream, flights(), "--key-field", "tailnum", "--limit", 1500)
    with open_log(desk.url) as log:
        before = _all(log, space)
        path = desk.write("rollout.yaml", CANARY)
        words = ("drill", "-f", path, "--in", stream, "--last", 1500, "--bad", "failing")
        (row,) = desk.data(*words, "--timeout", "40s", "--cache", tmp_path / "cache")
        assert row["taken_back"]
        assert _all(log, space) == before


def _all(log: Log, space: str) -> tuple[set[str], dict[str, list[int]], set[str]]:
    """Return the streams of the broker, how far those of a namespace go, and the groups."""
    streams = log.streams()
    ours = {name: count for name, count in streams.items() if space in name}
    ends = {name: [log.end(Place(name, p)) for p in range(n)] for name, n in ours.items()}
    return set(streams), ends, set(log.groups())
