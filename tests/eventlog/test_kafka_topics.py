"""Which topics a namespace needs on Kafka, and what is wrong with others."""

import shlex

import pytest

from modelwire_log.kafka.topics import (
    control_topic,
    create_command,
    faults,
    grants,
    own_topics,
    print_topics,
)

SERVERS = "127.0.0.1:9092"


def test_the_control_log_is_one_order_kept_for_ever_by_the_logs_clock() -> None:
    control = control_topic("prod")
    assert (control.name, control.partitions) == ("modelwire.prod.control", 1)
    assert control.promised == {
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "retention.bytes": "-1",
        "message.timestamp.type": "LogAppendTime",
    }


def test_a_topic_as_it_was_made_has_no_faults() -> None:
    for topic in own_topics("prod"):
        assert faults(SERVERS, topic, topic.partitions, topic.settings(3)) == []


def test_telemetry_has_several_partitions_and_goes_after_days() -> None:
    (telemetry,) = (t for t in own_topics("prod") if t.name == "modelwire.prod.telemetry")
    made = telemetry.settings(3)
    assert telemetry.partitions > 1
    assert (made["cleanup.policy"], made["retention.ms"]) == ("delete", "604800000")
    assert telemetry.promised == {"message.timestamp.type": "LogAppendTime"}


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("cleanup.policy", "compact"),
        ("cleanup.policy", "compact,delete"),
        ("retention.ms", "604800000"),
        ("retention.bytes", "1000000"),
        ("message.timestamp.type", "CreateTime"),
    ],
)
def test_a_wrong_setting_is_a_fault_with_the_command_that_mends_it(
    setting: str, value: str
) -> None:
    control = control_topic("prod")
    (fault,) = faults(SERVERS, control, 1, {**control.settings(1), setting: value})
    assert (fault.setting, fault.found) == (setting, value)
    assert f"{setting}={control.promised[setting]}" in fault.mend
    assert f"--entity-name {control.name} " in fault.mend


def test_a_second_partition_of_the_control_log_is_a_fault() -> None:
    control = control_topic("prod")
    (fault,) = faults(SERVERS, control, 2, control.settings(1))
    assert (fault.setting, fault.found, fault.wanted) == ("partitions", "2", "1")


def test_three_copies_are_written_to_two_brokers_before_an_answer() -> None:
    words = shlex.split(create_command(SERVERS, control_topic("prod"), 3))
    assert words[words.index("--replication-factor") :][:2] == ["--replication-factor", "3"]
    assert "min.insync.replicas=2" in words
    assert "min.insync.replicas" not in create_command(SERVERS, control_topic("prod"), 1)


def test_nobody_may_write_where_only_others_write() -> None:
    may = {
        (grant.role, grant.name, operation)
        for grant in grants("prod", ["events"], ["scores"], ["scorers"])
        for operation in grant.operations
    }

    def writers(name: str) -> set[str]:
        return {role for role, there, operation in may if (there, operation) == (name, "Write")}

    assert writers("modelwire.prod.control") == {"publisher", "operator", "controller"}
    assert writers("modelwire.prod.snapshots") == {"controller"}
    assert writers("modelwire.prod.fleet") == {"application", "controller"}
    assert writers("modelwire.prod.telemetry") == {"application"}
    assert writers("scores") == {"application"}
    assert writers("events") == set()
    assert not any(op in {"All", "Create", "Delete", "Alter"} for _, _, op in may)


def test_what_is_printed_makes_every_topic_and_gives_every_right() -> None:
    printed = print_topics(SERVERS, "prod", events=["events"], outputs=["scores"], groups=["g"])
    lines = [line for line in printed.splitlines() if not line.startswith("#")]
    assert sum(line.startswith("kafka-topics.sh") for line in lines) == len(own_topics("prod"))
    given = grants("prod", ["events"], ["scores"], ["g"])
    assert sum(line.startswith("kafka-acls.sh") for line in lines) == len(given)
    assert any(line.endswith("--operation Read --group g") for line in lines)
