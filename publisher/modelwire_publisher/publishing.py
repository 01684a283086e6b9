"""Releasing a version: read, check, prove, write the artifact, and one record last."""

from dataclasses import replace

from modelwire.control.checks import check_release
from modelwire.control.reading import fold_log
from modelwire.control.state import Release, State
from modelwire.loading.verdicts import ProbeRequest, ProbeResult
from modelwire.serving.features import Features
from modelwire_publisher import contract_file, gates, golden_file, samples
from modelwire_publisher.artifact import Staged, stage
from modelwire_publisher.contract import build, by_names, like
from modelwire_publisher.contract_file import Feeding
from modelwire_publisher.events import read_events
from modelwire_publisher.means import Means, workroom
from modelwire_publisher.order import Check, Order, PublishedRelease
from modelwire_publisher.progress import Stage
from modelwire_publisher.prove import Bench, Proof, prove
from modelwire_publisher.samples import Rows
from modelwire_publisher.store.choose import choose
from modelwire_publisher.writing import already, write
from modelwire_schemas import names
from modelwire_schemas.errors import NotFound, Rejected
from modelwire_schemas.release import Contract, Golden, ReleasePublished


def release(order: Order, means: Means) -> PublishedRelease:
    """Carry out an order; see `modelwire_publisher.publish`."""
    _check_words(order, means)
    means.prober.start()
    state = fold_log(means.log, means.namespace, timeout=means.timeout)
    before = predecessor(state, order)
    with workroom() as work:
        staged = stage(
            order.file,
            work,
            format=order.artifact_format,
            keep_form=order.keep_form,
            progress=means.progress,
        )
        there = _there(state, order, staged)
        if there is not None and order.by_digest:
            return already(order, there)
        means.progress(Stage.PROBE, 0, 2)
        bench = Bench(means.prober, _question(order, staged), str(order.file))
        found = bench.signature()
        contract, features = build(_feeding(order, staged, found), found.inputs, found.outputs)
        if there is not None:
            _there(state, order, staged, like(contract, there.contract))
            return already(order, there)
        means.progress(Stage.PROBE, 1, 2)
        proof = _pass(order, bench, contract, features, before)
        means.progress(Stage.PROBE, 2, 2)
        loaded = Check("load", f"{found.runtime}, {found.peak / 1e6:.0f} MB at most")
        proof = replace(proof, checks=(loaded, *proof.checks))
        body = _body(order, staged, proof, before)
        return write(order, means, state, staged, body, proof.checks)


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
        if faults:
            faults.append(gates.Fault(error.code, error.what, error.todo))
            gates.refuse(faults, bench.where)
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
        valid_until=order.valid_until,
        sample=proof.sample,
    )
