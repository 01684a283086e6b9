"""Verbs of rollouts, as operators know them: get, promote, pause, resume, retry."""

import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from string import digits

import click

from modelwire.clock import SystemClock
from modelwire.control.state import State
from modelwire_router.changes import together
from modelwire_router.cli.options import reason
from modelwire_router.cli.proposals import proposed
from modelwire_router.cli.session import Session
from modelwire_router.cli.waiting import live_reports
from modelwire_router.decide import Standing, look
from modelwire_router.fleet import present
from modelwire_router.known import known_route
from modelwire_router.observer import Observer
from modelwire_router.rollout import machine, plan_text
from modelwire_router.rollout.layers import allotted, check_begun, told as told_layer
from modelwire_router.rollout.plan import Plan
from modelwire_router.rollout.telling import Row, finding_line
from modelwire_router.rollout_view import hindrance, rollout_row
from modelwire_schemas.errors import NotFound, Rejected
from modelwire_schemas.fleet import CONTROLLER
from modelwire_schemas.rollout import Phase
from modelwire_schemas.routing import RoutingChanged

LOOK_S = 0.5


@click.command()
@click.argument("route")
@click.option("-w", "--watch", is_flag=True, help="Show every change until the rollout is over.")
@click.pass_obj
def get(session: Session, route: str, watch: bool) -> None:
    """Show how the rollout of ROUTE stands: steps, shares, metrics, what it waits for."""
    observer = Observer(session.log(), session.namespace)
    redrawn = watch and sys.stdout.isatty() and not session.as_json
    shown: Row = {}
    while True:
        standing, row = _row(observer, route)
        told = row if redrawn else {**row, "waits_for": row["waits_for"].lstrip(digits)}
        if told != shown:
            if redrawn:
                click.clear()
            session.data(row, _text(row))
            shown = told
        if not watch or standing.rollout.phase.over:
            return
        time.sleep(LOOK_S)


@click.command()
@click.argument("route")
@click.option("--full", is_flag=True, help="Skip all that is left: the candidate gets everything.")
@reason
@click.pass_obj
def promote(session: Session, route: str, full: bool, reason: str) -> None:
    """Take the next step of ROUTE's rollout now, whatever it waits for."""
    state = session.state()
    steps = [
        machine.advance(each.plan, each.route, session.now(state), full=full)
        for each in standings(state, route)
    ]
    send(session, state, together([s.change for s in steps]), reason, f"{route}: {steps[0].told}")


@click.command()
@click.argument("route")
@reason
@click.pass_obj
def pause(session: Session, route: str, reason: str) -> None:
    """Stop promotions of ROUTE's rollout; a failure still takes the candidate back."""
    state = session.state()
    note = reason or "by an operator"
    changes = [machine.pause(each.route, note) for each in standings(state, route)]
    send(session, state, together(changes), reason, f"{route}: paused")


@click.command()
@click.argument("route")
@reason
@click.pass_obj
def resume(session: Session, route: str, reason: str) -> None:
    """Let ROUTE's paused rollout go on."""
    state = session.state()
    paused = standings(state, route)
    if paused[0].rollout.phase is not Phase.PAUSED:
        raise Rejected(
            "E_NOT_PAUSED",
            f"the rollout is {paused[0].rollout.phase}",
            where=f"route {route}",
            expected="one that is paused",
            todo=f"modelwire get {route} says what it waits for",
        )
    changes = [machine.resume(each.route) for each in paused]
    send(session, state, together(changes), reason, f"{route}: goes on")


@click.command()
@click.argument("route")
@reason
@click.pass_obj
def retry(session: Session, route: str, reason: str) -> None:
    """Begin ROUTE's last rollout anew, after an abort or a rollback."""
    state = session.state()
    standing = _last(state, route)
    if standing.rollout.phase is Phase.COMPLETED or not standing.rollout.phase.over:
        raise Rejected(
            "E_NOT_ENDED",
            f"the rollout is {standing.rollout.phase}",
            where=f"route {route}",
            expected="one that was aborted or rolled back",
        )
    plans = allotted([standing.plan], state)
    now = session.now(state)
    change = machine.begin(plans[0], standing.route, secrets.token_hex(4), now)
    send(session, state, change, reason, f"{route}: begins anew", plans)


def _row(observer: Observer, route: str) -> tuple[Standing, Row]:
    """Return a rollout as it stands by what is on the log now."""
    world = observer.world(SystemClock().now(), {})
    world = replace(world, now=present(world.reports))
    standing = _last(world.state, route)
    if standing.rollout.phase.over:
        return standing, rollout_row(standing, machine.Look(world.now))
    still = hindrance(standing, world.state, world.reports, world.now)
    return standing, rollout_row(standing, look(standing, world), still)


def _text(row: Row) -> str:
    lines = [
        f"{row['route']}  {row['phase']}  {row['stable']} → {row['candidate']}  "
        f"{row['strategy']} {row['step']}"
        + ("" if row["weight"] is None else f"  {row['weight']:g} %"),
    ]
    marked = False
    for step in row["steps"]:
        here = not step["done"] and not marked
        marked = marked or here
        lines.append(f"  {'✓' if step['done'] else '●' if here else '○'} {step['step']}")
    lines += [f"  {finding_line(found)}" for found in row["findings"]]
    if row["waits_for"]:
        lines.append(f"  waits for {row['waits_for']}")
    if row["note"]:
        lines.append(f"  {row['phase']}: {row['note']}")
    if row["hindrance"]:
        lines.append(f"  nothing goes by itself, also not back: {row['hindrance']}")
    return "\n".join(lines)


def _last(state: State, route: str) -> Standing:
    found = known_route(state, route)
    rollout = found.rollout
    if rollout is None:
        raise NotFound(
            "E_NO_ROLLOUT",
            f"route {route} has no rollout",
            where=f"revision {found.head.revision}",
            todo="modelwire apply -f ROLLOUT.yaml begins one",
        )
    return Standing(found, rollout, plan_text.load(rollout.plan))


def standings(state: State, route: str) -> list[Standing]:
    """Return the rollout under way on a route, on every route that it runs on, this one first."""
    standing = _last(state, route)
    if standing.rollout.phase.over:
        ended_well = standing.rollout.phase is Phase.COMPLETED
        raise Rejected(
            "E_ROLLOUT_OVER",
            f"the rollout is {standing.rollout.phase}",
            where=f"route {route}",
            todo=f"modelwire {'apply -f FILE' if ended_well else f'retry {route}'} begins it anew",
        )
    others = [
        _last(state, name)
        for name, other in sorted(state.routes.items())
        if name != route and other.rollout is not None and other.rollout.id == standing.rollout.id
    ]
    return [standing, *others]


def send(
    session: Session,
    state: State,
    change: RoutingChanged,
    reason: str,
    told: str,
    begun: Sequence[Plan] = (),
) -> None:
    """Append a change of a rollout, or propose it, and tell what became of it."""
    if proposed(session, state, change, reason, told):
        return
    outcome = session.submit(change, state, reason=reason)
    session.made(outcome.verdict, told, told=told)
    for line in (told_layer(rule) for plan in begun for rule in plan.rules):
        if line:
            session.say(line)
    check_begun(begun, outcome.state)
    if begun and not any(r.application == CONTROLLER for r in live_reports(session)):
        session.say(
            "no controller is live, so nothing goes by itself: start a modelwire controller"
        )
    session.say(f"next: modelwire get {outcome.verdict.revisions[0].route} -w")
