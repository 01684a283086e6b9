"""The topics of a namespace on Kafka, who may do what with them, and the commands for both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from modelwire_schemas.names import topic as topic_name

ARTIFACT_PARTITIONS = 4
TELEMETRY_PARTITIONS = 4
_WEEK = {"cleanup.policy": "delete", "retention.ms": str(7 * 86_400_000)}
_LARGE = {"max.message.bytes": str(2 * 1024 * 1024)}
_FOR_EVER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
_COMPACTED = {"cleanup.policy": "compact"}
_BY_THE_LOGS_CLOCK = {"message.timestamp.type": "LogAppendTime"}
_SAFE_REPLICAS = 3


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it has to be: `promised` settings carry meaning, `usual` ones are advice."""

    name: str
    partitions: int
    promised: Mapping[str, str]
    usual: Mapping[str, str] = field(default_factory=dict[str, str])
    one_order: bool = False

    def settings(self, replication: int) -> dict[str, str]:
        """Return what the topic is made with; -1 stands for the brokers' own replication."""
        insync = {"min.insync.replicas": "2"} if replication >= _SAFE_REPLICAS else {}
        return {**self.promised, **self.usual, **insync}


@dataclass(frozen=True, slots=True)
class Fault:
    """Something about a topic that is not as it has to be, and the command that mends it."""

    topic: str
    setting: str
    found: str
    wanted: str
    mend: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.setting} is {self.found}, not {self.wanted}; {self.mend}"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a role may do with a topic or, if `group`, with a group."""

    role: str
    name: str
    operations: tuple[str, ...]
    group: bool = False


def control_topic(namespace: str) -> Topic:
    """Return the control log: one order, kept for ever, timed by the log."""
    name = topic_name(namespace, "control")
    promised = {**_FOR_EVER, **_BY_THE_LOGS_CLOCK}
    return Topic(name, 1, promised, _LARGE, one_order=True)


def own_topics(namespace: str) -> tuple[Topic, ...]:
    """Return the topics of modelwire's own in a namespace.

    `artifacts` is compacted, so that the chunks of a withdrawn version can go: a record stays
    until a later one in its partition has its key, and offsets never change. `fleet` has one
    partition, since everyone reads it whole and one carries thousands of reports a second.
    """
    artifacts = topic_name(namespace, "artifacts")
    fleet = topic_name(namespace, "fleet")
    telemetry = topic_name(namespace, "telemetry")
    snapshots = topic_name(namespace, "snapshots")
    often = {"min.cleanable.dirty.ratio": "0.1"}
    return (
        control_topic(namespace),
        Topic(
            artifacts,
            ARTIFACT_PARTITIONS,
            _COMPACTED,
            {**often, **_LARGE, "segment.ms": "86400000"},
        ),
        Topic(fleet, 1, {**_COMPACTED, **_BY_THE_LOGS_CLOCK}, {**often, "segment.ms": "3600000"}),
        Topic(telemetry, TELEMETRY_PARTITIONS, _BY_THE_LOGS_CLOCK, _WEEK),
        Topic(snapshots, 1, _COMPACTED, {**often, **_LARGE, "segment.ms": "86400000"}),
    )


def grants(
    namespace: str,
    events: Sequence[str] = (),
    outputs: Sequence[str] = (),
    groups: Sequence[str] = (),
) -> tuple[Grant, ...]:
    """Return the least rights of publishers, operators, controllers and applications.

    `events` are the streams that applications score, as `groups`, and `outputs` what they write.
    """
    names = [topic.name for topic in own_topics(namespace)]
    control, artifacts, fleet, telemetry, snapshots = names
    look, add = ("Read", "DescribeConfigs"), ("Read", "Write", "DescribeConfigs")
    return (
        Grant("publisher", control, add),
        Grant("publisher", artifacts, ("Read", "Write")),
        Grant("publisher", snapshots, ("Read",)),
        Grant("operator", control, add),
        Grant("operator", artifacts, add),
        Grant("operator", fleet, ("Read",)),
        Grant("operator", telemetry, ("Read",)),
        Grant("operator", snapshots, ("Read",)),
        *(Grant("operator", stream, ("Read",)) for stream in events),
        *(Grant("operator", group, ("Describe",), group=True) for group in groups),
        Grant("controller", control, add),
        Grant("controller", fleet, ("Read", "Write")),
        Grant("controller", telemetry, ("Read",)),
        Grant("controller", snapshots, ("Read", "Write")),
        Grant("application", control, look),
        Grant("application", artifacts, ("Read",)),
        Grant("application", fleet, ("Write",)),
        Grant("application", telemetry, ("Write",)),
        Grant("application", snapshots, ("Read",)),
        *(Grant("application", stream, ("Read",)) for stream in events),
        *(Grant("application", stream, ("Write",)) for stream in outputs),
        *(Grant("application", group, ("Read",), group=True) for group in groups),
    )


def create_command(servers: str, topic: Topic, replication: int) -> str:
    """Return the command that makes a topic."""
    copies = f" --replication-factor {replication}" if replication > 0 else ""
    configs = "".join(f" --config {k}={v}" for k, v in topic.settings(replication).items())
    return (
        f"kafka-topics.sh --bootstrap-server {servers} --create --if-not-exists"
        f" --topic {topic.name} --partitions {topic.partitions}{copies}{configs}"
    )


def mend_command(servers: str, topic: str, settings: Mapping[str, str]) -> str:
    """Return the command that gives a topic these settings."""
    wanted = ",".join(f"{name}={value}" for name, value in settings.items())
    return (
        f"kafka-configs.sh --bootstrap-server {servers} --alter"
        f" --entity-type topics --entity-name {topic} --add-config {wanted}"
    )


def grant_command(servers: str, grant: Grant) -> str:
    """Return the command that gives a role its rights; the principal is for the reader to set."""
    operations = "".join(f" --operation {operation}" for operation in grant.operations)
    kind = "--group" if grant.group else "--topic"
    return (
        f"kafka-acls.sh --bootstrap-server {servers} --add"
        f" --allow-principal User:{grant.role}{operations} {kind} {grant.name}"
    )


def print_topics(
    servers: str,
    namespace: str,
    *,
    replication: int = 3,
    events: Sequence[str] = (),
    outputs: Sequence[str] = (),
    groups: Sequence[str] = (),
) -> str:
    """Return the commands that make the topics and give each role its least rights."""
    lines = [f"# topics of namespace {namespace}"]
    lines += [create_command(servers, topic, replication) for topic in own_topics(namespace)]
    given = grants(namespace, events, outputs, groups)
    for role in dict.fromkeys(grant.role for grant in given):
        lines.append(f"# the least rights of role {role}: put its principal for User:{role}")
        lines += [grant_command(servers, grant) for grant in given if grant.role == role]
    return "\n".join(lines) + "\n"


def faults(servers: str, topic: Topic, partitions: int, settings: Mapping[str, str]) -> list[Fault]:
    """Return in what a topic differs from what it has to be."""
    mend = f"run `{mend_command(servers, topic.name, topic.promised)}`"
    found = [
        Fault(topic.name, name, settings.get(name, "unknown"), wanted, mend)
        for name, wanted in topic.promised.items()
        if settings.get(name) != wanted
    ]
    if topic.one_order and partitions != topic.partitions:
        anew = "make it anew, or choose another namespace: partitions cannot be taken away"
        found.insert(0, Fault(topic.name, "partitions", str(partitions), "1", anew))
    return found


def missing(servers: str, topic: Topic, replication: int) -> Fault:
    """Return the fault of a topic that is not there."""
    mend = f"run `modelwire topics create`, or `{create_command(servers, topic, replication)}`"
    return Fault(topic.name, "the topic", "missing", "there", mend)
