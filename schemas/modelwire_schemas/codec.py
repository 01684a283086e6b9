"""Events to bytes and back: Avro in the single-object encoding, of schemas that ship with us.

A value is C3 01, the schema's fingerprint (8 bytes), and the body. `encode` writes the oldest
generation of a control record that holds all it says, the newest one of others, and only what can
be read. `decode` reads every generation into today's types, and
raises nothing but errors of modelwire's own, whatever the bytes are.
"""

import hashlib
from functools import cache
from typing import TypeAlias, cast

from modelwire_schemas.artifact import ArtifactChunk
from modelwire_schemas.avro_reader import Read, damaged, reader
from modelwire_schemas.avro_schema import Record, Schema
from modelwire_schemas.avro_writer import Write, mistyped, writer
from modelwire_schemas.control import FOLD_VERSION, Body, Command, ControlRecord, fold_of
from modelwire_schemas.errors import ModelwireError, Rejected
from modelwire_schemas.fleet import FleetReport
from modelwire_schemas.generations import GENERATIONS, Kind, newest, schema
from modelwire_schemas.limits import MAX_BYTES, MAX_ITEMS
from modelwire_schemas.policy import PolicySet
from modelwire_schemas.release import ReleasePublished, ReleaseWithdrawn
from modelwire_schemas.routing import (
    RolloutAborted,
    RouteConfirmed,
    RouteFrozen,
    RoutingApproved,
    RoutingChanged,
    RoutingProposed,
)
from modelwire_schemas.snapshot import SnapshotChunk
from modelwire_schemas.telemetry import Telemetry

Other: TypeAlias = FleetReport | ArtifactChunk | Telemetry | SnapshotChunk
Event: TypeAlias = ControlRecord | Other

MAGIC = b"\xc3\x01"
HEAD = len(MAGIC) + 8

BODIES: dict[Kind, type] = {
    Kind.RELEASE_PUBLISHED: ReleasePublished,
    Kind.RELEASE_WITHDRAWN: ReleaseWithdrawn,
    Kind.ROUTING_CHANGED: RoutingChanged,
    Kind.ROUTING_PROPOSED: RoutingProposed,
    Kind.ROUTING_APPROVED: RoutingApproved,
    Kind.ROUTE_CONFIRMED: RouteConfirmed,
    Kind.ROUTE_FROZEN: RouteFrozen,
    Kind.ROLLOUT_ABORTED: RolloutAborted,
    Kind.POLICY_SET: PolicySet,
}
OTHERS: dict[Kind, type] = {
    Kind.FLEET_REPORT: FleetReport,
    Kind.ARTIFACT_CHUNK: ArtifactChunk,
    Kind.TELEMETRY: Telemetry,
    Kind.SNAPSHOT_CHUNK: SnapshotChunk,
}
KINDS: dict[type, Kind] = {hint: kind for kind, hint in (BODIES | OTHERS).items()}


def kind_of(event: Event) -> Kind:
    """Return what `event` is."""
    thing = event.body if isinstance(event, ControlRecord) else event
    if type(thing) not in KINDS:
        raise mistyped(thing, "an event")
    return KINDS[type(thing)]


def encode(event: Event) -> bytes:
    """Return the value of a record that says `event`.

    Raises Rejected for what may not travel: `E_TYPE`, `E_RANGE`, `E_NAME`, `E_TOO_BIG`, ….
    """
    kind = kind_of(event)
    parts = (event.command, event.body) if isinstance(event, ControlRecord) else (event,)
    generation = _written(kind, event.body) if isinstance(event, ControlRecord) else newest(kind)
    out = bytearray(MAGIC + bytes.fromhex(GENERATIONS[kind][generation]))
    for write, part in zip(_writers(kind, generation), parts, strict=True):
        write(out, part)
    value = bytes(out)
    decode(kind, value)  # what readers would refuse is not written
    return value


def decode(kind: Kind, value: bytes) -> Event:
    """Return the event that `value` says.

    Raises Rejected: `E_TOO_BIG` above 1 MiB, `E_SCHEMA` for a schema that `kind` never had, a
    check's code for a word that may not travel. Raises Corrupt `E_CORRUPT` for damaged bytes.
    """
    if len(value) > MAX_BYTES:
        raise Rejected(
            "E_TOO_BIG", f"a {kind} of {len(value)} bytes", expected=f"at most {MAX_BYTES}"
        )
    if value[:2] != MAGIC or len(value) < HEAD:
        raise damaged("no Avro object")
    generation = _generation(kind, value[2:HEAD].hex())
    try:
        return _read(kind, generation, value)
    except (ModelwireError, MemoryError):  # what this machine lacks is no fault of the bytes
        raise
    except Exception as error:
        raise damaged(f"no {kind} ({type(error).__name__})") from error


def content_digest(body: Body) -> str:
    """Return the sha256 (hex) of a body as it is written: a command's `content` (R19)."""
    out = bytearray()
    kind = KINDS[type(body)]
    _writers(kind, _written(kind, body))[-1](out, body)
    return hashlib.sha256(out).hexdigest()


def _written(kind: Kind, body: Body) -> int:
    """Return the generation that a body is written in: the newest that its fold version knows."""
    try:
        fold = fold_of(body)
    except (AttributeError, TypeError):  # a wrong type; the writer says where
        fold = FOLD_VERSION
    return max(g for g in GENERATIONS[kind] if g <= fold)


def _generation(kind: Kind, fingerprint: str) -> int:
    for generation, known in GENERATIONS[kind].items():
        if known == fingerprint:
            return generation
    raise Rejected(
        "E_SCHEMA",
        f"no {kind} has the schema {fingerprint}",
        expected=f"one of {', '.join(GENERATIONS[kind].values())}",
    )


def _read(kind: Kind, generation: int, value: bytes) -> Event:
    start, end, left, parts = HEAD, HEAD, MAX_ITEMS, list[object]()
    for read in _readers(kind, generation):
        start = end
        part, end, left = read(value, start, left)
        parts.append(part)
    if end != len(value):
        raise damaged(f"{len(value) - end} bytes behind the {kind}")
    if len(parts) == 1:
        return cast("Other", parts[0])
    record = ControlRecord(*cast("tuple[Command, Body]", parts))
    if record.command.fold < generation:  # readers of that fold know no such schema
        raise Rejected("E_SCHEMA", f"fold {record.command.fold}", expected=f"{generation} or more")
    found = hashlib.sha256(value[start:]).hexdigest()
    if record.command.content != found:
        raise Rejected("E_CONTENT", f"it asks for {record.command.content}", expected=found)
    return record


@cache
def _readers(kind: Kind, generation: int) -> tuple[Read, ...]:
    return tuple(reader(part, hint) for part, hint in _parts(kind, generation))


@cache
def _writers(kind: Kind, generation: int) -> tuple[Write, ...]:
    return tuple(writer(part, hint) for part, hint in _parts(kind, generation))


def _parts(kind: Kind, generation: int) -> tuple[tuple[Schema, type], ...]:
    """Return what a value holds: a command and the body behind it, or a word by itself."""
    whole = schema(kind, generation)
    if kind in OTHERS:
        return ((whole, OTHERS[kind]),)
    command, *body = whole.fields
    return (command.type, Command), (Record(whole.name, tuple(body)), BODIES[kind])
