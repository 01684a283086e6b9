"""A rehearsal on a real Kafka: it reads the newest events of all partitions, and writes nothing."""

import uuid
from pathlib import Path

import orjson
import pytest

from modelwire_log.contract import Message, Place
from modelwire_log.kafka.log import KafkaLog
from modelwire_log.kafka.setup import create_topics
from modelwire_schemas.names import topic
from tests.router.cli.desk import Desk
from tests.system.broker import Broker
from tests.world import ROUTE, World, event, world_on

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

FILE = """
apiVersion: modelwire.io/v1
kind: Rollout
metadata: {name: late}
spec:
  stable: "1"
  candidate: "2"
  split: {salt: late}
  strategy:
    canary: {steps: [mirror: {percent: 100}, setWeight: 10, analysis: {templates: [guards]}]}
---
apiVersion: modelwire.io/v1
kind: AnalysisTemplate
metadata: {name: guards}
spec:
  metrics:
    - {name: errors, query: error_rate, max: 0.01, minSamples: 100}
    - {name: same, query: disagreement(late), max: 0.01, minSamples: 100}
    - {name: who, query: disagreement(version_id), max: 0.01, minSamples: 100}
"""


def sizes(world: World, *streams: str) -> list[int]:
    return [world.log.end(Place(s, p)) for s in streams for p in range(world.log.streams()[s])]


def test_the_newest_events_are_scored_by_both(
    kafka_broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELWIRE_CACHE", str(tmp_path / "cache"))
    space = f"ns-{uuid.uuid4().hex[:8]}"
    source, labels = f"{space}.events", f"{space}.labels"
    desk = Desk(tmp_path, kafka_broker.url, space)
    with world_on(kafka_broker.url, tmp_path, space) as world:
        assert isinstance(world.log, KafkaLog)
        create_topics(world.log, space, 1)
        for stream in (source, labels):
            world.log.create(stream, 2)
        world.release("1", "2")
        world.feed(source, [orjson.dumps(event(n % 2, n=n)) for n in range(600)])
        happened = [{"id": n, "late": n % 2} for n in range(600)]
        world.log.append_batch(labels, [Message(orjson.dumps(one)) for one in happened])
        own = [topic(space, kind) for kind in ("control", "fleet", "telemetry")]
        before = sizes(world, source, labels, *own)
        words = ("--in", source, "--last", 400, "--labels", labels, "--label-field", "late")
        path = desk.write("late.yaml", FILE)
        said = desk("--json", "rehearse", "-f", path, *words, "--event-id", "n")
        assert sizes(world, source, labels, *own) == before
    (row,) = said.rows
    assert (said.code, row["route"], row["events"]) == (1, ROUTE, 400)
    found = {one["metric"]: one["judgement"] for one in row["findings"]}
    assert found == {"errors": "pass", "same": "pass", "who": "fail"}
    assert row["labels"]["matched"] == 800
