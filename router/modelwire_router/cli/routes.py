"""Verbs that change which version answers: apply, confirm, flip, split, undo."""

from dataclasses import replace
from pathlib import Path

import click

from modelwire.clock import SystemClock
from modelwire.control.reading import read_past
from modelwire.control.state import ALWAYS, State, Verdict
from modelwire_router.changes import (
    When,
    flip as flipped,
    replace_document,
    split as divided,
    together,
    undo as undone,
)
from modelwire_router.cli.barrier import Barrier, barrier, pass_barrier, pass_undo
from modelwire_router.cli.options import read_duration, reason, when, yaml_file
from modelwire_router.cli.proposals import propose, proposed
from modelwire_router.cli.session import Session
from modelwire_router.cli.waiting import tell_way_back
from modelwire_router.document_file import read_documents
from modelwire_router.known import known_route
from modelwire_router.queued import queued
from modelwire_router.times import show_time
from modelwire_schemas.errors import ModelwireError, Rejected
from modelwire_schemas.routing import RouteConfirmed, RoutingChanged


@click.command()
@click.argument("route")
@click.argument("version")
@click.option("--model", default="", help="For a new route whose model has another name.")
@click.option(
    "--confirm-within",
    metavar="DURATION",
    callback=read_duration,
    help="Go back after so long, as 15m, unless somebody confirms.",
)
@when
@barrier
@propose
@reason
@click.pass_obj
def flip(
    session: Session,
    route: str,
    version: str,
    model: str,
    confirm_within: int,
    when: When,
    barrier: Barrier,
    reason: str,
) -> None:
    """Give VERSION every event of ROUTE, once the fleet has it warm; a new route is made."""
    state = session.state()
    when = replace(when, confirm_within=confirm_within)
    change = flipped(state, route, version, model=model, when=when)
    session.rehearse(change, state)
    if not _is_to_come(state, route, when):
        state = pass_barrier(session, state, route, version, model, barrier)
        change = flipped(state, route, version, model=model, when=when)
    _send(session, state, change, reason, f"{route}: {version} gets everything")


@click.command()
@click.argument("route")
@reason
@click.pass_obj
def confirm(session: Session, route: str, reason: str) -> None:
    """Let a flip of ROUTE stay that would go back by itself."""
    state = session.state()
    body = RouteConfirmed(known_route(state, route).route)
    verdict = session.submit(body, state, reason=reason).verdict
    revision = verdict.revisions[0].revision
    row = {"routes": {route: revision}, "offset": verdict.offset, "detail": verdict.detail}
    session.data(row, f"{route}: {verdict.detail}, it stays\nrevision {route}@{revision}")


@click.command()
@click.argument("route")
@click.argument("weights", nargs=-1, required=True, metavar="V=WEIGHT…")
@click.option("--model", default="", help="For a new route whose model has another name.")
@when
@propose
@reason
@click.pass_obj
def split(
    session: Session,
    route: str,
    weights: tuple[str, ...],
    model: str,
    when: When,
    reason: str,
) -> None:
    """Divide the events of ROUTE by key, in percent: `split flights-late 7=90 8=10`."""
    state = session.state()
    shares = _weights(weights)
    change = divided(state, route, shares, model=model, when=when)
    told = ", ".join(f"{version} {share} %" for version, share in shares.items())
    _send(session, state, change, reason, f"{route}: {told}")


@click.command()
@click.argument("route")
@click.option("--step", is_flag=True, help="Back by one document, whatever it says.")
@click.option("--to", type=int, metavar="REVISION", help="Back to this revision.")
@click.option("--force", is_flag=True, help="Also where no instance has it warm.")
@reason
@click.pass_obj
def undo(
    session: Session, route: str, step: bool, to: int | None, force: bool, reason: str
) -> None:
    """Take ROUTE back, at once, to where one version had everything."""
    if step and to is not None:
        raise click.UsageError("--step and --to exclude each other")
    state = session.state()
    past = read_past(session.log(), session.namespace)
    now = SystemClock().now()
    change = undone(state, past, route, step=step, to=to, now=now)
    if not force:
        pass_undo(session, state, change)
    told = "; ".join(
        f"{c.document.route}: back to revision {c.restores}, "
        f"{c.document.sole_version() or 'a split'}"
        for c in change.changes
    )
    _send(session, state, change, reason or "undo", told)


rollback = click.Command(
    "rollback", callback=undo.callback, params=undo.params, help=undo.help, short_help="As undo."
)


@click.command()
@yaml_file("Documents as YAML.")
@click.option("--expect-revision", type=int, metavar="N", help="Only if the route is at N.")
@when
@propose
@reason
@click.pass_obj
def apply(
    session: Session, path: Path, expect_revision: int | None, when: When, reason: str
) -> None:
    """Begin the rollouts of a YAML file, or set whole routing documents: all together or none."""
    if says_rollouts(path):
        from modelwire_router.cli.rollout_files import begin

        begin(session, path, reason)
        return
    state = session.state()
    documents = read_documents(path, state)
    if expect_revision is not None and len(documents) > 1:
        raise click.UsageError("--expect-revision is for a file with one document")
    change = together(
        [
            replace_document(state, document, expected=expect_revision, when=when)
            for document in documents
        ]
    )
    told = ", ".join(document.route for document in documents)
    _send(session, state, change, reason, f"applied {told}")


def says_rollouts(path: Path) -> bool:
    """Whether a file names a kind, as rollout files do and documents do not; see `read_file`."""
    from modelwire_publisher.plain_yaml import read, read_file

    content = read_file(path)
    documents, _ = read(content, str(path))
    said = [document.value for document in documents]
    return any(isinstance(each, dict) and "kind" in each for each in said) or any(
        line.startswith(b"kind:") for line in content.splitlines()
    )


def _send(session: Session, state: State, change: RoutingChanged, reason: str, told: str) -> None:
    if proposed(session, state, change, reason, told):
        return
    outcome = session.submit(change, state, reason=reason)
    verdict = outcome.verdict
    made = verdict.revisions[: len(change.changes)]  # a way back comes behind them
    row = {
        "routes": {r.route: r.revision for r in made},
        "offset": verdict.offset,
        "effective": None if verdict.effective == ALWAYS else verdict.effective,
    }
    revisions = ", ".join(f"{r.route}@{r.revision}" for r in made)
    session.data(row, f"{told}\nrevision {revisions}, {_holds(verdict, change)}")
    for changed in change.changes:
        tell_way_back(session, outcome.state.routes.get(changed.document.route))
    if not change.at_once:
        _tell_queued(session)
    first = verdict.revisions[0].route
    session.say(f"next: modelwire status {first} --wait")


def _holds(verdict: Verdict, change: RoutingChanged) -> str:
    if change.at_once:
        return "for every event that is not scored yet"
    if verdict.effective == ALWAYS:
        return "from the first event on"
    return f"for events from {show_time(verdict.effective)} on"


def _tell_queued(session: Session) -> None:
    try:
        waiting = [q for q in queued(session.log()) if q.events]
    except ModelwireError as error:
        session.say(f"what is queued is not known: {error}")
        return
    for q in waiting:
        session.say(
            f"{q.events} events of {q.stream} are still queued under the old rules "
            f"(group {q.group})"
        )


def _is_to_come(state: State, route: str, when: When) -> bool:
    """Whether a change is scheduled, so that the fleet warms it until then."""
    known = state.routes.get(route)
    return when.at is not None and known is not None and not known.time_field


def _weights(words: tuple[str, ...]) -> dict[str, str]:
    shares: dict[str, str] = {}
    for word in words:
        version, equals, share = word.rpartition("=")
        if not equals or not version:
            raise Rejected("E_WEIGHTS", f"{word!r}", expected="VERSION=PERCENT, as 8=10")
        if version in shares:
            raise Rejected("E_WEIGHTS", f"version {version} twice", expected="each version once")
        shares[version] = share
    return shares
