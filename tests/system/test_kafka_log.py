"""A log on a real Kafka: its topics, its rights, its secrets."""

import logging
import shlex
import subprocess
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import cast

import pytest
from confluent_kafka.admin import (
    AclBinding,  # pyright: ignore[reportPrivateImportUsage]
    AclOperation,  # pyright: ignore[reportPrivateImportUsage]
    AclPermissionType,  # pyright: ignore[reportPrivateImportUsage]
    AdminClient,
    ResourcePatternType,  # pyright: ignore[reportPrivateImportUsage]
    ResourceType,  # pyright: ignore[reportPrivateImportUsage]
)

from modelwire_log.contract import START, Consumer, Group, Message, Place, Position, Record
from modelwire_log.kafka.log import KafkaLog
from modelwire_log.kafka.setup import check_topics, create_topics
from modelwire_log.kafka.topics import Grant, control_topic, grants, own_topics
from modelwire_schemas.errors import NotFound, Rejected, Unavailable
from tests.system import jars
from tests.system.broker import PLAIN_USER, Broker, SecureDoor

pytestmark = pytest.mark.system

WITHIN_S = 30.0
CANARY = "canary-7c2e"


def unused(kind: str) -> str:
    return f"{kind}-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def log(kafka_broker: Broker) -> Iterator[KafkaLog]:
    with KafkaLog(kafka_broker.url) as opened:
        yield opened


@pytest.fixture
def door(kafka_broker: Broker) -> SecureDoor:
    assert kafka_broker.door is not None
    return kafka_broker.door


def secure(door: SecureDoor, **changed: str) -> KafkaLog:
    """Open the log as the plain user, who has no rights but those that a test gives."""
    settings = {name: str(value) for name, value in door.settings(PLAIN_USER).items()}
    return KafkaLog(door.url, settings | {k.replace("_", "."): v for k, v in changed.items()})


def allow(broker: Broker, grant: Grant) -> None:
    """Give the plain user the rights of a grant."""
    kind = ResourceType.GROUP if grant.group else ResourceType.TOPIC
    words = {"Read": "READ", "Write": "WRITE", "Describe": "DESCRIBE"}
    bindings = [
        AclBinding(
            kind,
            grant.name,
            ResourcePatternType.LITERAL,
            f"User:{PLAIN_USER}",
            "*",
            AclOperation[words.get(operation, "DESCRIBE_CONFIGS")],
            AclPermissionType.ALLOW,
        )
        for operation in grant.operations
    ]
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    for done in cast("dict[object, Future[None]]", admin.create_acls(bindings)).values():
        done.result(10)


def poll_some(member: Consumer, count: int) -> list[Record]:
    records: list[Record] = []
    deadline = time.monotonic() + WITHIN_S
    while len(records) < count:
        assert time.monotonic() < deadline, f"{len(records)} of {count} records came"
        records += member.poll(100, 0.1)
    return records


# --- topics


def test_the_topics_of_a_namespace_are_made_once_and_pass_the_check(log: KafkaLog) -> None:
    namespace = unused("ns")
    assert [fault.setting for fault in check_topics(log, namespace)] == ["the topic"] * 5
    names = [topic.name for topic in own_topics(namespace)]
    assert create_topics(log, namespace, 1) == names
    assert create_topics(log, namespace, 1) == []
    assert check_topics(log, namespace) == []
    receipt = log.append(names[0], Message(b"first", timestamp=1))
    assert abs(receipt.appended - time.time() * 1000) < 5_000  # the log's time, not the writer's
    (record,) = log.read(Place(names[0]), START)
    assert (record.appended, record.value) == (receipt.appended, b"first")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("cleanup.policy", "compact"),
        ("retention.ms", "604800000"),
        ("message.timestamp.type", "CreateTime"),
    ],
)
def test_a_control_log_with_wrong_settings_is_refused(
    log: KafkaLog, setting: str, value: str
) -> None:
    control = control_topic(unused("ns"))
    log.session().admin.create(control.name, 1, 1, {**control.settings(1), setting: value})
    log.session().query.wait_for(control.name)
    place = Place(control.name)
    for use in (
        lambda: log.read(place, START),
        lambda: log.end(place),
        lambda: log.append(control.name, Message(b"x")),
    ):
        with pytest.raises(Rejected, match=f"E_TOPIC_SETTINGS: .*{setting}={value}") as caught:
            use()
        assert "kafka-configs.sh" in caught.value.todo


def test_the_command_in_the_refusal_mends_the_topic(log: KafkaLog) -> None:
    control = control_topic(unused("ns"))
    log.session().admin.create(control.name, 1, 1, {"retention.ms": "1000"})
    log.session().query.wait_for(control.name)
    with pytest.raises(Rejected) as caught:
        log.end(Place(control.name))
    script, *arguments = shlex.split(caught.value.todo.split("`")[1])
    assert script == "kafka-configs.sh"
    tool = [jars.java(), "-XX:TieredStopAtLevel=1", "-cp", jars.classpath()]
    subprocess.run([*tool, "kafka.admin.ConfigCommand", *arguments], check=True)
    assert log.end(Place(control.name)) == START


def test_a_control_log_of_two_partitions_is_refused(log: KafkaLog) -> None:
    control = control_topic(unused("ns"))
    log.session().admin.create(control.name, 2, 1, control.settings(1))
    log.session().query.wait_for(control.name)
    with pytest.raises(Rejected, match=r"E_TOPIC_SETTINGS: .*partitions=2"):
        log.read(Place(control.name), START)


def test_deleting_buries_the_keys_where_the_topic_is_compacted(log: KafkaLog) -> None:
    namespace = unused("ns")
    create_topics(log, namespace, 1)
    artifacts = own_topics(namespace)[1].name
    chunks = [Message(b"bytes", f"chunk-{n}".encode(), partition=2) for n in range(40)]
    log.append_batch(artifacts, chunks)
    place = Place(artifacts, 2)
    log.delete(place, 3, 30)
    graves = log.read(place, 39)
    assert [record.key for record in graves] == [f"chunk-{n}".encode() for n in range(3, 31)]
    assert {record.value for record in graves} == {b""}


def test_nothing_makes_a_topic_by_using_it(tmp_path: Path) -> None:
    with (
        Broker(tmp_path, extra={"auto.create.topics.enable": "true"}) as broker,
        KafkaLog(broker.url) as log,
    ):
        place = Place("unheard-of")
        for use in (
            lambda: log.append(place.stream, Message(b"x")),
            lambda: log.read(place, START),
            lambda: log.end(place),
            lambda: log.offset_at(place, 0),
            lambda: log.consumer(Group("g", (place.stream,))).poll(1, 5),
        ):
            with pytest.raises(NotFound, match=r"E_NO_STREAM: .*modelwire topics create"):
                use()
        assert log.wait(place, START, 0.5) is False
        assert place.stream not in log.streams()


@pytest.mark.parametrize(
    ("message", "code"),
    [
        pytest.param(Message(b"x" * 1_500_000), "E_TOO_LARGE", id="larger-than-the-topic-takes"),
        pytest.param(Message(b"x" * 9_000_000), "E_TOO_LARGE", id="larger-than-the-client-takes"),
        pytest.param(Message(b"x", timestamp=4_000_000_000_000), "E_RECORD", id="far-ahead"),
    ],
)
def test_what_kafka_does_not_take_is_refused_and_the_next_record_is_taken(
    log: KafkaLog, message: Message, code: str
) -> None:
    stream = unused("stream")
    log.create(stream)
    for send in (
        lambda: log.append(stream, message),
        lambda: log.append_batch(stream, [message, message]),
    ):
        with pytest.raises(Rejected, match=f"{code}: .*{stream}"):
            send()
    assert log.append(stream, Message(b"fine")).offset == 0


# --- rights and secrets


def test_an_application_needs_no_more_rights_than_are_printed(
    kafka_broker: Broker, log: KafkaLog, door: SecureDoor
) -> None:
    namespace, events, scores, group = unused("ns"), unused("in"), unused("out"), unused("group")
    create_topics(log, namespace, 1)
    control, artifacts, fleet, _, snapshots = (topic.name for topic in own_topics(namespace))
    for stream in (events, scores):
        log.create(stream)
    for name in (control, artifacts, snapshots, events):
        log.append(name, Message(b"x", b"k", partition=0))
    for grant in grants(namespace, [events], [scores], [group]):
        if grant.role == "application":
            allow(kafka_broker, grant)
    with secure(door) as app:
        assert [record.value for record in app.read(Place(control), START)] == [b"x"]
        assert [record.value for record in app.read(Place(artifacts), START)] == [b"x"]
        assert [record.value for record in app.read(Place(snapshots), START)] == [b"x"]
        assert app.wait(Place(control), START, 5) is True
        assert app.wait(Place(control), 0, 1) is False
        assert app.read(Place(control), 0) == []
        app.append(fleet, Message(b"report", b"instance"))
        member = app.consumer(Group(group, (events,)))
        assert len(poll_some(member, 1)) == 1
        member.commit([Position(Place(events), 0, 3, 4)], [(scores, Message(b"scored"))])
        member.close()
        for forbidden in (control, snapshots, events):
            with pytest.raises(Unavailable, match="E_LOG_DENIED"):
                app.append(forbidden, Message(b"x"), timeout=5)
    assert log.positions(group) == (Position(Place(events), 0, 3, 4),)


def test_who_may_not_ask_for_settings_is_warned_and_reads_all_the_same(
    kafka_broker: Broker, log: KafkaLog, door: SecureDoor, caplog: pytest.LogCaptureFixture
) -> None:
    namespace = unused("ns")
    create_topics(log, namespace, 1)
    control = control_topic(namespace).name
    log.append(control, Message(b"x"))
    allow(kafka_broker, Grant("reader", control, ("Read",)))
    with secure(door) as app, caplog.at_level(logging.WARNING, "modelwire.log"):
        assert len(app.read(Place(control), START)) == 1
        assert len(app.read(Place(control), START)) == 1
    warnings = [record for record in caplog.records if "cannot be checked" in record.message]
    assert len(warnings) == 1


def test_a_stream_without_rights_is_refused_in_words(log: KafkaLog, door: SecureDoor) -> None:
    stream = unused("stream")
    log.create(stream)
    with secure(door) as app:
        for use in (
            lambda: app.read(Place(stream), START, timeout=5),
            lambda: app.append(stream, Message(b"x"), timeout=5),
        ):
            with pytest.raises(Unavailable, match=f"E_LOG_DENIED: .*{stream}"):
                use()


def test_a_wrong_password_is_named_as_the_reason_and_never_shown(
    log: KafkaLog,
    door: SecureDoor,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    stream = unused("stream")
    log.create(stream)
    told = ""
    secrets = {"sasl_password": CANARY, "ssl_key_password": CANARY}
    with caplog.at_level(logging.DEBUG), secure(door, debug="security,broker", **secrets) as app:
        for use in (
            lambda: app.read(Place(stream), START, timeout=1),
            lambda: app.append(stream, Message(b"x"), timeout=1),
            lambda: app.consumer(Group(unused("group"), (stream,))).poll(1, 1) or app.groups(),
        ):
            with pytest.raises(Unavailable, match=r"(?i)authentication") as caught:
                use()
            told += repr(caught.value) + str(caught.value.__context__)
    assert caplog.records
    assert CANARY not in told + caplog.text + "".join(capfd.readouterr())
