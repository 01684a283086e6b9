"""Bytes that nobody wrote: they end in an event that may travel, or in an error of ours; soon."""

import hashlib
import random
import struct
import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import pytest

from modelwire_schemas.codec import HEAD, MAGIC, Event, content_digest, decode, encode
from modelwire_schemas.control import FOLD_VERSION, ControlRecord
from modelwire_schemas.errors import Corrupt, ModelwireError, Rejected
from modelwire_schemas.fleet import FleetReport
from modelwire_schemas.generations import GENERATIONS, Kind, newest
from modelwire_schemas.limits import MAX_BYTES, MAX_ITEMS
from modelwire_schemas.routing import ModelVersion, RoutingChanged
from tests.schemas.samples import SAMPLES, SHA256

REPORTED = (Kind.FLEET_REPORT, Kind.ARTIFACT_CHUNK, Kind.TELEMETRY, Kind.SNAPSHOT_CHUNK)
Mutation = Callable[[random.Random, bytearray], None]


def number(value: int) -> bytes:
    """Return a zigzag number as Avro writes it."""
    rest, out = (value << 1) ^ (value >> 63), bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*out, rest])


def text(value: str) -> bytes:
    return number(len(value.encode())) + value.encode()


def head(kind: Kind, generation: int = 0) -> bytes:
    return MAGIC + bytes.fromhex(GENERATIONS[kind][generation or newest(kind)])


def command(body: bytes, **changes: bytes) -> bytes:
    """Return a command for these bytes, whatever they are."""
    parts = {
        "request_id": text("change-42"),
        "content": text(hashlib.sha256(body).hexdigest()),
        "expires": number(1_900_000_000_000),
        "fold": number(FOLD_VERSION),
        "others": text("") * 7,
    }
    return b"".join((parts | changes).values())


def flip_bit(rng: random.Random, body: bytearray) -> None:
    body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)


def overwrite(rng: random.Random, body: bytearray) -> None:
    body[rng.randrange(len(body))] = rng.choice((0, 1, 2, 0x7F, 0x80, 0xFF))


def cut(rng: random.Random, body: bytearray) -> None:
    at = rng.randrange(len(body))
    del body[at : at + rng.randrange(1, 20)]


def double(rng: random.Random, body: bytearray) -> None:
    at = rng.randrange(len(body))
    body[at:at] = body[at : at + rng.randrange(1, 40)]


def insert_number(rng: random.Random, body: bytearray) -> None:
    at = rng.randrange(len(body))
    body[at : at + 1] = number(rng.choice((-(2**63), -1, -(2**31), 2**20, 2**40, 2**63 - 1)))


MUTATIONS: tuple[Mutation, ...] = (flip_bit, overwrite, cut, double, insert_number)


def body_of(kind: Kind) -> bytes:
    """Return the bytes of a sample's body: behind the command, whose last word is a key's id."""
    value = encode(SAMPLES[kind])[HEAD:]
    return value if kind in REPORTED else value.split(text("ann-1"), 1)[1]


def with_body(kind: Kind, body: bytes, generation: int = 0) -> bytes:
    """Return a value with this body, and a command with its true digest where there is one."""
    return head(kind, generation) + (b"" if kind in REPORTED else command(body)) + body


def by_hand(kind: Kind, body: bytes) -> bytes:
    """Return a value of the first generation, whose bodies are short enough to write down."""
    return with_body(kind, body, 1)


def outcome(kind: Kind, value: bytes) -> Event | ModelwireError:
    """Decode; whatever comes out may travel again, in our own encoding."""
    try:
        event = decode(kind, value)
    except ModelwireError as error:
        return error
    again = event
    if isinstance(event, ControlRecord):
        content = content_digest(event.body)
        again = replace(event, command=replace(event.command, content=content))
    assert decode(kind, encode(again)) == again
    return event


@pytest.mark.parametrize("kind", Kind)
def test_mutants_of_a_body_decode_soundly_or_not_at_all(kind: Kind) -> None:
    rng, body = random.Random(f"mutants of {kind}"), body_of(kind)  # noqa: S311
    assert with_body(kind, body)[:HEAD] == encode(SAMPLES[kind])[:HEAD]
    assert not isinstance(outcome(kind, with_body(kind, body)), ModelwireError)
    refused = 0
    for _ in range(4_000):
        mutant = bytearray(body)
        for _ in range(rng.choice((1, 1, 1, 2, 5))):
            rng.choice(MUTATIONS)(rng, mutant)
            mutant = mutant or bytearray(1)
        refused += isinstance(outcome(kind, with_body(kind, bytes(mutant))), ModelwireError)
    assert 1_000 < refused <= 4_000


@pytest.mark.parametrize("kind", Kind)
def test_noise_is_refused(kind: Kind) -> None:
    rng = random.Random(f"noise for {kind}")  # noqa: S311
    least = 10 if kind is Kind.ROUTING_APPROVED else 0  # a few bytes may be its one number
    for size in (*range(least, 200), 10_000, MAX_BYTES - 200):
        noise = rng.randbytes(size)
        for value in (noise, head(kind) + noise, with_body(kind, noise)[:MAX_BYTES]):
            assert isinstance(outcome(kind, value), ModelwireError)


@pytest.mark.parametrize("kind", Kind)
def test_every_cut_is_refused(kind: Kind) -> None:
    value, body = encode(SAMPLES[kind]), body_of(kind)
    for size in range(len(value)):
        assert isinstance(outcome(kind, value[:size]), Corrupt)
    for size in range(len(body)):
        assert isinstance(outcome(kind, with_body(kind, body[:size])), Corrupt)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("more", [b"\0", b"\0" * 100, b"x"])
def test_bytes_left_over_are_refused(kind: Kind, more: bytes) -> None:
    with pytest.raises(Corrupt, match=rf"^E_CORRUPT: the bytes hold {len(more)} bytes behind"):
        decode(kind, with_body(kind, body_of(kind) + more))


@pytest.mark.parametrize("kind", Kind)
def test_two_megabytes_are_refused_before_decoding(kind: Kind) -> None:
    with pytest.raises(Rejected, match=rf"^E_TOO_BIG: .*2097152.*{MAX_BYTES}"):
        decode(kind, head(kind).ljust(2 * 1024 * 1024, b"\0"))


def test_an_unknown_schema_is_refused() -> None:
    value = bytearray(encode(SAMPLES[Kind.POLICY_SET]))
    value[5] ^= 1
    with pytest.raises(Rejected, match=r"^E_SCHEMA: no policy_set has the schema bf3bcf78"):
        decode(Kind.POLICY_SET, bytes(value))


@pytest.mark.parametrize("magic", [b"\xc3\x02", b"\x01\xc3", b"\0\0"])
def test_another_encoding_is_refused(magic: bytes) -> None:
    with pytest.raises(Corrupt, match=r"^E_CORRUPT: the bytes hold no Avro object"):
        decode(Kind.POLICY_SET, magic + encode(SAMPLES[Kind.POLICY_SET])[2:])


def test_the_schema_of_another_kind_is_refused() -> None:
    with pytest.raises(Rejected, match=r"^E_SCHEMA"):
        decode(Kind.FLEET_REPORT, encode(SAMPLES[Kind.POLICY_SET]))


LIES = {
    "array of 2^40 items": number(2**40),
    "array of 2^62 items": number(2**62),
    "array of -2^63 items": number(-(2**63)) + number(0),
    "array of more items than allowed": number(MAX_ITEMS + 1) + bytes(MAX_ITEMS),
    "array in blocks of too many items": number(-1) + number(1),
    "number of 11 bytes": b"\xff" * 11,
    "number of 65 bits": b"\xff" * 9 + b"\x03",
    "number without end": b"\x80" * 1_000_000,
    "string of 2^40 bytes": number(1) + number(2**40),
    "string of 2^62 bytes": number(1) + number(2**62),
    "string of -1 bytes": number(1) + number(-1),
    "string that is no UTF-8": number(1) + number(2) + b"\xff\xfe",
    "string of half a surrogate": number(1) + number(3) + b"\xed\xa0\x80",
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_lie_about_size_costs_nothing(lie: bytes) -> None:
    value = with_body(Kind.ROUTING_CHANGED, lie)
    encode(SAMPLES[Kind.ROUTING_CHANGED])  # what reads it is compiled once
    tracemalloc.start()
    try:
        with pytest.raises(Corrupt, match=r"^E_CORRUPT"):
            decode(Kind.ROUTING_CHANGED, value)
        assert tracemalloc.get_traced_memory()[1] < 2 * len(value) + 200_000
    finally:
        tracemalloc.stop()


def changed(*, effective: bytes = number(0), at_once: bytes = b"\0", more: bytes = b"") -> bytes:
    """Return a change of no document, by hand."""
    return by_hand(Kind.ROUTING_CHANGED, number(0) + effective + at_once + number(0) + more)


def test_a_change_written_by_hand_is_read() -> None:
    event = decode(Kind.ROUTING_CHANGED, changed(effective=number(1) + number(5), more=number(0)))
    assert getattr(event, "body", None) == RoutingChanged((), 5)


@pytest.mark.parametrize("branch", [-1, -2, 2, 2**40, -(2**63)])
def test_a_branch_that_is_not_there_is_refused(branch: int) -> None:
    with pytest.raises(Corrupt, match=f"branch {branch} of a union of 2"):
        decode(Kind.ROUTING_CHANGED, changed(effective=number(branch), more=number(0)))


def test_a_boolean_of_seven_is_refused() -> None:
    with pytest.raises(Corrupt, match="boolean 7"):
        decode(Kind.ROUTING_CHANGED, changed(at_once=b"\7", more=number(0)))


def test_items_may_come_in_blocks_with_their_size() -> None:
    two = [text("m") + text(version) for version in ("1", "2")]
    blocks = b"".join(number(-1) + number(len(item)) + item for item in two) + number(0)
    event = decode(Kind.ROUTING_CHANGED, changed(more=blocks))
    expected = (ModelVersion("m", "1"), ModelVersion("m", "2"))
    assert getattr(event, "body", None) == RoutingChanged((), withdraws=expected)


def test_small_blocks_do_not_get_round_the_bound_on_items() -> None:
    item = text("m") + text("1")
    blocks = (number(1) + item) * (MAX_ITEMS + 1) + number(0)
    with pytest.raises(Corrupt, match=f"more than {MAX_ITEMS} items"):
        decode(Kind.ROUTING_CHANGED, changed(more=blocks))


def test_the_bound_on_items_is_for_all_arrays_of_a_record_together() -> None:
    split = text("key") + text("") * 2
    rule = text("all") + number(0) + split + number(0)
    half = number(MAX_ITEMS // 2) + rule * (MAX_ITEMS // 2) + number(0)
    rest = number(0) * 3 + text("") * 2 + text("continue") + b"\0\0" + number(0) * 3
    document = text("r") + text("m") + half + rest
    body = number(2) + document * 2 + bytes(5)
    with pytest.raises(Corrupt, match=f"more than {MAX_ITEMS} items"):
        decode(Kind.ROUTING_CHANGED, by_hand(Kind.ROUTING_CHANGED, body))


def versions_in_a_block() -> tuple[bytes, bytes, int]:
    """Return a fleet report's value, what its versions are there, and how many they are."""
    sample = SAMPLES[Kind.FLEET_REPORT]
    assert isinstance(sample, FleetReport)
    items = b"".join(
        b"".join(map(text, (v.model, v.version, v.digest, v.state, v.code, v.detail)))
        + number(v.resident)
        for v in sample.versions
    )
    whole, many = encode(sample), len(sample.versions)
    assert whole.count(number(-many) + number(len(items)) + items) == 1
    return whole, items, many


def test_a_block_under_its_size_says_what_its_items_say() -> None:
    whole, items, many = versions_in_a_block()
    plain = whole.replace(number(-many) + number(len(items)) + items, number(many) + items)
    assert decode(Kind.FLEET_REPORT, plain) == SAMPLES[Kind.FLEET_REPORT]


@pytest.mark.parametrize(("more", "behind"), [(-1, 0), (1, 0), (3, 3), (2**40, 0), (-(2**40), 0)])
def test_a_block_that_is_not_as_long_as_it_says_is_refused(more: int, behind: int) -> None:
    whole, items, _ = versions_in_a_block()
    told = number(len(items) + more) + items + bytes(behind)
    lie = whole.replace(number(len(items)) + items, told)
    assert lie != whole
    with pytest.raises(Corrupt, match=r"^E_CORRUPT"):
        decode(Kind.FLEET_REPORT, lie)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_metric_that_is_no_figure_is_refused(value: float) -> None:
    body = bytearray(body_of(Kind.RELEASE_PUBLISHED))
    at = body.index(text("auc")) + 4
    body[at : at + 8] = struct.pack("<d", value)
    with pytest.raises(Rejected, match=r"^E_RANGE: metric auc is"):
        decode(Kind.RELEASE_PUBLISHED, with_body(Kind.RELEASE_PUBLISHED, bytes(body)))


WORDS = {
    "a name with a NUL": (Kind.RELEASE_WITHDRAWN, text("a\0b") + text("1"), "E_NAME"),
    "a name with a slash": (Kind.RELEASE_WITHDRAWN, text("../x") + text("1"), "E_NAME"),
    "a name of nothing": (Kind.RELEASE_WITHDRAWN, text("") + text("1"), "E_NAME"),
    "a name of 300": (Kind.RELEASE_WITHDRAWN, text("a" * 300) + text("1"), "E_NAME"),
    "a name with a newline": (Kind.RELEASE_WITHDRAWN, text("a\n") + text("1"), "E_NAME"),
    "a name that looks like one": (
        Kind.RELEASE_WITHDRAWN,
        text("\u0430dmin") + text("1"),
        "E_NAME",
    ),
    "a version of nothing": (Kind.RELEASE_WITHDRAWN, text("m") + text(""), "E_VERSION"),
    "a lead below 0": (Kind.POLICY_SET, number(-1), "E_RANGE"),
    "a time below 0": (
        Kind.ROUTING_CHANGED,
        number(0) + number(1) + number(-5) + bytes(3),
        "E_RANGE",
    ),
    "a piece behind the last": (
        Kind.ARTIFACT_CHUNK,
        text(SHA256) + number(3) + number(3) + number(0),
        "E_RANGE",
    ),
    "a piece of number -1": (
        Kind.ARTIFACT_CHUNK,
        text(SHA256) + number(-1) + number(3) + number(0),
        "E_RANGE",
    ),
    "a snapshot before the log": (
        Kind.SNAPSHOT_CHUNK,
        number(2) + number(-1) + number(0) + text(SHA256) * 2 + number(0) * 3,
        "E_RANGE",
    ),
    "a piece of a snapshot behind the last": (
        Kind.SNAPSHOT_CHUNK,
        number(2) + number(0) * 2 + text(SHA256) * 2 + number(1) * 2 + number(0),
        "E_RANGE",
    ),
    "a digest in capitals": (
        Kind.ARTIFACT_CHUNK,
        text(SHA256.upper()) + number(0) + number(1) + number(0),
        "E_DIGEST",
    ),
}


@pytest.mark.parametrize(("kind", "body", "code"), WORDS.values(), ids=WORDS)
def test_a_word_that_may_not_travel_is_refused(kind: Kind, body: bytes, code: str) -> None:
    with pytest.raises(Rejected, match=f"^{code}: "):
        decode(kind, by_hand(kind, body))


COMMANDS = {
    "no id": ({"request_id": text("")}, "E_WORD"),
    "an id of two lines": ({"request_id": text("a\nb")}, "E_WORD"),
    "an id of 300": ({"request_id": text("a" * 300)}, "E_WORD"),
    "a digest of something else": ({"content": text("0" * 64)}, "E_CONTENT"),
    "a digest that is none": ({"content": text("hello")}, "E_DIGEST"),
    "an expiry below 0": ({"expires": number(-1)}, "E_RANGE"),
    "a fold version of 0": ({"fold": number(0)}, "E_RANGE"),
    "an author with a NUL": ({"others": text("a\0") + text("") * 6}, "E_WORD"),
    "a reason with a NUL": ({"others": text("") * 2 + text("a\0") + text("") * 4}, "E_TEXT"),
    "a long reason": ({"others": text("") * 2 + text("a" * 4097) + text("") * 4}, "E_TEXT"),
    "a long signature": ({"others": text("") * 5 + text("a" * 4097) + text("")}, "E_TOO_BIG"),
}


@pytest.mark.parametrize(("changes", "code"), COMMANDS.values(), ids=COMMANDS)
def test_a_command_that_may_not_travel_is_refused(changes: dict[str, bytes], code: str) -> None:
    body = number(500)
    value = head(Kind.POLICY_SET, 1) + command(body, **changes) + body
    with pytest.raises(Rejected, match=f"^{code}: "):
        decode(Kind.POLICY_SET, value)
