"""The last steps of a release: the artifact's bytes, durable, and then one record."""

from dataclasses import replace

from modelwire.control.commands import By, Outcome, me, submit
from modelwire.control.state import Release, State
from modelwire_publisher.artifact import Staged
from modelwire_publisher.means import Means
from modelwire_publisher.order import Check, Order, PublishedRelease
from modelwire_publisher.progress import Progress, Stage
from modelwire_publisher.store.choose import choose
from modelwire_publisher.store.contract import Store
from modelwire_schemas.artifact import INLINE_BYTES
from modelwire_schemas.codec import content_digest, encode
from modelwire_schemas.control import Command, ControlRecord, fold_of
from modelwire_schemas.errors import Unavailable
from modelwire_schemas.release import Artifact, Contract, ReleasePublished


def write(
    order: Order,
    means: Means,
    state: State,
    staged: Staged,
    body: ReleasePublished,
    checks: tuple[Check, ...],
) -> PublishedRelease:
    """Write the artifact, and once that is durable the one record that makes it a release.

    Raises what the store, the log and the fold say; Unavailable where publishing again may help.
    """
    size = staged.artifact.size
    store = choose(order.store, size, means.log, means.namespace, means.timeout)
    planned = replace(body, artifact=store.plan(staged))
    _rehearse(planned, _by(order))
    if order.dry_run:
        return _told(order, planned.artifact, -1, body.contract, checks, already=False)
    artifact = _keep(store, staged, means.progress)
    means.progress(Stage.RELEASE, 0, 1)
    outcome = _submit(order, means, state, replace(body, artifact=artifact))
    means.progress(Stage.RELEASE, 1, 1)
    outcome.verdict.check()
    there = outcome.state.release(order.model, order.version)
    first = there.offset if there else outcome.verdict.offset
    before = first != outcome.verdict.offset
    return _told(order, artifact, first, body.contract, checks, already=before)


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
        fold=fold_of(body),
        author=by.author,
        role=by.role,
        reason=by.reason,
        cause=by.cause,
    )
    encode(ControlRecord(command, body))


def _submit(order: Order, means: Means, state: State, body: ReleasePublished) -> Outcome:
    key = order.idempotency_key
    request = f"publish:{key}" if key else None
    try:
        return submit(
            means.log,
            means.namespace,
            body,
            _by(order),
            request_id=request,
            state=state,
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
        where=artifact.uri or ("inline" if artifact.size <= INLINE_BYTES else "chunks"),
        size=artifact.size,
        checks=checks,
        contract=contract,
        already=already,
    )


def already(order: Order, there: Release) -> PublishedRelease:
    """Return a release that was there before."""
    checks = (Check("artifact", f"was published at offset {there.offset}"),)
    return _told(order, there.artifact, there.offset, there.contract, checks, already=True)
