"""Telemetry, shadows and labels on a real Kafka: topics are made first, and then all is told."""

import uuid
from pathlib import Path

import orjson
import pytest

from modelwire.scoring.labelling import LabelJob, LabelJoin
from modelwire.scoring.labels import Terms
from modelwire.scoring.scorer import Job, Scorer
from modelwire_log.contract import Message
from modelwire_log.kafka.log import KafkaLog
from modelwire_log.kafka.setup import create_topics
from modelwire_router.analysis.samples import Samples
from modelwire_router.telemetry import TelemetryReader
from modelwire_schemas.routing import BUCKETS, RoutingDocument, Rule, Shadow, Variant
from modelwire_schemas.telemetry import Role
from tests.system.broker import Broker
from tests.world import READY_S, ROUTE, event, world_on

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

COUNT = 400


def test_what_is_scored_is_paired_told_and_labelled(kafka_broker: Broker, tmp_path: Path) -> None:
    space = f"ns-{uuid.uuid4().hex[:8]}"
    source, sink, labels = (f"{space}.{word}" for word in ("events", "scores", "labels"))
    with world_on(kafka_broker.url, tmp_path, space) as world:
        assert isinstance(world.log, KafkaLog)
        create_topics(world.log, space, 1)
        for stream in (source, sink, f"{sink}.dead-letters", f"{sink}.shadow", labels):
            world.log.create(stream, 2)
        world.release("1", "2")
        rule = Rule("all", (Variant("stable", "1", ((0, BUCKETS),)),))
        world.write(RoutingDocument(ROUTE, ROUTE, (rule,), (Shadow("2", 5000, "dark"),)))
        world.feed(source, [orjson.dumps(event(n / COUNT)) for n in range(COUNT)])
        with world.connect() as models:
            models.route(ROUTE).wait_until_ready(READY_S)
            job = Job(route=ROUTE, source=source, sink=sink, group=space)
            assert Scorer(models, models.log, job).run(until_end=True).outputs == COUNT
        outputs = [orjson.loads(record.value) for record in world.read(sink)]
        pairs = [orjson.loads(record.value) for record in world.read(f"{sink}.shadow")]
        happened = [{"id": o["id"], "late": int(o["outputs"]["late"] > 0.5)} for o in outputs]
        world.log.append_batch(labels, [Message(orjson.dumps(one)) for one in happened])
        terms = Terms(route=ROUTE, label_field="late", output="late")
        join = LabelJoin(world.log, space, LabelJob(terms=terms, outputs=sink, labels=labels))
        joined = join.run(until_end=True)
        samples = Samples()
        for report, at in TelemetryReader(world.log, space).read():
            assert samples.add(report, at) == ()
    windows = samples.windows(ROUTE)
    live = [window for window in windows if window.role is Role.LIVE]
    shadow = [window for window in windows if window.role is Role.SHADOW]
    assert sum(window.predictions for window in live) == COUNT
    assert sum(window.predictions for window in shadow) == len(pairs)
    assert 0 < len(pairs) < COUNT
    assert joined.matched == COUNT + len(pairs)
    matched = [outcome.labels for window in windows for outcome in window.outcomes]
    assert sum(matched) == joined.matched
