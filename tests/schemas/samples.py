"""One event of each kind, with every field in use: where a test begins that breaks something."""

import hashlib

from modelwire_schemas.artifact import ArtifactChunk
from modelwire_schemas.codec import Event, content_digest
from modelwire_schemas.control import Body, Command, ControlRecord, fold_of
from modelwire_schemas.fleet import FleetReport, VersionReport
from modelwire_schemas.generations import Kind
from modelwire_schemas.policy import Act, Approvals, Blackout, PolicySet, Right
from modelwire_schemas.release import (
    Artifact,
    ArtifactFile,
    ChunkSpan,
    Column,
    Contract,
    Feed,
    Golden,
    ReleasePublished,
    ReleaseWithdrawn,
    Tensor,
    TensorValue,
    manifest_digest,
)
from modelwire_schemas.rollout import Finding, Judgement, Phase, Rollout
from modelwire_schemas.routing import (
    All,
    Any,
    Change,
    Clause,
    ModelVersion,
    Not,
    Op,
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
    SplitBy,
    Staleness,
    Variant,
)
from modelwire_schemas.snapshot import SnapshotChunk
from modelwire_schemas.telemetry import (
    Bin,
    Moments,
    Outcome,
    Output,
    Pair,
    Role,
    Sketch,
    Telemetry,
    Window,
)

FILE = b"not really a model"
SHA256 = hashlib.sha256(FILE).hexdigest()


def asked(body: Body) -> ControlRecord:
    """Return a record that asks for `body`."""
    command = Command(
        "change-42",
        content_digest(body),
        1_900_000_000_000,
        fold=fold_of(body),
        author="ann",
        role="operator",
        reason="the new one is better,\nsee the report",
        ticket="OPS-7",
        cause="operator",
        signature=b"\x00\xff",
        key_id="ann-1",
    )
    return ControlRecord(command, body)


def release() -> ReleasePublished:
    """Return a release with all that one may have."""
    files = (ArtifactFile("model.onnx", len(FILE), SHA256),)
    numbers = TensorValue("x", "float32", (1, 2), bytes(8))
    texts = TensorValue("carrier", "string", (1, 1), strings=("UA",))
    return ReleasePublished(
        "flights-late",
        "8",
        Artifact(
            "onnx",
            "packed",
            manifest_digest("onnx", "packed", files),
            files,
            (FILE,),
            (ChunkSpan("model.onnx", 3, 17, 18),),
            "s3://models/flights-late",
        ),
        Contract(
            (Tensor("x", "float32", (None, 2)), Tensor("carrier", "string", (None, 1))),
            (Tensor("late", "float32", (None,)),),
            (
                Feed("x", (Column("dep_delay", nullable=True), Column("distance", default=-1.5))),
                Feed("carrier", (Column("carrier", default="UA"),)),
            ),
        ),
        golden=(Golden((numbers, texts), (TensorValue("late", "float32", (1,), bytes(4)),), 1e-4),),
        warmup=(numbers, texts),
        metrics=(("auc", 0.74), ("rows", 3e5)),
        labels=(("team", "ops"),),
        lineage=(("commit", "abc123"), ("parent", "7")),
        requirements=("numpy>=1.26",),
        valid_until=1_900_000_000_000,
        sample=(Output("dep_delay", Sketch(Moments(9, 4.5, 60.0, odd=1), (Bin(4000, 9),))),),
    )


def rollout() -> Rollout:
    """Return a rollout with all that one may have."""
    failed = Finding(
        "errors",
        Judgement.FAIL,
        1_900_000_000_000,
        0.005,
        0.001,
        0.002,
        2_000,
        38_000,
        "p 1e-9",
        dry_run=True,
    )
    return Rollout(
        "late-8",
        '{"steps": []}',
        2,
        1_900_000_000_000,
        1_900_000_060_000,
        Phase.PAUSED,
        "wait for labels",
        (failed, Finding("drift", Judgement.NO_DATA, 0)),
    )


def routing() -> RoutingChanged:
    """Return a change of two routes with all that one may have."""
    match = All(
        (
            Any((Clause("origin", Op.IN, ("JFK", "LGA")), Clause("distance", Op.GT, (500, 2.5)))),
            Not(Clause("header.test", Op.EXISTS)),
            Clause("staff", Op.NOT_IN, (True,)),
        )
    )
    candidate = Variant("candidate", "8", ((0, 500),))
    stable = Variant("stable", "7", ((500, 9_000), (9_000, 10_000)), (("flights", 3),))
    late = RoutingDocument(
        "flights-late",
        "flights-late",
        (
            Rule("staff", (candidate, stable), Split(SplitBy.EVENT, "late", "tail"), match),
            Rule("all", (stable,)),
        ),
        (Shadow("9", 2_000, "dark", Clause("origin", Op.PREFIX, ("J",)), (("late", 0.5),)),),
        ("6",),
        ("7",),
        "x-version",
        "departure",
        Staleness.FALLBACK,
        contract_changed=True,
        reshuffle=True,
        rollout=rollout(),
    )
    early = RoutingDocument("flights-early", "flights-late", (Rule("all", (stable,)),))
    return RoutingChanged(
        (Change(late, 3, 1, (2, 3)), Change(early, 0)),
        1_900_000_000_000,
        at_once=True,
        cancels=(RouteRevision("flights-late", 4),),
        withdraws=(ModelVersion("flights-late", "5"),),
        automatic=True,
        decided_at=1_900_000_000_000,
        confirm_within=900_000,
    )


def policy() -> PolicySet:
    """Return a policy with all that one may have."""
    return PolicySet(
        500,
        (Right(Act.ROUTE, ("flights-*",), ("ann",), ("operator", "*-lead")),),
        (Approvals(("flights-late",), 2),),
        (Blackout(1_900_000_000_000, 1_900_000_600_000, "the holidays"),),
    )


def report() -> FleetReport:
    """Return a report with all that one may have."""
    return FleetReport(
        "i-07",
        "a1b2",
        "delays",
        "prod",
        "host-3",
        4711,
        "0.1.0",
        1,
        -1,
        SHA256,
        1_900_000_000_000,
        0,
        ("flights-late",),
        (
            VersionReport("flights-late", "8", SHA256, "warm", resident=1_000),
            VersionReport("flights-late", "9", SHA256, "failed", "E_LOAD", "no such operator"),
        ),
        "scorers",
        ("flights[3]",),
        ("at_once",),
        (("E_NO_KEY", 2),),
        1_234,
        5_678,
        goodbye=True,
    )


def telemetry() -> Telemetry:
    """Return a report with all that one may have."""
    sketch = Sketch(Moments(3, -0.5, 0.25, odd=1), (Bin(4064, 2), Bin(12000, 1)))
    outcome = Outcome(
        "late", 5, Moments(5, 0.4, 1.5), Moments(5), Moments(), (Bin(1, 2),), (Bin(1, 3),)
    )
    live = Window(
        "flights-late",
        "flights-late",
        "8",
        "candidate",
        Role.LIVE,
        4,
        1_900_000_000_000,
        10_000,
        10,
        6,
        1,
        (("E_MODEL", 3),),
        sketch,
        (Output("late", sketch),),
        (Output("dep_delay", sketch),),
        (Pair("late", "7", sketch, sketch, sketch, 2, 9, 1),),
        (outcome,),
    )
    shadow = Window("flights-late", "flights-late", "9", "shadow", Role.SHADOW, 4, 0, 60_000)
    return Telemetry("i-07", "a1b2", "delays", 17, (live, shadow), (("9", 1_000),))


SAMPLES: dict[Kind, Event] = {
    Kind.RELEASE_PUBLISHED: asked(release()),
    Kind.RELEASE_WITHDRAWN: asked(ReleaseWithdrawn("flights-late", "5")),
    Kind.ROUTING_CHANGED: asked(routing()),
    Kind.ROUTING_PROPOSED: asked(RoutingProposed(routing(), 1_900_000_600_000)),
    Kind.ROUTING_APPROVED: asked(RoutingApproved(4711)),
    Kind.ROUTE_CONFIRMED: asked(RouteConfirmed("flights-late")),
    Kind.ROUTE_FROZEN: asked(RouteFrozen("flights-late", frozen=True)),
    Kind.ROLLOUT_ABORTED: asked(RolloutAborted("flights-late", "late-8")),
    Kind.POLICY_SET: asked(policy()),
    Kind.FLEET_REPORT: report(),
    Kind.ARTIFACT_CHUNK: ArtifactChunk(SHA256, 1, 3, b"a piece"),
    Kind.TELEMETRY: telemetry(),
    Kind.SNAPSHOT_CHUNK: SnapshotChunk(
        2, 4711, 1_900_000_000_000, SHA256, SHA256, 1, 3, b"a piece"
    ),
}
