"""Each word that travels keeps its rule; one that does not is refused on the way out and in."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any as Anything, TypeAlias, cast

import pytest

from modelwire_schemas.codec import Event, encode
from modelwire_schemas.control import ControlRecord
from modelwire_schemas.errors import Rejected
from modelwire_schemas.generations import Kind
from modelwire_schemas.limits import MAX_PLAN
from modelwire_schemas.policy import Act, Approvals, Blackout, Right
from modelwire_schemas.release import ArtifactFile, manifest_digest
from modelwire_schemas.rollout import Finding, Judgement
from modelwire_schemas.routing import Clause, Op
from modelwire_schemas.telemetry import Role, Window
from tests.schemas.samples import SAMPLES, SHA256, asked, release

Value: TypeAlias = Anything


def put(thing: Value, path: str, value: Value) -> Value:
    """Return `thing` with another value at `path`, such as `changes.0.document.route`."""
    first, _, rest = path.partition(".")
    if isinstance(thing, tuple):
        items = list(cast("Iterable[Value]", thing))
        items[int(first)] = put(items[int(first)], rest, value) if rest else value
        return tuple(items)
    return replace(thing, **{first: put(getattr(thing, first), rest, value) if rest else value})


def changed(kind: Kind, path: str, value: Value) -> Event:
    """Return a sample with another value in its body, and a command for that."""
    event = SAMPLES[kind]
    if isinstance(event, ControlRecord):
        return asked(put(event.body, path, value))
    made: Event = put(event, path, value)
    return made


DOCUMENT = "changes.0.document"
LONG = "x" * 257
ROLLOUT = f"{DOCUMENT}.rollout"
ROUTING = [
    (f"{DOCUMENT}.route", "a/b", "E_NAME"),
    (f"{ROLLOUT}.id", "", "E_WORD"),
    (f"{ROLLOUT}.plan", "x" * (MAX_PLAN + 1), "E_TEXT"),
    (f"{ROLLOUT}.step", -1, "E_RANGE"),
    (f"{ROLLOUT}.started", -1, "E_RANGE"),
    (f"{ROLLOUT}.since", -1, "E_RANGE"),
    (f"{ROLLOUT}.note", "a\0b", "E_TEXT"),
    (f"{ROLLOUT}.findings", 65 * (Finding("errors", Judgement.PASS, 0),), "E_RANGE"),
    (f"{ROLLOUT}.findings.0.metric", "", "E_WORD"),
    (f"{ROLLOUT}.findings.0.at", -1, "E_RANGE"),
    (f"{ROLLOUT}.findings.0.measured", float("nan"), "E_RANGE"),
    (f"{ROLLOUT}.findings.0.reference", float("inf"), "E_RANGE"),
    (f"{ROLLOUT}.findings.0.limit", float("-inf"), "E_RANGE"),
    (f"{ROLLOUT}.findings.0.samples", -1, "E_RANGE"),
    (f"{ROLLOUT}.findings.0.reference_samples", -1, "E_RANGE"),
    (f"{ROLLOUT}.findings.0.detail", "x" * 4097, "E_TEXT"),
    ("decided_at", -1, "E_RANGE"),
    (f"{DOCUMENT}.model", "", "E_NAME"),
    (f"{DOCUMENT}.keep_warm.0", "8 beta", "E_VERSION"),
    (f"{DOCUMENT}.fallback.0", "", "E_VERSION"),
    (f"{DOCUMENT}.force_header", "x-version\r\n", "E_WORD"),
    (f"{DOCUMENT}.time_field", LONG, "E_WORD"),
    (f"{DOCUMENT}.rules.0.name", "the first", "E_NAME"),
    (f"{DOCUMENT}.rules.0.variants.0.name", "../x", "E_NAME"),
    (f"{DOCUMENT}.rules.0.variants.0.version", "v\x1b[31m", "E_VERSION"),
    (f"{DOCUMENT}.rules.1.variants.0.partitions.0.0", "", "E_WORD"),
    (f"{DOCUMENT}.rules.1.variants.0.partitions.0.1", -1, "E_RANGE"),
    (f"{DOCUMENT}.rules.0.split.salt", "a\0b", "E_WORD"),
    (f"{DOCUMENT}.rules.0.split.field", LONG, "E_WORD"),
    (f"{DOCUMENT}.rules.0.match", Clause("a\nb", Op.EXISTS), "E_WORD"),
    (f"{DOCUMENT}.rules.0.match", Clause("a", Op.GT, (float("nan"),)), "E_RANGE"),
    (f"{DOCUMENT}.shadows.0.version", "9/1", "E_VERSION"),
    (f"{DOCUMENT}.shadows.0.salt", "\t", "E_WORD"),
    (f"{DOCUMENT}.shadows.0.thresholds.0.0", "", "E_WORD"),
    (f"{DOCUMENT}.shadows.0.thresholds.0.1", float("nan"), "E_RANGE"),
    ("changes.0.replaces", -1, "E_RANGE"),
    ("changes.0.restores", -1, "E_RANGE"),
    ("changes.0.undoes.0", -1, "E_RANGE"),
    ("effective_at", -1, "E_RANGE"),
    ("cancels.0.route", "a b", "E_NAME"),
    ("cancels.0.revision", -1, "E_RANGE"),
    ("withdraws.0.model", "a\0b", "E_NAME"),
    ("withdraws.0.version", "", "E_VERSION"),
]
RELEASE = [
    ("model", "flights\nlate", "E_NAME"),
    ("version", "", "E_VERSION"),
    ("artifact.format", "../onnx", "E_NAME"),
    ("artifact.form", "", "E_NAME"),
    ("artifact.uri", "s3://\0", "E_TEXT"),
    ("artifact.uri", "x" * 4097, "E_TEXT"),
    ("artifact.digest", SHA256, "E_DIGEST"),
    ("artifact.files.0.name", "../model.onnx", "E_NAME"),
    ("artifact.files.0.size", -1, "E_RANGE"),
    ("artifact.files.0.sha256", "hello", "E_DIGEST"),
    ("artifact.inline.0", b"another length", "E_SIZE"),
    ("artifact.inline", (b"", b""), "E_SIZE"),
    ("artifact.chunks.0.file", "a/b", "E_NAME"),
    ("artifact.chunks.0.partition", -1, "E_RANGE"),
    ("artifact.chunks.0.first", -1, "E_RANGE"),
    ("artifact.chunks.0.last", 16, "E_RANGE"),
    ("contract.inputs.0.name", "", "E_WORD"),
    ("contract.inputs.0.dtype", "float 32", "E_NAME"),
    ("contract.inputs.0.shape.1", -1, "E_RANGE"),
    ("contract.feeds.0.input", "", "E_WORD"),
    ("contract.feeds.0.columns.0.field", "", "E_WORD"),
    ("contract.feeds.0.columns.0.default", float("inf"), "E_RANGE"),
    ("golden.0.tolerance", -1.0, "E_RANGE"),
    ("golden.0.tolerance", float("nan"), "E_RANGE"),
    ("warmup.0.name", "", "E_WORD"),
    ("warmup.0.dtype", "", "E_NAME"),
    ("warmup.0.shape.0", -1, "E_RANGE"),
    ("metrics.0.0", "", "E_WORD"),
    ("metrics.0.1", float("inf"), "E_RANGE"),
    ("labels.0.0", "", "E_WORD"),
    ("labels.0.1", "a\0b", "E_TEXT"),
    ("lineage.0.0", LONG, "E_WORD"),
    ("lineage.0.1", "x" * 4097, "E_TEXT"),
    ("requirements.0", "numpy\n", "E_WORD"),
]
REPORT = [
    ("instance", "", "E_WORD"),
    ("incarnation", LONG, "E_WORD"),
    ("host", "a\0b", "E_WORD"),
    ("state_hash", "a\nb", "E_WORD"),
    ("routes.0", "a/b", "E_NAME"),
    ("partitions.0", "\x1b", "E_WORD"),
    ("capabilities.0", LONG, "E_WORD"),
    ("errors.0.0", "\0", "E_WORD"),
    ("errors.0.1", -1, "E_RANGE"),
    ("pid", -1, "E_RANGE"),
    ("predictions", -1, "E_RANGE"),
    ("resident", -1, "E_RANGE"),
    ("versions.0.model", "", "E_NAME"),
    ("versions.0.version", "", "E_VERSION"),
    ("versions.0.digest", LONG, "E_WORD"),
    ("versions.0.state", "a\nb", "E_WORD"),
    ("versions.0.code", LONG, "E_WORD"),
    ("versions.0.detail", "a\0b", "E_TEXT"),
    ("versions.0.resident", -1, "E_RANGE"),
]
NAN = float("nan")
WINDOW = "windows.0"
TELEMETRY = [
    ("instance", "", "E_WORD"),
    ("incarnation", "", "E_WORD"),
    ("application", LONG, "E_WORD"),
    ("offset", -2, "E_RANGE"),
    ("windows", (), "E_ROUTE"),
    (f"{WINDOW}.route", "another", "E_ROUTE"),
    ("windows", (Window("r", "m", "1", "v", Role.LIVE, 1, 0, 5),) * 2, "E_DUPLICATE"),
    ("dropped.0.0", "", "E_VERSION"),
    ("dropped.0.1", -1, "E_RANGE"),
    ("windows.1.route", "a/b", "E_NAME"),
    (f"{WINDOW}.model", "", "E_NAME"),
    (f"{WINDOW}.version", "", "E_VERSION"),
    (f"{WINDOW}.variant", "a b", "E_NAME"),
    (f"{WINDOW}.revision", -1, "E_RANGE"),
    (f"{WINDOW}.start", -10_000, "E_RANGE"),
    (f"{WINDOW}.start", 1, "E_RANGE"),
    (f"{WINDOW}.span", 0, "E_RANGE"),
    (f"{WINDOW}.routed", 6, "E_RANGE"),
    (f"{WINDOW}.predictions", -1, "E_RANGE"),
    (f"{WINDOW}.substituted", -1, "E_RANGE"),
    (f"{WINDOW}.errors.0.0", "", "E_WORD"),
    (f"{WINDOW}.errors.0.1", 0, "E_RANGE"),
    (f"{WINDOW}.latency.moments.count", -1, "E_RANGE"),
    (f"{WINDOW}.latency.moments.odd", -1, "E_RANGE"),
    (f"{WINDOW}.latency.moments.mean", NAN, "E_RANGE"),
    (f"{WINDOW}.latency.moments.squares", NAN, "E_RANGE"),
    (f"{WINDOW}.latency.moments.squares", float("inf"), "E_RANGE"),
    (f"{WINDOW}.latency.moments.squares", -1.0, "E_RANGE"),
    (f"{WINDOW}.latency.bins.0.count", -2, "E_RANGE"),
    (f"{WINDOW}.latency.bins.0.count", 3, "E_RANGE"),
    (f"{WINDOW}.latency.bins.0.index", 12_000, "E_DUPLICATE"),
    (f"{WINDOW}.latency.bins.0.index", -1, "E_RANGE"),
    (f"{WINDOW}.latency.bins.1.index", 1 << 14, "E_RANGE"),
    (f"{WINDOW}.latency.bins.1.index", 255 << 5, "E_RANGE"),
    (f"{WINDOW}.outputs.0.name", "", "E_WORD"),
    (f"{WINDOW}.inputs.0.name", "\0", "E_WORD"),
    (f"{WINDOW}.pairs.0.output", "", "E_WORD"),
    (f"{WINDOW}.pairs.0.against", "", "E_VERSION"),
    (f"{WINDOW}.pairs.0.unequal", -1, "E_RANGE"),
    (f"{WINDOW}.pairs.0.changed", -1, "E_RANGE"),
    (f"{WINDOW}.pairs.0.compared", -1, "E_RANGE"),
    (f"{WINDOW}.pairs.0.difference.moments.mean", float("-inf"), "E_RANGE"),
    (f"{WINDOW}.outcomes.0.output", "", "E_WORD"),
    (f"{WINDOW}.outcomes.0.labels", -1, "E_RANGE"),
    (f"{WINDOW}.outcomes.0.labels", 4, "E_RANGE"),
    (f"{WINDOW}.outcomes.0.log_loss.mean", NAN, "E_RANGE"),
]
POLICY = [
    ("lead", -1, "E_RANGE"),
    ("rights.0.names.0", "", "E_WORD"),
    ("rights.0.names", 257 * ("a",), "E_RANGE"),
    ("rights.0.authors.0", LONG, "E_WORD"),
    ("rights.0.roles.0", "a\nb", "E_WORD"),
    ("rights", 257 * (Right(Act.ROUTE, ()),), "E_RANGE"),
    ("approvals.0.routes.0", "", "E_WORD"),
    ("approvals.0.routes", 257 * ("a",), "E_RANGE"),
    ("approvals.0.needed", 0, "E_RANGE"),
    ("approvals", 257 * (Approvals((), 1),), "E_RANGE"),
    ("blackouts.0.start", -1, "E_RANGE"),
    ("blackouts.0.end", 1_900_000_000_000, "E_RANGE"),
    ("blackouts.0.reason", "a\0b", "E_TEXT"),
    ("blackouts", 257 * (Blackout(0, 1),), "E_RANGE"),
]
WRONG = [
    *((Kind.POLICY_SET, *row) for row in POLICY),
    (Kind.ROUTING_PROPOSED, "until", -1, "E_RANGE"),
    (Kind.ROUTING_PROPOSED, "change.changes.0.document.route", "a/b", "E_NAME"),
    (Kind.ROUTING_APPROVED, "proposal", -1, "E_RANGE"),
    (Kind.ROUTE_FROZEN, "route", "a/b", "E_NAME"),
    (Kind.ROLLOUT_ABORTED, "route", "a/b", "E_NAME"),
    (Kind.ROLLOUT_ABORTED, "rollout", "", "E_WORD"),
    (Kind.RELEASE_PUBLISHED, "valid_until", -1, "E_RANGE"),
    (Kind.RELEASE_PUBLISHED, "sample.0.name", "", "E_WORD"),
    (Kind.RELEASE_PUBLISHED, "sample.0.sketch.moments.count", 8, "E_RANGE"),
    (Kind.RELEASE_PUBLISHED, "sample", 2 * release().sample, "E_DUPLICATE"),
    *((Kind.ROUTING_CHANGED, *row) for row in ROUTING),
    *((Kind.RELEASE_PUBLISHED, *row) for row in RELEASE),
    *((Kind.FLEET_REPORT, *row) for row in REPORT),
    *((Kind.TELEMETRY, *row) for row in TELEMETRY),
]


@pytest.mark.parametrize(
    ("kind", "path", "value", "code"), WRONG, ids=[f"{path} {code}" for _, path, _, code in WRONG]
)
def test_a_word_that_breaks_its_rule_is_refused(
    kind: Kind, path: str, value: Value, code: str
) -> None:
    with pytest.raises(Rejected, match=rf"^{code}: ") as caught:
        encode(changed(kind, path, value))
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 500


def test_two_files_of_one_name_are_refused() -> None:
    files = (ArtifactFile("model.onnx", 1, SHA256), ArtifactFile("model.onnx", 2, SHA256))
    digest = manifest_digest("onnx", "packed", files)
    artifact = replace(release().artifact, files=files, inline=(), digest=digest)
    with pytest.raises(Rejected, match=r"^E_DUPLICATE"):
        encode(asked(replace(release(), artifact=artifact)))
