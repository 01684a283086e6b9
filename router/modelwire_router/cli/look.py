"""Verbs that look: status, fleet, history."""

import time

import click

from modelwire.control.reading import read_past
from modelwire.control.state import State
from modelwire_router.cli.options import SECONDS
from modelwire_router.cli.session import DEGRADED, TAKEN_BACK, Session
from modelwire_router.cli.waiting import live_reports, tell_way_back, wait_until_none
from modelwire_router.fleet import newest_reports, present
from modelwire_router.known import known_route
from modelwire_router.rollout.telling import standing_text
from modelwire_router.times import show_time
from modelwire_router.views import (
    Row,
    fleet_rows,
    has_warm,
    history_rows,
    route_rows,
)
from modelwire_schemas.errors import TimedOut
from modelwire_schemas.rollout import Phase, Rollout


@click.command()
@click.argument("route", required=False)
@click.option(
    "--wait", is_flag=True, help="Wait for the end of rollouts, and until every instance is there."
)
@click.option("--timeout", type=SECONDS, default=60.0, show_default=True, help="Seconds to wait.")
@click.pass_obj
def status(session: Session, route: str | None, wait: bool, timeout: float) -> int:
    """Show what is in force, what is to come, and how far the fleet is.

    With --wait it exits with 7 when a rollout was taken back, and with 8 when only some instances
    are there in time.
    """
    state = session.state()
    if route is not None:
        known_route(state, route)
    code = _waited(session, route, timeout) if wait else 0
    if wait:
        state = session.state()
    reports = live_reports(session)
    rows = route_rows(state, reports, route, session.now(state))
    if not session.as_json:
        for row in rows:
            _say_more(session, row)
            tell_way_back(session, state.routes.get(row["route"]))
            for later in row["scheduled"]:
                when = show_time(later["effective"])
                told = f"revision {later['revision']} from {when} on: {later['shares']}"
                session.say(f"{row['route']} {told}")
        rows = [{**row, "since": show_time(row["since"] or 0)} for row in rows]
    columns = ["route", "model", "revision", "shares", "since", "instances", "ready", "by"]
    session.table(rows, [*columns, "reason"])
    if state.proposals:
        session.say(f"{len(state.proposals)} changes wait for approval: modelwire proposals")
    if not rows:
        where = f"{session.log().url}, namespace {session.namespace}"
        session.say(f"no routes yet in {where}; next: modelwire publish MODEL FILE --version V")
    return code


def _waited(session: Session, route: str | None, timeout: float) -> int:
    """Wait for rollouts and instances; return the exit code that they come to."""
    deadline = time.monotonic() + timeout
    begun = {n for n, r in _rollouts(session.state(), route).items() if not r.phase.over}

    def left() -> float:
        return max(0.0, deadline - time.monotonic())

    look = f"get {route or 'ROUTE'}"
    wait_until_none(lambda: _under_way(session.state(), route), left(), "over", look, session.say)
    try:
        wait_until_none(lambda: _late(session, route), left())
    except TimedOut as error:
        late = set(_late(session, route))
        users = [r for r in live_reports(session) if r.routes and route in (None, *r.routes)]
        if all(report.instance in late for report in users):
            raise
        session.say(str(error))
        return DEGRADED
    ended = _rollouts(session.state(), route)
    phases = {rollout.phase for rollout in ended.values()}
    gone = begun - ended.keys()  # by an undo, or somebody flipped
    return TAKEN_BACK if gone or phases & {Phase.ABORTED, Phase.ROLLED_BACK} else 0


def _rollouts(state: State, route: str | None) -> dict[str, Rollout]:
    heads = {n: r.head.document for n, r in state.routes.items() if route in (None, n)}
    return {name: head.rollout for name, head in heads.items() if head.rollout}


def _under_way(state: State, route: str | None) -> list[str]:
    """Return how the rollouts stand that have not ended, in a few words each."""
    return [
        f"{name} {r.phase}, step {r.step}{f': {r.note}' if r.note else ''}"
        for name, r in _rollouts(state, route).items()
        if not r.phase.over
    ]


def _say_more(session: Session, row: Row) -> None:
    """Tell what stands in no column: a freeze, a rollout, releases that ran out."""
    if row["frozen"]:
        session.say(f"{row['route']} is frozen by {row['frozen']}")
    if row["rollout"]:
        session.say(f"{row['route']} rollout {row['rollout']}")
    for version in row["expired"]:
        session.say(f"{row['route']} serves {version}, whose release has run out")


@click.command()
@click.pass_obj
def fleet(session: Session) -> None:
    """Show every instance: its versions, how fresh it is, what it refused."""
    reports = newest_reports(session.log(), session.namespace)
    rows = fleet_rows(reports, present(reports))
    columns = ["instance", "application", "state", "routes", "versions", "offset", "predictions"]
    session.table(rows, [*columns, "megabytes", "refused"])
    for row in rows:
        if row["refused"]:
            session.say(f"{row['instance']} refused {row['refused']}")
        if row["expired"]:
            session.say(f"{row['instance']} serves {row['expired']}, whose release has run out")


@click.command()
@click.argument("route", required=False)
@click.pass_obj
def history(session: Session, route: str | None) -> None:
    """Show every command of the control log with its verdict, oldest first."""
    past = read_past(session.log(), session.namespace)
    rows = history_rows(past, route)
    if route is not None and not rows:
        known_route(session.state(), route)
    columns = ["offset", "time", "what", "revision", "verdict", "by", "reason"]
    if not session.as_json:
        told = [row["rollout"] and standing_text(row["rollout"]) for row in rows]
        rows = [
            {**row, "time": show_time(row["time"]), "rollout": text}
            for row, text in zip(rows, told, strict=True)
        ]
        columns += ["rollout"] if any(told) else []
    session.table(rows, columns)
    for name, known in session.state().routes.items():
        if route in (None, name):
            tell_way_back(session, known)


def _late(session: Session, route: str | None) -> list[str]:
    """Return the live instances of the routes that do not hold what the newest documents name."""
    heads = [r.head for n, r in session.state().routes.items() if route in (None, n)]
    return [
        report.instance
        for report in live_reports(session)
        for head in heads
        if head.document.route in report.routes and not has_warm(report, head)
    ]
