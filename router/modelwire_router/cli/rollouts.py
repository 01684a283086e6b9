"""Verbs of rollouts, as operators know them: get, promote, pause, resume, retry."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import click

from modelwire.control.state import State
from modelwire_router.changes import together
from modelwire_router.cli.options import reason, yaml_file
from modelwire_router.cli.proposals import proposed
from modelwire_router.cli.session import Session
from modelwire_router.decide import Standing, look
from modelwire_router.fleet import present
from modelwire_router.known import known_route
from modelwire_router.observer import Observer
from modelwire_router.reference import by_sample, check_sample, read_sample
from modelwire_router.rollout import machine, plan_text
from modelwire_router.rollout.layers import allotted, check_begun, told as told_layer
from modelwire_router.rollout.plan import Plan
from modelwire_router.rollout.telling import Row, numbers
from modelwire_router.rollout_view import rollout_row
from modelwire_schemas.errors import NotFound, Rejected
from modelwire_schemas.rollout import Phase
from modelwire_schemas.routing import RoutingChanged

LOOK_S = 0.5


def begin(session: Session, path: Path, reason: str) -> None:
    """Begin the rollouts of a file: all of them in one record, or none."""
    state = session.state()
    now = session.now(state)
    plans = allotted(plans_of(session, path, now), state)
    for plan in plans:
        release = state.release(plan.model, plan.candidate)
        if release and by_sample(plan):
            sample = read_sample(session.log(), session.namespace, release)
            check_sample(plan, sample, f"{path}: rollout {plan.route}")
    started = secrets.token_hex(4)
    changes = [machine.begin(p, state.routes.get(p.route), started, now) for p in plans]
    _send(session, state, together(changes), reason, "; ".join(_told(p) for p in plans), plans)


@click.command()
@yaml_file("Rollouts as YAML.")
@click.pass_obj
def diff(session: Session, path: Path) -> int:
    """Compare a rollout file with what the routes run or ran last: exit 0 if equal, else 1."""
    state = session.state()
    rows = [
        {"route": plan.route, "field": field.name, "now": str(was), "file": str(new)}
        for plan in allotted(plans_of(session, path, None), state)
        for field in fields(plan)
        if (was := getattr(_there(state, plan.route), field.name, None))
        != (new := getattr(plan, field.name))
    ]
    if rows:
        session.table(rows, ["route", "field", "now", "file"])
    else:
        session.say("no difference")
    return 1 if rows else 0


@click.command()
@click.argument("route")
@click.option("-w", "--watch", is_flag=True, help="Show every change until the rollout is over.")
@click.pass_obj
def get(session: Session, route: str, watch: bool) -> None:
    """Show how the rollout of ROUTE stands: steps, shares, metrics, what it waits for."""
    observer = Observer(session.log(), session.namespace)
    shown = ""
    while True:
        standing, row = _row(observer, route)
        text = _text(row)
        if text != shown:
            session.data(row, text)
            shown = text
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
        for each in _together(state, route)
    ]
    _send(session, state, together([s.change for s in steps]), reason, f"{route}: {steps[0].told}")


@click.command()
@click.argument("route")
@reason
@click.pass_obj
def pause(session: Session, route: str, reason: str) -> None:
    """Stop promotions of ROUTE's rollout; a failure still takes the candidate back."""
    state = session.state()
    note = reason or "paused by an operator"
    changes = [machine.pause(each.route, note) for each in _together(state, route)]
    _send(session, state, together(changes), reason, f"{route}: paused")


@click.command()
@click.argument("route")
@reason
@click.pass_obj
def resume(session: Session, route: str, reason: str) -> None:
    """Let ROUTE's paused rollout go on."""
    state = session.state()
    paused = _together(state, route)
    if paused[0].rollout.phase is not Phase.PAUSED:
        raise Rejected("E_NOT_PAUSED", f"the rollout is {paused[0].rollout.phase}", where=route)
    changes = [machine.resume(each.route) for each in paused]
    _send(session, state, together(changes), reason, f"{route}: goes on")


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
    _send(session, state, change, reason, f"{route}: begins anew", plans)


def plans_of(session: Session, path: Path, now: int | None) -> list[Plan]:
    """Return the plans of a file; raises Rejected `E_NAMESPACE` for one of another namespace."""
    from modelwire_router.rollout_file.reading import read_rollouts

    wanted = read_rollouts((path,), now)
    for one in wanted:
        if one.namespace not in {"", session.namespace}:
            raise Rejected(
                "E_NAMESPACE",
                f"the rollout of {one.plan.route} is for namespace {one.namespace}",
                where=str(path),
                expected=session.namespace,
                todo=f"modelwire --namespace {one.namespace} apply -f {path}",
            )
    return [one.plan for one in wanted]


def _told(plan: Plan) -> str:
    steps = f"{len(plan.steps)} step{'' if len(plan.steps) == 1 else 's'}"
    return f"{plan.route}: {plan.strategy} {plan.stable} → {plan.candidate}, {steps}"


def _there(state: State, name: str) -> Plan | None:
    route = state.routes.get(name)
    rollout = route.head.document.rollout if route else None
    return plan_text.load(rollout.plan) if rollout else None


def _row(observer: Observer, route: str) -> tuple[Standing, Row]:
    """Return a rollout as it stands by what is on the log now."""
    world = observer.world(int(time.time() * 1000), {})
    world = replace(world, now=present(world.reports))
    standing = _last(world.state, route)
    if standing.rollout.phase.over:
        return standing, rollout_row(standing, machine.Look(world.now))
    return standing, rollout_row(standing, look(standing, world))


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
    for found in row["findings"]:
        dry = " (dry run)" if found["dry_run"] else ""
        lines.append(f"  {found['metric']}: {found['judgement']}{dry}  {numbers(found)}".rstrip())
    if row["waits_for"]:
        lines.append(f"  waits for {row['waits_for']}")
    if row["note"]:
        lines.append(f"  {row['note']}")
    return "\n".join(lines)


def _last(state: State, route: str) -> Standing:
    found = known_route(state, route)
    rollout = found.head.document.rollout
    if rollout is None:
        raise NotFound(
            "E_NO_ROLLOUT",
            f"route {route} has no rollout",
            where=f"revision {found.head.revision}",
            todo="modelwire apply -f ROLLOUT.yaml begins one",
        )
    return Standing(found, rollout, plan_text.load(rollout.plan))


def _together(state: State, route: str) -> list[Standing]:
    """Return the rollout under way on a route, on every route that it runs on, this one first."""
    standing = _last(state, route)
    if standing.rollout.phase.over:
        raise Rejected(
            "E_ROLLOUT_OVER",
            f"the rollout is {standing.rollout.phase}",
            where=f"route {route}",
            todo=f"modelwire retry {route} begins it anew",
        )
    others = [
        _last(state, name)
        for name, other in sorted(state.routes.items())
        if name != route
        and other.head.document.rollout is not None
        and other.head.document.rollout.id == standing.rollout.id
    ]
    return [standing, *others]


def _send(
    session: Session,
    state: State,
    change: RoutingChanged,
    reason: str,
    told: str,
    begun: Sequence[Plan] = (),
) -> None:
    if proposed(session, state, change, reason, told):
        return
    outcome = session.submit(change, state, reason=reason)
    session.made(outcome.verdict, told, told=told)
    for line in (told_layer(rule) for plan in begun for rule in plan.rules):
        if line:
            session.say(line)
    check_begun(begun, outcome.state)
    session.say(f"next: modelwire get {outcome.verdict.revisions[0].route} -w")
