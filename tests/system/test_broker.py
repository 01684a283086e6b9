"""The suite's own Kafka keeps what the other tests lean on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.system import jars
from tests.system.broker import PLAIN_USER, Broker, ClientSettings
from tests.waiting import eventually

pytestmark = pytest.mark.system


def make_topic(client: ClientSettings, topic: str) -> None:
    admin = AdminClient(client)  # named, since its end would end the request
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(10)


def append(client: ClientSettings, topic: str, value: bytes) -> None:
    producer = Producer(client)
    producer.produce(topic, value)
    assert producer.flush(10) == 0


def read(client: ClientSettings, topic: str, count: int) -> list[bytes | None]:
    consumer = Consumer(client | {"group.id": "none"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        return [message.value() for message in consumer.consume(count, 10)]
    finally:
        consumer.close()


def test_a_record_goes_through_the_plain_listener(kafka_broker: Broker) -> None:
    client: ClientSettings = {"bootstrap.servers": kafka_broker.bootstrap}
    make_topic(client, "broker-plain")
    append(client, "broker-plain", b"one")
    assert read(client, "broker-plain", 1) == [b"one"]


def test_a_record_goes_through_sasl_ssl(kafka_broker: Broker) -> None:
    assert kafka_broker.door is not None
    client = kafka_broker.door.settings() | {"bootstrap.servers": kafka_broker.door.bootstrap}
    make_topic(client, "broker-secure")
    append(client, "broker-secure", b"one")
    assert read(client, "broker-secure", 1) == [b"one"]


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        pytest.param({"sasl.password": "wrong"}, KafkaError._AUTHENTICATION, id="wrong-password"),
        # Without our authority the client asks those of the machine.
        pytest.param({"ssl.ca.location": ""}, KafkaError._SSL, id="unknown-authority"),
    ],
)
def test_sasl_ssl_turns_strangers_away(
    kafka_broker: Broker, changed: ClientSettings, complaint: int
) -> None:
    assert kafka_broker.door is not None
    settings = kafka_broker.door.settings() | {"log_level": 0} | changed
    seen: list[int] = []

    def note(error: KafkaError) -> None:
        seen.append(error.code())

    admin = AdminClient(
        settings | {"bootstrap.servers": kafka_broker.door.bootstrap}, error_cb=note
    )
    with pytest.raises(KafkaException):
        admin.list_topics(timeout=1)
    eventually(lambda: admin.poll(0.1) >= 0 and complaint in seen, what=f"error {complaint}")


def test_a_user_without_rights_sees_no_topic(kafka_broker: Broker) -> None:
    assert kafka_broker.door is not None
    make_topic({"bootstrap.servers": kafka_broker.bootstrap}, "broker-closed")
    settings = kafka_broker.door.settings(PLAIN_USER)
    admin = AdminClient(settings | {"bootstrap.servers": kafka_broker.door.bootstrap})
    assert "broker-closed" not in admin.list_topics(timeout=10).topics


def test_a_killed_broker_comes_back_with_its_records(tmp_path: Path) -> None:
    with Broker(tmp_path) as broker:
        client: ClientSettings = {"bootstrap.servers": broker.bootstrap, "log_level": 0}
        make_topic(client, "kept")
        append(client, "kept", b"one")
        broker.kill()
        broker.restart()
        assert read(client, "kept", 1) == [b"one"]
        broker.restart()
        assert read(client, "kept", 1) == [b"one"]


def test_a_paused_broker_answers_again_after_resume(tmp_path: Path) -> None:
    with Broker(tmp_path) as broker:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
        admin.list_topics(timeout=10)
        broker.pause()
        with pytest.raises(KafkaException):
            admin.list_topics(timeout=0.5)
        broker.resume()
        assert admin.list_topics(timeout=10).brokers


def test_run_gives_its_command_a_broker_and_hands_back_its_exit_code() -> None:
    script = (
        "import os; from confluent_kafka.admin import AdminClient as A;"
        "at = os.environ['MODELWIRE_LOG'].removeprefix('kafka://');"
        "raise SystemExit(40 + len(A({'bootstrap.servers': at}).list_topics(timeout=10).brokers))"
    )
    runner = [sys.executable, "-m", "tests.system.broker", "run", "--"]
    done = subprocess.run([*runner, sys.executable, "-c", script], check=False)
    assert done.returncode == 41


def test_without_the_jars_the_reason_names_the_remedy(tmp_path: Path) -> None:
    runner = [sys.executable, "-m", "tests.system.broker", "run", "--", "true"]
    done = subprocess.run(
        runner,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "run `make kafka`" in done.stderr
    assert "Traceback" not in done.stderr
    assert jars.home().is_dir()
