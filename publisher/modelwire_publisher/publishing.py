"""Releasing a version: read, check, prove, write the artifact, and one record last."""

import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from modelwire.control.checks import check_release
from modelwire.control.commands import By, Outcome, me, submit
from modelwire.control.reading import fold_log
from modelwire.control.state import Release, State
from modelwire.loading.probe import Prober
from modelwire.loading.verdicts import ProbeRequest, ProbeResult
from modelwire.serving.features import Features
from modelwire_log.contract import Log
from modelwire_log.open import open_log
from modelwire_publisher import contract_file, gates, golden_file, samples
from modelwire_publisher.artifact import Staged, stage
from modelwire_publisher.contract import build, by_names, like
from modelwire_publisher.contract_file import Feeding
from modelwire_publisher.events import read_events
from modelwire_publisher.order import Check, Order, PublishedRelease
from modelwire_publisher.progress import Progress, Stage
from modelwire_publisher.prove import Bench, Proof, prove
from modelwire_publisher.samples import Rows
from modelwire_publisher.store.choose import choose
from modelwire_publisher.store.contract import Store
from modelwire_schemas import names
from modelwire_schemas.codec import content_digest, encode
from modelwire_schemas.control import Command, ControlRecord
from modelwire_schemas.errors import NotFound, Rejected, Unavailable
from modelwire_schemas.release import Artifact, Contract, Golden, ReleasePublished


@dataclass(frozen=True, slots=True)
class Means:
    """What a release is made with: the log, the probe, how long to wait (s), who is told."""

    log: Log
    namespace: str
    prober: Prober
    timeout: float
    progress: Progress


@contextmanager
def opened(log: str | Log, kafka: Mapping[str, str] | None = None) -> Generator[Log]:
    """Give the log at a URL and close it, or the log that is open already and leave it so."""
    if not isinstance(log, str):
        yield log
        return
    with open_log(log, kafka=kafka) as own:
        yield own


def release(order: Order, means: Means) -> PublishedRelease:
    """Carry out an order; see `modelwire_publisher.publish`."""
    _check_words(order, means)
    state = fold_log(means.log, means.namespace, timeout=means.timeout)
    before = predecessor(state, order)
    with tempfile.TemporaryDirectory(prefix="modelwire-publish-") as work:
        staged = stage(
            order.file,
            Path(work),
            format=order.artifact_format,
            keep_form=order.keep_form,
            progress=means.progress,
        )
        there = _there(state, order, staged)
        if there is not None and order.by_digest:
            return _found(order, there)
        means.progress(Stage.PROBE, 0, 2)
        bench = Bench(means.prober, _question(order, staged), str(order.file))
        found = bench.signature()
        contract, features = build(_feeding(order, staged, found), found.inputs, found.outputs)
        if there is not None:
            _there(state, order, staged, like(contract, there.contract))
            return _found(order, there)
        means.progress(Stage.PROBE, 1, 2)
        proof = _pass(order, bench, contract, features, before)
        means.progress(Stage.PROBE, 2, 2)
        loaded = Check("load", f"{found.runtime}, {found.peak / 1e6:.0f} MB at most")
        proof = replace(proof, checks=(loaded, *proof.checks))
        return _write(order, means, staged, _body(order, staged, proof, before), proof.checks)


def predecessor(state: State, order: Order) -> Release | None:
    """Return the version that the new one follows: the parent, or the newest not withdrawn."""
    versions = state.releases.get(order.model, {})
    if order.parent is not None:
        if order.parent not in versions:
            raise NotFound(
                "E_UNKNOWN_VERSION",
                f"parent {order.model} {order.parent} is not released",
                expected=f"one of {', '.join(versions) or 'none'}",
            )
        return versions[order.parent]
    others = [r for r in versions.values() if not r.withdrawn and r.version != order.version]
    return max(others, key=lambda r: r.offset, default=None)


def _check_words(order: Order, means: Means) -> None:
    names.name("namespace", means.namespace)
    names.name("model", order.model)
    names.version(order.version)
    gates.refuse([*gates.text_faults("label", order.labels)], str(order.file))
    if order.store is not None:
        choose(order.store, 0, means.log, means.namespace, means.timeout)


def _question(order: Order, staged: Staged) -> ProbeRequest:
    return ProbeRequest(
        folder=staged.folder,
        artifact=staged.artifact,
        requirements=order.requirements,
        allowed_models=order.allowed_models,
    )


def _feeding(order: Order, staged: Staged, found: ProbeResult) -> Feeding:
    if order.fields and order.contract is not None:
        raise Rejected(
            "E_CONTRACT", "both fields and a contract file are given", expected="one of them"
        )
    if order.fields:
        return contract_file.from_fields(order.fields)
    if order.contract is not None:
        return contract_file.from_file(order.contract)
    if staged.contract:
        return contract_file.from_metadata(staged.contract)
    return by_names(found.inputs)


def _there(
    state: State, order: Order, staged: Staged, contract: Contract | None = None
) -> Release | None:
    """Return the same release if it is there, with any contract if none is given.

    Raises Conflict when the version is another's, Rejected when it was withdrawn.
    """
    known = state.release(order.model, order.version)
    if known is None:
        return None
    asked = contract or known.contract
    return check_release(
        state, ReleasePublished(order.model, order.version, staged.artifact, asked)
    )


def _found(order: Order, there: Release) -> PublishedRelease:
    checks = (Check("artifact", f"was published at offset {there.offset}"),)
    return _told(order, there.artifact, there.offset, there.contract, checks, already=True)


def _pass(
    order: Order, bench: Bench, contract: Contract, features: Features, before: Release | None
) -> Proof:
    """Return the proof that the model works; raises Rejected with all that is wrong."""
    named = f"{before.model} {before.version}" if before else ""
    old = before.contract if before else None
    faults = [*gates.metric_faults(order.metrics, order.require)]
    faults += gates.contract_faults(contract, old, named, meant=order.new_contract)
    try:
        golden = _golden(order, contract, features)
        proof = prove(
            bench, contract, _rows(order, contract, features, golden), golden, order.tolerance
        )
    except Rejected as error:
        gates.refuse([*faults, gates.Fault(error.code, error.what, error.todo)], bench.where)
        raise
    gates.refuse(faults, bench.where)
    checks = [gates.contract_check(proof.contract, old, named), *proof.checks]
    checks += gates.metric_checks(order.metrics, order.require)
    return replace(proof, checks=tuple(checks))


def _golden(order: Order, contract: Contract, features: Features) -> Golden | None:
    if order.golden is None:
        return None
    return golden_file.read(order.golden, contract, features, order.tolerance)


def _rows(order: Order, contract: Contract, features: Features, golden: Golden | None) -> Rows:
    if order.sample is not None:
        events = read_events(order.sample, contract)
        return samples.from_events(events, features, contract, str(order.sample))
    if golden is not None:
        return samples.from_golden(golden)
    return samples.made_up(contract)


def _body(order: Order, staged: Staged, proof: Proof, before: Release | None) -> ReleasePublished:
    told = {
        "parent": before.version if before else "",
        "commit": order.commit or "",
        "original_sha256": staged.original,
        "idempotency_key": order.idempotency_key or "",
    }
    return ReleasePublished(
        model=order.model,
        version=order.version,
        artifact=staged.artifact,
        contract=proof.contract,
        golden=proof.golden,
        warmup=proof.warmup,
        metrics=tuple((name, float(value)) for name, value in order.metrics.items()),
        labels=tuple(order.labels.items()),
        lineage=tuple((name, fact) for name, fact in told.items() if fact),
        requirements=order.requirements,
    )


def _write(
    order: Order, means: Means, staged: Staged, body: ReleasePublished, checks: tuple[Check, ...]
) -> PublishedRelease:
    """Write the artifact, and once that is durable the one record that makes it a release."""
    size = staged.artifact.size
    store = choose(order.store, size, means.log, means.namespace, means.timeout)
    planned = replace(body, artifact=store.plan(staged))
    _rehearse(planned, _by(order))
    if order.dry_run:
        return _told(order, planned.artifact, -1, body.contract, checks, already=False)
    artifact = _keep(store, staged, means.progress)
    means.progress(Stage.RELEASE, 0, 1)
    outcome = _submit(order, means, replace(body, artifact=artifact))
    means.progress(Stage.RELEASE, 1, 1)
    outcome.verdict.check()
    there = outcome.state.release(order.model, order.version)
    first = there.offset if there else outcome.verdict.offset
    already = first != outcome.verdict.offset
    return _told(order, artifact, first, body.contract, checks, already=already)


def _keep(store: Store, staged: Staged, progress: Progress) -> Artifact:
    done = 0

    def told(count: int) -> None:
        nonlocal done
        done += count
        progress(Stage.STORE, done, staged.artifact.size)

    progress(Stage.STORE, 0, staged.artifact.size)
    return store.keep(staged, told)


def _rehearse(body: ReleasePublished, by: By) -> None:
    """Raise what writing the record would raise, before anything else is written."""
    command = Command(
        request_id="0" * 256,
        content=content_digest(body),
        expires=0,
        author=by.author,
        role=by.role,
        reason=by.reason,
        cause=by.cause,
    )
    encode(ControlRecord(command, body))


def _submit(order: Order, means: Means, body: ReleasePublished) -> Outcome:
    key = order.idempotency_key
    request = f"publish:{key}" if key else None
    try:
        return submit(
            means.log,
            means.namespace,
            body,
            _by(order),
            request_id=request,
            timeout=means.timeout,
        )
    except Unavailable as error:
        raise Unavailable(
            error.code,
            error.what,
            where=error.where,
            expected=error.expected,
            todo=f"publish {order.model} {order.version} again: it cannot be released twice",
        ) from error


def _by(order: Order) -> By:
    by = me(order.reason, role="publisher", cause="publisher")
    return replace(by, author=order.author) if order.author else by


def _told(
    order: Order,
    artifact: Artifact,
    offset: int,
    contract: Contract,
    checks: tuple[Check, ...],
    *,
    already: bool,
) -> PublishedRelease:
    return PublishedRelease(
        model=order.model,
        version=order.version,
        digest=artifact.digest,
        offset=offset,
        form=artifact.form,
        where=artifact.uri or ("chunks" if artifact.chunks else "inline"),
        size=artifact.size,
        checks=checks,
        contract=contract,
        already=already,
    )
