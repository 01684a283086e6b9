"""Hypothesis strategies: everything that may travel, small, and sound by itself.

What they make can be encoded. Whether the fold accepts it is another question: versions may be
unknown, buckets need not cover the whole.
"""

import hashlib
from typing import TypeVar

from hypothesis import strategies as st

from modelwire_schemas.artifact import ArtifactChunk
from modelwire_schemas.codec import Event, content_digest
from modelwire_schemas.control import FOLD_VERSION, Body, Command, ControlRecord, fold_of
from modelwire_schemas.fleet import FleetReport, VersionReport
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
    Scalar,
    Tensor,
    TensorValue,
    manifest_digest,
)
from modelwire_schemas.rollout import Finding, Judgement, Phase, Rollout
from modelwire_schemas.routing import (
    BUCKETS,
    All,
    Any,
    Change,
    Clause,
    ModelVersion,
    Not,
    Op,
    Predicate,
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

T = TypeVar("T")
ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

names = st.builds(
    str.__add__, st.sampled_from(ALPHABET), st.text(alphabet=f"{ALPHABET}._-", max_size=12)
)
versions = st.builds(
    str.__add__, st.sampled_from(ALPHABET), st.text(alphabet=f"{ALPHABET}._+-", max_size=12)
)
printable = st.characters(exclude_categories=["C", "Z"], include_characters=" ", codec="utf-8")
words = st.text(alphabet=printable, max_size=12)
some_words = st.text(alphabet=printable, min_size=1, max_size=12)
texts = st.text(alphabet=st.characters(exclude_characters="\0", codec="utf-8"), max_size=30)
naturals = st.integers(min_value=0, max_value=2**63 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False)
scalars: st.SearchStrategy[Scalar] = st.one_of(
    texts, st.integers(min_value=-(2**63), max_value=2**63 - 1), floats, st.booleans()
)
digests = st.binary(max_size=8).map(lambda data: hashlib.sha256(data).hexdigest())


def few(items: st.SearchStrategy[T], most: int = 3) -> st.SearchStrategy[tuple[T, ...]]:
    """Return tuples of a few items."""
    return st.lists(items, max_size=most).map(lambda values: tuple(values))


def _artifact(names_and_data: dict[str, bytes], form: str, chunks: bool, uri: str) -> Artifact:  # noqa: FBT001
    files = tuple(
        ArtifactFile(name, len(data), hashlib.sha256(data).hexdigest())
        for name, data in names_and_data.items()
    )
    spans = tuple(ChunkSpan(file.name, 0, 10 * i, 10 * i + 9) for i, file in enumerate(files))
    return Artifact(
        "onnx",
        form,
        manifest_digest("onnx", form, files),
        files,
        inline=() if chunks else tuple(names_and_data.values()),
        chunks=spans if chunks else (),
        uri=uri,
    )


artifacts = st.builds(
    _artifact,
    st.dictionaries(names, st.binary(max_size=20), min_size=1, max_size=2),
    st.sampled_from(["packed", "mapped"]),
    st.booleans(),
    texts,
)
tensors = st.builds(Tensor, some_words, names, few(st.none() | naturals))
columns = st.builds(Column, some_words, st.booleans(), st.none() | scalars)
contracts = st.builds(
    Contract, few(tensors, 2), few(tensors, 2), few(st.builds(Feed, some_words, few(columns)), 2)
)
tensor_values = st.builds(
    TensorValue, some_words, names, few(naturals), st.binary(max_size=20), few(texts)
)
goldens = st.builds(
    Golden,
    few(tensor_values, 1),
    few(tensor_values, 1),
    st.floats(min_value=0, allow_infinity=False),
)
facts = few(st.tuples(some_words, texts))
releases = st.builds(
    ReleasePublished,
    names,
    versions,
    artifacts,
    contracts,
    few(goldens, 1),
    few(tensor_values, 1),
    few(st.tuples(some_words, floats)),
    facts,
    facts,
    few(some_words),
    st.just(0) | naturals,
    st.deferred(lambda: distributions()),
)

clauses: st.SearchStrategy[Predicate] = st.builds(Clause, words, st.sampled_from(Op), few(scalars))


def predicates(depth: int = 3) -> st.SearchStrategy[Predicate]:
    """Return predicates of up to `depth` levels."""
    if depth == 1:
        return clauses
    parts = predicates(depth - 1)
    return st.one_of(
        clauses, st.builds(All, few(parts)), st.builds(Any, few(parts)), st.builds(Not, parts)
    )


variants = st.builds(
    Variant,
    names,
    versions,
    few(st.tuples(st.integers(0, BUCKETS), st.integers(0, BUCKETS))),
    few(st.tuples(some_words, naturals)),
)
splits = st.builds(Split, st.sampled_from(SplitBy), words, words)
rules = st.builds(Rule, names, few(variants), splits, st.none() | predicates())
_thresholds = st.tuples(some_words, floats)
shadows = st.builds(
    Shadow,
    versions,
    st.integers(0, BUCKETS),
    words,
    st.none() | predicates(2),
    few(_thresholds),
)
finite = st.none() | floats
findings = st.builds(
    Finding,
    some_words,
    st.sampled_from(Judgement),
    naturals,
    finite,
    finite,
    finite,
    naturals,
    naturals,
    texts,
    st.booleans(),
)
rollouts = st.builds(
    Rollout,
    some_words,
    texts,
    naturals,
    naturals,
    naturals,
    st.sampled_from(Phase),
    texts,
    few(findings),
)
documents = st.builds(
    RoutingDocument,
    names,
    names,
    few(rules),
    few(shadows, 1),
    few(versions),
    few(versions),
    words,
    words,
    st.sampled_from(Staleness),
    st.booleans(),
    st.booleans(),
    st.none() | rollouts,
)
changes = st.builds(
    RoutingChanged,
    few(st.builds(Change, documents, naturals, naturals, few(naturals)), 2),
    st.none() | naturals,
    st.booleans(),
    few(st.builds(RouteRevision, names, naturals)),
    few(st.builds(ModelVersion, names, versions)),
    st.booleans(),
    st.just(0) | naturals,
    st.just(0) | naturals,
)

patterns = few(some_words)
policies = st.builds(
    PolicySet,
    naturals,
    few(st.builds(Right, st.sampled_from(Act), patterns, patterns, patterns)),
    few(st.builds(Approvals, patterns, st.integers(1, 5))),
    few(st.builds(Blackout, st.integers(0, 9), st.integers(10, 2**60), texts)),
)
bodies: st.SearchStrategy[Body] = st.one_of(
    releases,
    st.builds(ReleaseWithdrawn, names, versions),
    changes,
    st.builds(RouteConfirmed, names),
    st.builds(RouteFrozen, names, st.booleans()),
    st.builds(RolloutAborted, names, some_words),
    st.builds(RoutingProposed, changes, naturals),
    st.builds(RoutingApproved, naturals),
    policies,
)


@st.composite
def control_records(draw: st.DrawFn, of: st.SearchStrategy[Body] = bodies) -> ControlRecord:
    """Return a body and a command for it, with the body's digest."""
    body = draw(of)
    return ControlRecord(
        Command(
            draw(some_words),
            content_digest(body),
            draw(naturals),
            fold=fold_of(body),
            author=draw(words),
            role=draw(words),
            reason=draw(texts),
            ticket=draw(words),
            cause=draw(texts),
            signature=draw(st.binary(max_size=20)),
            key_id=draw(words),
        ),
        body,
    )


version_reports = st.builds(VersionReport, names, versions, digests, words, words, texts, naturals)
fleet_reports = st.builds(
    FleetReport,
    instance=some_words,
    incarnation=words,
    application=words,
    namespace=words,
    host=words,
    pid=naturals,
    sdk=words,
    fold=st.just(1),
    offset=st.integers(min_value=-1, max_value=2**62),
    state_hash=digests,
    horizon=st.integers(min_value=-(2**62), max_value=2**62),
    stale_since=naturals,
    routes=few(names),
    versions=few(version_reports),
    group=words,
    partitions=few(words),
    capabilities=few(words),
    errors=few(st.tuples(words, naturals)),
    predictions=naturals,
    resident=naturals,
    goodbye=st.booleans(),
)
chunks = st.builds(
    ArtifactChunk, digests, st.integers(0, 9), st.integers(10, 2**40), st.binary(max_size=100)
)
snapshot_chunks = st.builds(
    SnapshotChunk,
    st.integers(1, FOLD_VERSION),
    naturals,
    st.integers(-(2**62), 2**62),
    digests,
    digests,
    st.integers(0, 9),
    st.integers(10, 2**40),
    st.binary(max_size=100),
)
counts = st.integers(0, 2**40)
moments = st.builds(
    Moments, counts, floats, st.floats(min_value=0, allow_infinity=False, allow_nan=False), counts
)
bins = st.dictionaries(st.integers(0, 8000), st.integers(1, 2**40), max_size=3).map(
    lambda found: tuple(Bin(index, found[index]) for index in sorted(found))
)


@st.composite
def sketches(draw: st.DrawFn) -> Sketch:
    """Return bins and as many values in the moments, or moments alone."""
    found, of = draw(bins), draw(moments)
    held = sum(one.count for one in found) if found else of.count
    return Sketch(Moments(held, of.mean, of.squares, of.odd), found)


outputs = few(st.builds(Output, some_words, sketches()), 2)


def distributions() -> st.SearchStrategy[tuple[Output, ...]]:
    """Return outputs, each of another name."""
    return outputs.filter(lambda found: len({one.name for one in found}) == len(found))


@st.composite
def windows(draw: st.DrawFn, route: str) -> Window:
    """Return a window of a route whose counts fit each other."""
    span, answered, instead = draw(st.integers(1, 2**40)), draw(counts), draw(counts)
    labels = draw(bins)
    many = sum(one.count for one in labels) + draw(counts)
    outcome = Outcome(draw(some_words), many, draw(moments), negatives=labels)
    pair = Pair(draw(some_words), draw(versions), draw(sketches()), draw(sketches()), Sketch())
    return Window(
        route,
        draw(names),
        draw(versions),
        draw(names),
        draw(st.sampled_from(Role)),
        draw(naturals),
        span * draw(st.integers(0, 2**20)),
        span,
        answered + instead + draw(counts),
        answered,
        instead,
        draw(few(st.tuples(some_words, st.integers(1, 2**40)))),
        draw(sketches()),
        draw(outputs),
        draw(outputs),
        (pair,),
        (outcome,),
    )


@st.composite
def telemetries(draw: st.DrawFn) -> Telemetry:
    """Return a report on one route."""
    of_one = windows(draw(names))
    found = draw(st.lists(of_one, min_size=1, max_size=2, unique_by=lambda w: w.key))
    dropped = draw(few(st.tuples(versions, counts)))
    offset = draw(st.integers(-1, 2**62))
    return Telemetry(draw(some_words), draw(some_words), draw(words), offset, tuple(found), dropped)


events: st.SearchStrategy[Event] = st.one_of(
    control_records(), fleet_reports, chunks, telemetries(), snapshot_chunks
)
