"""What every word that travels must keep, whoever wrote it: names, ranges, lengths.

The codec calls these on the way out and on the way in. They look at one word at a time; what
words mean together (does the version exist, do the buckets cover the whole) is the fold's to say.
A check that grows stricter or milder changes what readers accept: that needs a new fold version.
"""

from collections.abc import Callable
from typing import Any as Anything

from modelwire_schemas import names
from modelwire_schemas.artifact import CHUNK_BYTES, INLINE_BYTES, ArtifactChunk
from modelwire_schemas.bounds import at_least, finite, text, word
from modelwire_schemas.control import Command
from modelwire_schemas.errors import Rejected
from modelwire_schemas.fleet import FleetReport, VersionReport
from modelwire_schemas.limits import MAX_TEXT
from modelwire_schemas.policy_checks import POLICY_CHECKS
from modelwire_schemas.predicates import Node
from modelwire_schemas.release import (
    Artifact,
    ArtifactFile,
    ChunkSpan,
    Column,
    Feed,
    Golden,
    ReleasePublished,
    ReleaseWithdrawn,
    Tensor,
    TensorValue,
    manifest_digest,
)
from modelwire_schemas.rollout_checks import ROLLOUT_CHECKS
from modelwire_schemas.routing import (
    Change,
    ModelVersion,
    RolloutAborted,
    RouteConfirmed,
    RouteFrozen,
    RouteRevision,
    RoutingApproved,
    RoutingChanged,
    RoutingDocument,
    RoutingProposed,
    Rule,
    Shadow,
    Split,
    Variant,
)
from modelwire_schemas.snapshot import SnapshotChunk
from modelwire_schemas.telemetry_checks import TELEMETRY_CHECKS


def check_of(hint: object) -> Callable[[Anything], object]:
    """Return what takes a value of this type and returns it once it is found sound."""
    check = CHECKS.get(hint)
    if check is None:
        return lambda value: value

    def checked(value: object) -> object:
        check(value)
        return value

    return checked


def _command(command: Command) -> None:
    word("request id", command.request_id, least=1)
    names.digest(command.content)
    at_least(0, "expires", command.expires)
    at_least(1, "fold", command.fold)
    for kind in ("author", "role", "ticket", "key_id"):
        word(kind, getattr(command, kind))
    text("reason", command.reason)
    text("cause", command.cause)
    if len(command.signature) > MAX_TEXT:
        raise Rejected("E_TOO_BIG", "the signature is too long", expected=f"{MAX_TEXT} bytes")


def _artifact(artifact: Artifact) -> None:
    names.name("format", artifact.format)
    names.name("form", artifact.form)
    text("uri", artifact.uri)
    expected = manifest_digest(artifact.format, artifact.form, artifact.files)
    if artifact.digest != expected:
        raise Rejected(
            "E_DIGEST", f"the artifact's digest is {artifact.digest!r:.80}", expected=expected
        )
    _distinct("file", [file.name for file in artifact.files])
    if artifact.inline:
        sizes, given = [f.size for f in artifact.files], [len(data) for data in artifact.inline]
        if sizes != given:
            raise Rejected("E_SIZE", f"inline files have {given} bytes", expected=f"{sizes}")
        if sum(given) > INLINE_BYTES:
            raise Rejected("E_TOO_BIG", f"{sum(given)} bytes inline", expected=f"{INLINE_BYTES}")


def _distinct(kind: str, given: list[str]) -> None:
    if len(set(given)) != len(given):
        raise Rejected("E_DUPLICATE", f"two of {kind} have one name: {given!r:.80}")


def _file(file: ArtifactFile) -> None:
    names.name("file", file.name)
    names.digest(file.sha256)
    at_least(0, "size", file.size)


def _span(span: ChunkSpan) -> None:
    names.name("file", span.file)
    at_least(0, "partition or offset", span.partition, span.first)
    at_least(span.first, "last offset", span.last)


def _tensor(tensor: Tensor) -> None:
    word("tensor", tensor.name, least=1)
    names.name("dtype", tensor.dtype)
    at_least(0, "axis", *(size for size in tensor.shape if size is not None))


def _value(value: TensorValue) -> None:
    word("tensor", value.name, least=1)
    names.name("dtype", value.dtype)
    at_least(0, "axis", *value.shape)


def _golden(golden: Golden) -> None:
    finite("tolerance", [golden.tolerance])
    if golden.tolerance < 0:
        raise Rejected("E_RANGE", f"tolerance is {golden.tolerance}", expected="0 or more")


def _column(column: Column) -> None:
    word("field", column.field, least=1)
    finite("default", [column.default])


def _feed(feed: Feed) -> None:
    word("input", feed.input, least=1)


def _released(release: ReleasePublished) -> None:
    _model_version(release)
    at_least(0, "valid_until", release.valid_until)
    for kind, value in release.metrics:
        word("metric", kind, least=1)
        finite(f"metric {kind}", [value])
    for kind, fact in (*release.labels, *release.lineage):
        word("label", kind, least=1)
        text(f"label {kind}", fact)
    for requirement in release.requirements:
        word("requirement", requirement, least=1)
    _distinct("sample", [one.name for one in release.sample])


def _model_version(thing: ReleasePublished | ReleaseWithdrawn | ModelVersion) -> None:
    names.name("model", thing.model)
    names.version(thing.version)


def _node(node: Node) -> None:
    word("field", node.field)
    finite("value", node.values)


def _variant(variant: Variant) -> None:
    names.name("variant", variant.name)
    names.version(variant.version)
    for topic, partition in variant.partitions:
        word("topic", topic, least=1)
        at_least(0, "partition", partition)


def _split(split: Split) -> None:
    word("salt", split.salt)
    word("field", split.field)


def _rule(rule: Rule) -> None:
    names.name("rule", rule.name)


def _shadow(shadow: Shadow) -> None:
    names.version(shadow.version)
    word("salt", shadow.salt)
    for output, value in shadow.thresholds:
        word("output", output, least=1)
        finite("threshold", [value])


def _document(document: RoutingDocument) -> None:
    names.name("route", document.route)
    names.name("model", document.model)
    for version in (*document.keep_warm, *document.fallback):
        names.version(version)
    word("header", document.force_header)
    word("field", document.time_field)


def _change(change: Change) -> None:
    at_least(0, "revision", change.replaces, change.restores, *change.undoes)


def _changed(change: RoutingChanged) -> None:
    at_least(0, "effective_at", change.effective_at or 0)
    at_least(0, "decided_at", change.decided_at)
    at_least(0, "confirm_within", change.confirm_within)


def _revision(revision: RouteRevision) -> None:
    names.name("route", revision.route)
    at_least(0, "revision", revision.revision)


def _route(body: RouteConfirmed | RouteFrozen) -> None:
    names.name("route", body.route)


def _aborted(body: RolloutAborted) -> None:
    names.name("route", body.route)
    word("rollout", body.rollout, least=1)


def _proposed(body: RoutingProposed) -> None:
    at_least(0, "until", body.until)


def _approved(body: RoutingApproved) -> None:
    at_least(0, "proposal", body.proposal)


def _piece(chunk: ArtifactChunk | SnapshotChunk) -> None:
    names.digest(chunk.sha256)
    at_least(0, "index", chunk.index)
    at_least(chunk.index + 1, "count", chunk.count)
    if len(chunk.data) > CHUNK_BYTES:
        raise Rejected(
            "E_TOO_BIG", f"a chunk of {len(chunk.data)} bytes", expected=f"{CHUNK_BYTES}"
        )


def _snapshot_chunk(chunk: SnapshotChunk) -> None:
    at_least(1, "fold", chunk.fold)
    at_least(0, "offset", chunk.offset)
    names.digest(chunk.record)
    _piece(chunk)


def _version_report(report: VersionReport) -> None:
    names.name("model", report.model)
    names.version(report.version)
    for kind in ("digest", "state", "code"):
        word(kind, getattr(report, kind))
    text("detail", report.detail)
    at_least(0, "resident", report.resident)


def _report(report: FleetReport) -> None:
    word("instance", report.instance, least=1)
    for kind in ("incarnation", "application", "namespace", "host", "sdk", "state_hash", "group"):
        word(kind, getattr(report, kind))
    for route in report.routes:
        names.name("route", route)
    for kind in (*report.partitions, *report.capabilities, *dict(report.errors)):
        word("word", kind)
    at_least(0, "pid", report.pid)
    at_least(0, "count", report.predictions, report.resident, *dict(report.errors).values())


CHECKS: dict[object, Callable[[Anything], None]] = {
    **POLICY_CHECKS,
    **ROLLOUT_CHECKS,
    **TELEMETRY_CHECKS,
    Artifact: _artifact,
    ArtifactChunk: _piece,
    ArtifactFile: _file,
    Change: _change,
    ChunkSpan: _span,
    Column: _column,
    Command: _command,
    Feed: _feed,
    FleetReport: _report,
    Golden: _golden,
    ModelVersion: _model_version,
    Node: _node,
    ReleasePublished: _released,
    ReleaseWithdrawn: _model_version,
    RolloutAborted: _aborted,
    RouteConfirmed: _route,
    RouteFrozen: _route,
    RouteRevision: _revision,
    RoutingApproved: _approved,
    RoutingChanged: _changed,
    RoutingDocument: _document,
    RoutingProposed: _proposed,
    Rule: _rule,
    Shadow: _shadow,
    SnapshotChunk: _snapshot_chunk,
    Split: _split,
    Tensor: _tensor,
    TensorValue: _value,
    Variant: _variant,
    VersionReport: _version_report,
}
