"""An envelope tells truly what is inside, and damage to any bit of it is found."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event
from hypothesis import given, strategies as st

from modelwire_log.contract import Message, Record
from modelwire_log.envelope import TYPES, open_envelope, seal
from modelwire_schemas.artifact import ArtifactChunk
from modelwire_schemas.codec import Event, content_digest
from modelwire_schemas.control import ControlRecord
from modelwire_schemas.errors import Corrupt, ModelwireError, Rejected, TooNew
from modelwire_schemas.generations import Kind
from modelwire_schemas.policy import PolicySet
from tests.schemas import strategies
from tests.schemas.samples import SAMPLES, SHA256, asked

SOURCE = "modelwire/cli"
NOW = 1_700_000_000_123
SUBJECTS = {
    Kind.RELEASE_PUBLISHED: "release/flights-late/8",
    Kind.RELEASE_WITHDRAWN: "release/flights-late/5",
    Kind.ROUTING_CHANGED: "route/flights-late,flights-early",
    Kind.ROUTING_PROPOSED: "route/flights-late,flights-early",
    Kind.ROUTING_APPROVED: "proposal/4711",
    Kind.ROUTE_FROZEN: "route/flights-late",
    Kind.ROUTE_CONFIRMED: "route/flights-late",
    Kind.ROLLOUT_ABORTED: "route/flights-late",
    Kind.POLICY_SET: "policy",
    Kind.FLEET_REPORT: "i-07",
    Kind.ARTIFACT_CHUNK: f"{SHA256}:1",
    Kind.TELEMETRY: "route/flights-late",
    Kind.SNAPSHOT_CHUNK: "state/1",
}


def recorded(message: Message, stream: str = "modelwire.prod.control") -> Record:
    """Return the record that a log makes of a message."""
    return Record(stream, 0, 7, NOW, NOW, message.value, message.key, message.headers)


def sealed(event: Event = SAMPLES[Kind.POLICY_SET]) -> Record:
    return recorded(seal(event, source=SOURCE, time=NOW))


def with_headers(record: Record, **changes: bytes | None) -> Record:
    headers = dict(record.headers) | changes
    return record._replace(headers=tuple((n, v) for n, v in headers.items() if v is not None))


def resealed(record: Record, **changes: bytes | None) -> Record:
    """Return a record with other headers and a CRC that is right for them."""
    changed = with_headers(record, **changes)
    with pytest.raises(Corrupt) as caught:
        open_envelope(with_headers(changed, ce_crc32c=b"none"))
    found = re.search(r"expected ([0-9a-f]{8})", str(caught.value))
    assert found is not None
    return with_headers(changed, ce_crc32c=found[1].encode())


@given(strategies.events, st.none() | st.integers(0, 4_000_000_000_000))
def test_what_is_sealed_is_opened(event: Event, time: int | None) -> None:
    assert open_envelope(recorded(seal(event, source=SOURCE, time=time))) == event


@pytest.mark.parametrize("kind", Kind)
def test_another_implementation_sees_a_cloud_event(kind: Kind) -> None:
    message = seal(SAMPLES[kind], source=SOURCE, time=NOW)
    event = from_kafka_event(KafkaMessage(dict(message.headers), message.key, message.value))
    assert event.get_specversion() == "1.0"
    assert event.get_type() == TYPES[kind]
    assert event.get_source() == SOURCE
    assert event.get_subject() == SUBJECTS[kind] == event.get_extension("partitionkey")
    assert event.get_datacontenttype() == "application/avro"
    assert event.get_time() == datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)
    assert event.get_data() == message.value
    assert re.fullmatch("[0-9a-f]{8}", str(event.get_extension("crc32c")))


@given(strategies.events)
def test_every_envelope_is_a_cloud_event(event: Event) -> None:
    message = seal(event, source=SOURCE)
    parsed = from_kafka_event(KafkaMessage(dict(message.headers), message.key, message.value))
    assert parsed.get_source() == SOURCE
    assert parsed.get_extension("partitionkey") == parsed.get_subject()


def test_a_control_record_carries_its_request_and_its_fold_version() -> None:
    headers = dict(seal(SAMPLES[Kind.ROUTING_CHANGED], source=SOURCE).headers)
    assert headers["ce_id"] == b"change-42"
    assert headers["ce_foldversion"] == b"2"


def test_other_records_have_ids_of_their_own() -> None:
    report = SAMPLES[Kind.FLEET_REPORT]
    messages = [
        seal(report, source=SOURCE, time=NOW),
        seal(report, source=SOURCE, time=NOW + 1),
        seal(SAMPLES[Kind.ARTIFACT_CHUNK], source=SOURCE, time=NOW),
        seal(ArtifactChunk(SHA256, 2, 3, b"a piece"), source=SOURCE, time=NOW),
    ]
    assert len({dict(message.headers)["ce_id"] for message in messages}) == len(messages)
    again = seal(report, source=SOURCE, time=NOW)
    assert dict(again.headers)["ce_id"] == dict(messages[0].headers)["ce_id"]


@pytest.mark.parametrize("stream", ["modelwire.prod.fleet", "modelwire.prod.artifacts"])
def test_a_record_without_data_is_a_tombstone_on_a_compacted_stream(stream: str) -> None:
    assert open_envelope(recorded(Message(b"", b"i-07"), stream)) is None


def test_a_record_without_data_is_no_command() -> None:
    with pytest.raises(Corrupt, match=r"^E_CORRUPT"):
        open_envelope(recorded(Message(b"", b"policy")))


def flips(data: bytes) -> Iterator[bytes]:
    """Flip each bit once."""
    for at in range(8 * len(data)):
        changed = bytearray(data)
        changed[at // 8] ^= 1 << at % 8
        yield bytes(changed)


@pytest.mark.parametrize("kind", Kind)
def test_every_bit_of_a_value_counts(kind: Kind) -> None:
    record = sealed(SAMPLES[kind])
    for value in flips(record.value):
        with pytest.raises(Corrupt, match=r"^E_CORRUPT: the record has CRC32C"):
            open_envelope(record._replace(value=value))


@pytest.mark.parametrize(
    "name", ["ce_id", "ce_type", "ce_subject", "ce_source", "ce_time", "ce_foldversion"]
)
def test_every_bit_of_what_a_record_says_of_itself_counts(name: str) -> None:
    record = sealed()
    for value in flips(dict(record.headers)[name]):
        with pytest.raises(Corrupt, match=r"^E_CORRUPT: the record has CRC32C"):
            open_envelope(with_headers(record, **{name: value}))


@pytest.mark.parametrize("name", ["ce_crc32c", "ce_specversion", "content-type"])
def test_every_bit_of_the_frame_counts(name: str) -> None:
    record = sealed()
    for value in flips(dict(record.headers)[name]):
        with pytest.raises(ModelwireError, match=r"^E_(CORRUPT|SCHEMA|ENVELOPE): "):
            open_envelope(with_headers(record, **{name: value}))


def test_every_bit_of_the_key_counts() -> None:
    record = sealed()
    for key in (None, *flips(record.key or b"")):
        with pytest.raises(Rejected, match=r"^E_ENVELOPE: "):
            open_envelope(record._replace(key=key))


@pytest.mark.parametrize("name", dict(sealed().headers))
def test_no_header_may_be_missing(name: str) -> None:
    with pytest.raises(ModelwireError, match=r"^E_(CORRUPT|SCHEMA|ENVELOPE): "):
        open_envelope(with_headers(sealed(), **{name: None}))


@pytest.mark.parametrize("name", ["ce_id", "ce_subject", "ce_foldversion"])
def test_headers_that_contradict_the_value_are_refused(name: str) -> None:
    for value in (b"0", None):
        with pytest.raises(Rejected, match=r"^E_ENVELOPE: "):
            open_envelope(resealed(sealed(), **{name: value}))


def test_headers_that_others_add_do_no_harm() -> None:
    record = with_headers(sealed(), traceparent=b"00-abc", ce_traceparent=b"00-abc")
    assert open_envelope(record) == SAMPLES[Kind.POLICY_SET]


def test_a_record_of_a_newer_fold_stops_the_reader_before_it_decodes() -> None:
    newer = resealed(
        sealed()._replace(value=b"in words of tomorrow"),
        ce_foldversion=b"3",
        ce_type=b"io.modelwire.tomorrow.set.v1",
    )
    with pytest.raises(TooNew, match=r"^E_OLD_SDK: .*fold version 3, .*upgrade modelwire"):
        open_envelope(newer)


@pytest.mark.parametrize("version", [b"-1", b"1.0", b"one", b"", b"9" * 10])
def test_a_fold_version_that_is_no_number_is_refused(version: bytes) -> None:
    with pytest.raises(Rejected, match=r"^E_ENVELOPE: "):
        open_envelope(resealed(sealed(), ce_foldversion=version))


def test_a_newer_fold_version_is_believed_only_when_the_record_is_whole() -> None:
    with pytest.raises(Corrupt):
        open_envelope(with_headers(sealed(), ce_foldversion=b"3"))


@pytest.mark.parametrize("name", [b"io.modelwire.tomorrow.set.v1", b"com.example.order", b"\xff"])
def test_a_record_of_an_unknown_type_is_refused(name: bytes) -> None:
    with pytest.raises(Rejected, match=r"^E_SCHEMA: a record of type"):
        open_envelope(resealed(sealed(), ce_type=name))


def test_a_record_that_is_not_ours_is_refused() -> None:
    with pytest.raises(Corrupt, match=r"^E_CORRUPT"):
        open_envelope(recorded(Message(b'{"hello": "world"}')))


@pytest.mark.parametrize(
    "record",
    [
        sealed()._replace(value=b"x"),
        resealed(sealed()._replace(value=b"x")),
        resealed(sealed(), ce_foldversion=b"3"),
        resealed(sealed(), ce_id=b"another"),
    ],
)
def test_every_error_tells_where_the_record_lies(record: Record) -> None:
    with pytest.raises(ModelwireError, match=re.escape(", modelwire.prod.control[0]@7; ")):
        open_envelope(record)


def test_two_megabytes_are_refused() -> None:
    with pytest.raises(Rejected, match=r"^E_TOO_BIG: a policy_set of 2097152 bytes"):
        open_envelope(resealed(sealed()._replace(value=bytes(2 * 1024 * 1024))))


def test_a_body_under_anothers_command_is_refused() -> None:
    mine, other = asked(PolicySet(500)), asked(PolicySet(900))
    assert content_digest(mine.body) != content_digest(other.body)
    with pytest.raises(Rejected, match=r"^E_CONTENT"):
        seal(ControlRecord(other.command, mine.body), source=SOURCE)
