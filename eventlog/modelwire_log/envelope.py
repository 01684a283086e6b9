"""CloudEvents 1.0 around an event, in binary mode: attributes as headers, Avro as the value.

A CRC32C over the value and the attributes that carry meaning finds damage that a log did not. It
is judged before anything else, then the fold's version (R25), and only then are bytes decoded.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import cast

import google_crc32c

from modelwire_log.contract import Message, Record
from modelwire_schemas.artifact import ArtifactChunk
from modelwire_schemas.codec import Event, decode, encode, kind_of
from modelwire_schemas.control import FOLD_VERSION, Body, ControlRecord
from modelwire_schemas.errors import Corrupt, ModelwireError, Rejected, TooNew
from modelwire_schemas.fleet import FleetReport
from modelwire_schemas.generations import Kind
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

_extend = cast("Callable[[int, bytes], int]", google_crc32c.extend)

CONTENT_TYPE = b"application/avro"

TYPES: Mapping[Kind, str] = {
    Kind.RELEASE_PUBLISHED: "io.modelwire.release.published.v1",
    Kind.RELEASE_WITHDRAWN: "io.modelwire.release.withdrawn.v1",
    Kind.ROUTING_CHANGED: "io.modelwire.routing.changed.v1",
    Kind.ROUTING_PROPOSED: "io.modelwire.routing.proposed.v1",
    Kind.ROUTING_APPROVED: "io.modelwire.routing.approved.v1",
    Kind.ROUTE_CONFIRMED: "io.modelwire.route.confirmed.v1",
    Kind.ROUTE_FROZEN: "io.modelwire.route.frozen.v1",
    Kind.ROLLOUT_ABORTED: "io.modelwire.rollout.aborted.v1",
    Kind.POLICY_SET: "io.modelwire.policy.set.v1",
    Kind.FLEET_REPORT: "io.modelwire.fleet.report.v1",
    Kind.ARTIFACT_CHUNK: "io.modelwire.artifact.chunk.v1",
    Kind.TELEMETRY: "io.modelwire.telemetry.v1",
    Kind.SNAPSHOT_CHUNK: "io.modelwire.snapshot.chunk.v1",
}
KINDS = {name.encode(): kind for kind, name in TYPES.items()}

CHECKED = ("ce_foldversion", "ce_id", "ce_source", "ce_subject", "ce_time", "ce_type")
"""The headers that the CRC covers beside the value; others on the way may add their own."""


def seal(event: Event, *, source: str, time: int | None = None) -> Message:
    """Return the message that carries `event`: its value, its key, its headers.

    `source` is a URI reference that says who writes; `time` (ms) is when it came to be. Raises
    Rejected for what may not travel.
    """
    value = encode(event)
    subject = subject_of(event)
    headers = {
        "content-type": CONTENT_TYPE,
        "ce_specversion": b"1.0",
        "ce_id": _id_of(event, value, time).encode(),
        "ce_source": source.encode(),
        "ce_type": TYPES[kind_of(event)].encode(),
        "ce_subject": subject.encode(),
    }
    if time is not None:
        headers["ce_time"] = _rfc3339(time).encode()
    headers.update(_fold_header(event))
    headers["ce_crc32c"] = _crc32c(value, headers)
    return Message(value=value, key=subject.encode(), headers=tuple(headers.items()))


def open_envelope(record: Record) -> Event | None:
    """Return the event that `record` carries; None for a tombstone on a compacted stream.

    Raises Corrupt `E_CORRUPT` when the CRC or the bytes are wrong, TooNew `E_OLD_SDK` when the
    fold's version is above ours, Rejected otherwise (`E_ENVELOPE`, `E_SCHEMA`, what `decode`
    says); each with the record's coordinates.
    """
    if not record.value and record.stream.endswith((".fleet", ".artifacts")):
        return None
    try:
        return _open(record)
    except ModelwireError as error:
        place = f"{record.stream}[{record.partition}]@{record.offset}"
        raise type(error)(
            error.code,
            error.what,
            where=f"{place}, {error.where}" if error.where else place,
            expected=error.expected,
            todo=error.todo,
        ) from error


def subject_of(event: Event) -> str:
    """Return what `event` is about; the record's key, so that a subject's records stay in order."""
    match event:
        case ControlRecord(body=body):
            return _asked_for(body)
        case FleetReport(instance=instance):
            return instance
        case ArtifactChunk(sha256=sha256, index=index):
            return f"{sha256}:{index}"
        case Telemetry(windows=windows):
            return f"route/{windows[0].route}"
        case SnapshotChunk(index=index):
            return f"state/{index}"


def _asked_for(body: Body) -> str:
    match body:
        case ReleasePublished(model=model, version=version):
            return f"release/{model}/{version}"
        case ReleaseWithdrawn(model=model, version=version):
            return f"release/{model}/{version}"
        case RoutingChanged(changes=changes) | RoutingProposed(change=RoutingChanged(changes)):
            return "route/" + ",".join(change.document.route for change in changes)
        case RoutingApproved(proposal=proposal):
            return f"proposal/{proposal}"
        case RouteFrozen(route=route) | RouteConfirmed(route=route) | RolloutAborted(route=route):
            return f"route/{route}"
        case PolicySet():
            return "policy"


def _id_of(event: Event, value: bytes, time: int | None) -> str:
    match event:
        case ControlRecord(command=command):
            return command.request_id
        case FleetReport() | Telemetry():
            return hashlib.sha256(b"%s@%d" % (value, time or 0)).hexdigest()[:32]
        case ArtifactChunk():
            return subject_of(event)
        case SnapshotChunk(sha256=sha256, index=index):
            return f"{sha256}:{index}"


def _fold_header(event: Event) -> dict[str, bytes]:
    match event:
        case ControlRecord(command=command):
            return {"ce_foldversion": str(command.fold).encode()}
        case SnapshotChunk(fold=fold):
            return {"ce_foldversion": str(fold).encode()}
        case _:
            return {}


def _open(record: Record) -> Event:
    headers = dict(record.headers)
    found = _crc32c(record.value, headers)
    told = headers.get("ce_crc32c", b"none")
    if told != found:
        raise Corrupt(
            "E_CORRUPT",
            f"the record has CRC32C {told.decode(errors='replace'):.20}",
            expected=found.decode(),
            todo="restore the log from a replica or a backup",
        )
    _check_fold(headers)
    kind = KINDS.get(headers.get("ce_type", b""))
    if kind is None or headers.get("content-type") != CONTENT_TYPE:
        raise Rejected(
            "E_SCHEMA",
            f"a record of type {headers.get('ce_type', b'')!r:.80}",
            expected=f"one of {', '.join(TYPES.values())}",
        )
    event = decode(kind, record.value)
    _check_words(event, record, headers)
    return event


def _check_fold(headers: Mapping[str, bytes]) -> None:
    told = headers.get("ce_foldversion", b"0")
    if not told.isdigit() or len(told) > 9:
        raise Rejected("E_ENVELOPE", f"ce_foldversion is {told!r:.80}", expected="a number")
    if int(told) > FOLD_VERSION:
        raise TooNew(
            "E_OLD_SDK",
            f"the record needs fold version {int(told)}",
            expected=f"at most {FOLD_VERSION}",
            todo="upgrade modelwire; until then the last good state serves",
        )


def _check_words(event: Event, record: Record, headers: Mapping[str, bytes]) -> None:
    """Headers are a copy of what the value says; where they differ the writer is at fault."""
    subject = subject_of(event).encode()
    expected = {"ce_subject": subject, "ce_specversion": b"1.0", **_fold_header(event)}
    if isinstance(event, ControlRecord):
        expected["ce_id"] = event.command.request_id.encode()
    given = {name: headers.get(name) for name in expected}
    if given != expected or record.key != subject:
        raise Rejected(
            "E_ENVELOPE",
            f"headers and key say {given} and {record.key!r:.80}",
            expected=f"{expected} and {subject!r}",
        )


def _crc32c(value: bytes, headers: Mapping[str, bytes]) -> bytes:
    told = b"".join(b"%s=%s\n" % (n.encode(), headers[n]) for n in CHECKED if n in headers)
    return b"%08x" % _extend(_extend(0, told), value)


def _rfc3339(time: int) -> str:
    return datetime.fromtimestamp(time / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
