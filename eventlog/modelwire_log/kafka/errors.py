"""What Kafka's client reports, as errors of modelwire's own."""

from confluent_kafka import KafkaError, KafkaException

from modelwire_schemas.errors import (
    Conflict,
    Corrupt,
    ModelwireError,
    NotFound,
    Rejected,
    Unavailable,
)

NOT_THERE = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
    }
)
FENCED = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.FENCED_MEMBER_EPOCH,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError._ASSIGNMENT_LOST,
        KafkaError._FENCED,
    }
)
DENIED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError._AUTHENTICATION,
    }
)
_TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
_REFUSED = frozenset({KafkaError.INVALID_TIMESTAMP, KafkaError.INVALID_RECORD})
_DAMAGED = frozenset({KafkaError._BAD_MSG, KafkaError._BAD_COMPRESSION, KafkaError.INVALID_MSG})


def reason(failure: KafkaException) -> KafkaError:
    """Return what a client's exception carries."""
    found = failure.args[0] if failure.args else None
    return found if isinstance(found, KafkaError) else KafkaError(KafkaError.UNKNOWN, str(failure))


def no_stream(where: str, detail: str = "") -> NotFound:
    """Return the error of a topic or partition that is not there."""
    return NotFound(
        "E_NO_STREAM",
        f"stream {where} is not there{f' ({detail})' if detail else ''}",
        todo="run `modelwire topics create`",
    )


def translated(error: KafkaError, doing: str, where: str) -> ModelwireError:
    """Return modelwire's error for `error` while `doing` something at `where`."""
    code, text = error.code(), error.str()
    if code in NOT_THERE:
        return no_stream(where)
    if code in FENCED:
        return Conflict(
            "E_FENCED", f"another member of the group took over, {doing} {where}: {text}"
        )
    if code in DENIED:
        return Unavailable("E_LOG_DENIED", f"Kafka refuses {doing} {where}: {text}", todo=_GRANT)
    if code in _TOO_LARGE:
        return Rejected(
            "E_TOO_LARGE", f"Kafka refuses {doing} {where}: {text}", todo="raise max.message.bytes"
        )
    if code in _REFUSED:
        return Rejected(
            "E_RECORD",
            f"Kafka refuses {doing} {where}: {text}",
            expected="a time at most an hour ahead, and a key where the topic is compacted",
            todo="mend the record, or the topic's message.timestamp.after.max.ms",
        )
    if code in _DAMAGED:
        return Corrupt("E_CORRUPT", f"a damaged record, {doing} {where}: {text}")
    if code == KafkaError._INVALID_ARG:
        return Rejected("E_KAFKA_SETTING", f"Kafka's client refuses a setting: {text}")
    return Unavailable("E_LOG_UNAVAILABLE", f"no answer from Kafka, {doing} {where}: {text}")


_GRANT = "see `modelwire topics print` for the rights that are needed"
