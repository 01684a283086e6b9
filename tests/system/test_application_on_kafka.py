"""An application, a scorer and the operator's verbs on a real Kafka, also while it is away."""

import signal
import time
import uuid
from collections import Counter
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import Message as KafkaMessage, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

import modelwire as sdk
from modelwire_log.contract import Message
from modelwire_log.kafka.log import KafkaLog
from modelwire_log.whole import all_records
from modelwire_publisher import publish
from modelwire_router.demo.files import flights, model
from modelwire_router.feed import read_events
from modelwire_schemas.errors import NotReady
from modelwire_schemas.names import topic
from tests.processes import modelwire, running
from tests.router.cli.desk import Desk
from tests.system.broker import Broker
from tests.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

ROUTE = "flights-late"


def namespace() -> str:
    return f"ns-{uuid.uuid4().hex[:8]}"


def landed(count: int) -> list[Message]:
    events = islice(read_events(flights(), key_field="tailnum"), count)
    return [Message(event.value, event.key) for event in events]


def at_least(desk: Desk, stream: str, count: int) -> bool:
    return desk.size(stream) >= count


@pytest.fixture
def desk(kafka_broker: Broker, tmp_path: Path) -> Desk:
    """Return a terminal in a namespace of its own, with version 1 in force."""
    made = Desk(tmp_path, kafka_broker.url, namespace())
    made.ok("topics", "create")
    made.publish("1", "2")
    made.ok("flip", ROUTE, "1")
    return made


def test_three_lines_embed_a_model_and_a_message_says_the_rest(
    kafka_broker: Broker, tmp_path: Path
) -> None:
    space, stream = namespace(), f"events-{uuid.uuid4().hex[:8]}"
    desk = Desk(tmp_path, kafka_broker.url, space)
    desk.ok("topics", "create", stream, "--partitions", 2)
    publish(model("v1"), model=ROUTE, version="1", log=kafka_broker.url, namespace=space)
    desk.ok("flip", ROUTE, "1")
    flight = landed(1)[0]
    message = _sent(kafka_broker, stream, flight)
    with sdk.connect(kafka_broker.url, namespace=space, cache=tmp_path / "cache") as models:
        route = models.route(ROUTE)
        route.wait_until_ready(timeout=30)
        answer = route.predict(orjson.loads(flight.value), **sdk.from_kafka(message))
        assert 0 < answer.value < 1
        assert (answer.version, answer.stale, answer.unsettled) == ("1", False, False)
        desk.publish("2")
        desk.ok("split", ROUTE, "1=50", "2=50")
        eventually(lambda: route.predict(orjson.loads(flight.value), key="k").reason == "split")
        told = route.predict(orjson.loads(flight.value), **sdk.from_kafka(message))
        assert told.version == "1", "the message is of a time before the split"


def _sent(broker: Broker, stream: str, message: Message) -> KafkaMessage:
    """Send a message with the plain client, and return it as its consumer would see it."""
    seen: list[Any] = []
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    producer.produce(
        stream,
        message.value,
        message.key,
        headers={"trace": b"t"},
        on_delivery=lambda error, sent: seen.append((error, sent)),
    )
    producer.flush(20)
    ((error, sent),) = seen
    assert error is None
    return sent  # type: ignore[no-any-return]


def test_a_stream_is_scored_with_nothing_lost_though_a_scorer_is_killed(desk: Desk) -> None:
    events, scores = f"{desk.namespace}-events", f"{desk.namespace}-scores"
    desk.ok("topics", "create", events, scores, f"{scores}.dead-letters", "--partitions", 4)
    words = ["--log", desk.url, "--namespace", desk.namespace, "score", "--route", ROUTE]
    words += ["--in", events, "--out", scores, "--group", desk.namespace]
    command = modelwire(*words, "--cache", desk.folder / "cache")
    with KafkaLog(desk.url) as log, running(*command) as one, running(*command) as other:
        for part in range(3):
            log.append_batch(events, [*landed(500), Message(b"no flight", b"k")])
            eventually(partial(at_least, desk, scores, 500 * part + 300), within=40)
            if part == 1:
                one.kill()
        eventually(lambda: desk.size(scores) >= 1500, within=60)
        eventually(lambda: desk.size(f"{scores}.dead-letters") >= 3, within=30)
        other.send(signal.SIGTERM)
        code, out, errors = other.end()
        assert code == 0, errors
        outputs = [orjson.loads(record.value) for record in all_records(log, scores)]
        sources = {f"{r.stream}/{r.partition}/{r.offset}" for r in all_records(log, events)}
        dead = {
            dict(r.headers)["modelwire-source"].decode()
            for r in all_records(log, f"{scores}.dead-letters")
        }
    assert "outputs" in out
    by_id = Counter(value["id"] for value in outputs)
    assert sources - set(by_id) - dead == set(), "lost"
    assert {value["served_by"] for value in outputs} == {"1"}
    for value in outputs:
        place = value["source"]
        assert value["id"] == f"{place['stream']}/{place['partition']}/{place['offset']}"


def test_an_application_goes_on_while_the_broker_is_away_and_recovers(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    with Broker(tmp_path_factory.mktemp("kafka-stopped")) as broker:
        desk = Desk(tmp_path, broker.url, "prod")
        desk.ok("topics", "create")
        desk.publish("1", "2")
        desk.ok("flip", ROUTE, "1")
        flight = orjson.loads(landed(1)[0].value)
        with sdk.connect(broker.url, namespace="prod", cache=tmp_path / "cache") as models:
            route = models.route(ROUTE)
            route.wait_until_ready(30)
            before = route.predict(flight).value
            broker.stop()
            eventually(lambda: route.predict(flight).stale, within=20)
            answer = route.predict(flight)
            assert (answer.value, answer.version) == (before, "1")
            began = time.monotonic()
            with sdk.connect(broker.url, namespace="prod", cache=tmp_path / "cache") as late:
                assert time.monotonic() - began < 5
                late.route(ROUTE).wait_until_ready(30)
                assert late.route(ROUTE).predict(flight).stale
            broker.start()
            eventually(lambda: not route.predict(flight).stale, within=60)
            desk.ok("flip", ROUTE, "2")
            eventually(lambda: route.predict(flight).version == "2", within=20)


def test_a_broker_that_was_never_there_is_why_nothing_is_ready(tmp_path: Path) -> None:
    began = time.monotonic()
    with sdk.connect("kafka://127.0.0.1:9", cache=tmp_path / "cache") as models:
        assert time.monotonic() - began < 5
        with pytest.raises(NotReady, match="E_LOG_UNAVAILABLE"):
            models.route(ROUTE).wait_until_ready(4)
    assert time.monotonic() - began < 15


def test_topics_are_made_checked_and_printed(kafka_broker: Broker, tmp_path: Path) -> None:
    desk = Desk(tmp_path, kafka_broker.url, namespace())
    missing = desk("topics", "check")
    assert missing.code == 5
    assert "modelwire" in missing.out
    assert "topics create" in missing.out
    made = desk.data("topics", "create")
    assert {"made": topic(desk.namespace, "control")} in made
    assert desk.ok("topics", "check").out == ""
    printed = desk.ok("topics", "print").out
    assert topic(desk.namespace, "control") in printed
    assert "retention.ms=-1" in printed


WRONG: dict[str, tuple[int, dict[str, str]]] = {
    "two partitions": (2, {}),
    "compacted": (1, {"cleanup.policy": "compact"}),
    "forgets": (1, {"retention.ms": "3600000"}),
    "the writer's time": (1, {"message.timestamp.type": "CreateTime"}),
}
RIGHT = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "message.timestamp.type": "LogAppendTime",
}


@pytest.mark.parametrize(("partitions", "changed"), WRONG.values(), ids=WRONG)
def test_a_control_topic_with_wrong_settings_is_refused_with_what_mends_it(
    kafka_broker: Broker, tmp_path: Path, partitions: int, changed: dict[str, str]
) -> None:
    desk = Desk(tmp_path, kafka_broker.url, namespace())
    control = topic(desk.namespace, "control")
    admin = AdminClient({"bootstrap.servers": kafka_broker.bootstrap})
    wanted = NewTopic(control, partitions, 1, config={**RIGHT, **changed})
    admin.create_topics([wanted])[control].result(20)
    said = desk("topics", "check")
    assert said.code == 5
    fault = next(line for line in said.out.splitlines() if control in line)
    for name in changed:
        assert name in fault
        assert "kafka-configs" in fault or "modelwire topics" in fault
    refused = desk("publish", ROUTE, model("v1"), "--version", "1")
    assert (refused.code, refused.out) == (5, "")
    assert control in refused.err
    cache = tmp_path / "cache"
    with (
        sdk.connect(kafka_broker.url, namespace=desk.namespace, cache=cache) as models,
        pytest.raises(NotReady, match=control),
    ):
        models.route(ROUTE).wait_until_ready(4)
