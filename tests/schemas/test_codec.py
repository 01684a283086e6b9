"""What is encoded is decoded as the same, by us and by another implementation."""

from dataclasses import replace
from typing import Any as Anything, TypeAlias, cast

import pytest
from hypothesis import given

from modelwire_schemas.artifact import CHUNK_BYTES, INLINE_BYTES, ArtifactChunk
from modelwire_schemas.codec import HEAD, Event, content_digest, decode, encode, kind_of
from modelwire_schemas.control import ControlRecord, fold_of
from modelwire_schemas.errors import Rejected
from modelwire_schemas.generations import GENERATIONS, Kind, newest
from modelwire_schemas.limits import MAX_BYTES
from modelwire_schemas.policy import Blackout, PolicySet
from modelwire_schemas.release import ArtifactFile, manifest_digest
from modelwire_schemas.routing import Change, RoutingChanged, RoutingDocument
from tests.schemas import apache, strategies
from tests.schemas.leaves import leaves
from tests.schemas.samples import SAMPLES, SHA256, asked, release, report, rollout, routing

Value: TypeAlias = Anything


def document() -> RoutingDocument:
    """Return a document that the first generation can say."""
    whole = routing().changes[0].document
    shadows = tuple(replace(shadow, thresholds=()) for shadow in whole.shadows)
    return replace(whole, rollout=None, shadows=shadows)


@pytest.mark.parametrize("kind", Kind)
def test_a_full_event_of_each_kind_comes_back(kind: Kind) -> None:
    event = SAMPLES[kind]
    assert kind_of(event) is kind
    assert decode(kind, encode(event)) == event


@given(strategies.events)
def test_whatever_may_travel_comes_back(event: Event) -> None:
    assert decode(kind_of(event), encode(event)) == event


def written(event: Event) -> int:
    """Return the generation that an event is written in."""
    found, known = encode(event)[2:HEAD].hex(), GENERATIONS[kind_of(event)]
    return next(generation for generation, mark in known.items() if mark == found)


@given(strategies.events)
def test_another_implementation_reads_and_writes_the_same(event: Event) -> None:
    kind, body = kind_of(event), encode(event)[HEAD:]
    source = apache.source_of(kind, written(event))
    decoded = apache.read(body, source)
    whole = apache.source_of(kind, newest(kind))
    assert list(leaves(apache.read(body, source, whole))) == list(leaves(event))
    theirs = apache.write(decoded, source)
    assert decode(kind, encode(event)[:HEAD] + theirs) == event
    # It knows no blocks under their size, in which we write an instance's versions
    assert theirs == body or kind is Kind.FLEET_REPORT


def test_a_change_that_says_nothing_new_is_written_for_old_readers() -> None:
    plain, sample = RoutingChanged((Change(document(), 0),)), routing()
    decided = replace(routing().changes[0].document, rollout=None)
    assert (fold_of(plain), written(asked(plain))) == (1, 1)
    for change in (
        replace(plain, automatic=True),
        replace(plain, decided_at=1),
        replace(plain, changes=(Change(replace(document(), rollout=rollout()), 0),)),
        replace(plain, changes=(Change(decided, 0),)),
        sample,
    ):
        assert (fold_of(change), written(asked(change))) == (2, 2)
    for body, generation in (
        (PolicySet(500), 1),
        (PolicySet(500, blackouts=(Blackout(0, 1),)), 2),
        (replace(release(), valid_until=0, sample=()), 1),
        (replace(release(), valid_until=0), 2),
        (replace(release(), sample=()), 2),
        (release(), 2),
    ):
        assert (fold_of(body), written(asked(body))) == (generation, generation)


def test_a_record_of_the_first_generation_reads_as_one_that_says_nothing_new() -> None:
    plain = asked(RoutingChanged((Change(document(), 0),)))
    event = decode(Kind.ROUTING_CHANGED, encode(plain))
    assert isinstance(event, ControlRecord)
    assert isinstance(event.body, RoutingChanged)
    assert not event.body.automatic
    assert event.body.changes[0].document.rollout is None


def test_a_record_whose_fold_is_older_than_its_schema_is_refused() -> None:
    new = asked(routing())
    with pytest.raises(Rejected, match=r"^E_SCHEMA: fold 1; expected 2 or more"):
        encode(replace(new, command=replace(new.command, fold=1)))


def test_two_rollouts_in_a_document_are_refused() -> None:
    source = apache.source_of(Kind.ROUTING_CHANGED, 2)
    told: Value = apache.read(encode(asked(routing()))[HEAD:], source)
    told["changes"][0]["document"]["rollout"] *= 2
    value = encode(asked(routing()))[:HEAD] + apache.write(told, source)
    with pytest.raises(Rejected, match=r"^E_TWICE: 2 of what there is one of"):
        decode(Kind.ROUTING_CHANGED, value)


@pytest.mark.parametrize("kind", Kind)
def test_a_value_opens_with_the_fingerprint_of_its_schema(kind: Kind) -> None:
    value = encode(SAMPLES[kind])
    assert value[:2] == b"\xc3\x01"
    assert value[2:HEAD] == apache.fingerprint(apache.source_of(kind, newest(kind)))


@given(strategies.control_records())
def test_equal_bodies_have_equal_digests_whoever_asks(record: ControlRecord) -> None:
    value = encode(replace(record, command=replace(record.command, author="somebody else")))
    again = decode(kind_of(record), value)
    assert isinstance(again, ControlRecord)
    assert content_digest(again.body) == record.command.content


def test_bodies_that_differ_have_digests_that_differ() -> None:
    assert content_digest(PolicySet(500)) != content_digest(PolicySet(501))
    assert content_digest(release()) != content_digest(replace(release(), version="9"))


def test_a_whole_chunk_travels_and_a_byte_more_does_not() -> None:
    chunk = ArtifactChunk(SHA256, 0, 1, bytes(CHUNK_BYTES))
    assert decode(Kind.ARTIFACT_CHUNK, encode(chunk)) == chunk
    with pytest.raises(Rejected, match=r"^E_TOO_BIG: .*921601.*921600"):
        encode(replace(chunk, data=bytes(CHUNK_BYTES + 1)))


def test_a_full_inline_artifact_travels_and_a_byte_more_does_not() -> None:
    def inline(size: int) -> ControlRecord:
        files = (ArtifactFile("model.onnx", size, SHA256),)
        digest = manifest_digest("onnx", "packed", files)
        artifact = replace(
            release().artifact, digest=digest, files=files, inline=(bytes(size),), chunks=()
        )
        return asked(replace(release(), artifact=artifact))

    full = inline(INLINE_BYTES)
    assert decode(Kind.RELEASE_PUBLISHED, encode(full)) == full
    with pytest.raises(Rejected, match=r"^E_TOO_BIG: 524289 bytes inline"):
        encode(inline(INLINE_BYTES + 1))


def test_a_release_of_two_megabytes_is_too_big_to_write() -> None:
    texts = tuple(("x" * 10, "y" * 4000) for _ in range(500))
    with pytest.raises(Rejected, match=rf"^E_TOO_BIG: .*expected at most {MAX_BYTES}"):
        encode(asked(replace(release(), labels=texts)))


def test_a_digest_that_is_not_the_bodys_is_refused() -> None:
    record = asked(PolicySet(500))
    with pytest.raises(Rejected, match=r"^E_CONTENT"):
        encode(replace(record, body=PolicySet(501)))


WRONG_TYPES: list[tuple[str, Value]] = [
    ("pid", "4711"),
    ("pid", True),
    ("goodbye", 1),
    ("host", b"host"),
    ("host", "\ud800"),
    ("routes", ["flights-late"]),
    ("errors", (("E_LOAD",),)),
    ("versions", ("8",)),
    ("sdk", None),
]


@pytest.mark.parametrize(("field", "value"), WRONG_TYPES)
def test_a_value_of_the_wrong_type_is_refused_with_its_place(field: str, value: Value) -> None:
    with pytest.raises(Rejected, match=f"^E_TYPE: .*, {field}"):
        encode(replace(report(), **{field: value}))


def test_a_long_value_of_the_wrong_type_makes_a_short_text() -> None:
    chunk = ArtifactChunk(SHA256, 0, 1, cast("bytes", "x" * 100_000))
    with pytest.raises(Rejected, match=r"^E_TYPE: .*, data; expected bytes") as caught:
        encode(chunk)
    assert len(str(caught.value)) < 200


def test_the_place_of_a_wrong_value_is_told_from_the_top() -> None:
    change = routing().changes[0]
    split = replace(change.document.rules[0].split, salt=cast("str", 5))
    rule = replace(change.document.rules[0], split=split)
    document = replace(change.document, rules=(rule,))
    wrong = replace(routing(), changes=(replace(change, document=document),))
    with pytest.raises(Rejected, match=r", changes\.document\.rules\.split\.salt; expected str"):
        content_digest(wrong)


def test_a_number_above_64_bits_is_refused() -> None:
    with pytest.raises(Rejected, match=r"^E_RANGE: .*, pid; expected 64 bits"):
        encode(replace(report(), pid=2**63))


def test_what_is_no_event_is_refused() -> None:
    with pytest.raises(Rejected, match=r"^E_TYPE"):
        encode(cast("Event", "hello"))
    with pytest.raises(Rejected, match=r"^E_TYPE"):
        encode(ControlRecord(asked(PolicySet(1)).command, cast("PolicySet", 7)))
