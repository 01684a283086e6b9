"""Verbs of rollout files: apply and diff; what is wrong is told with its place in the file."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import click
import orjson

from modelwire.control.state import State
from modelwire_router.changes import together
from modelwire_router.cli.options import yaml_file
from modelwire_router.cli.rollouts import send
from modelwire_router.cli.session import Session
from modelwire_router.reference import by_sample, check_sample, read_sample
from modelwire_router.rollout import machine, plan_text
from modelwire_router.rollout.layers import allotted
from modelwire_router.rollout.plan import Plan
from modelwire_router.rollout.plan_text import last_plan
from modelwire_router.rollout.telling import plan_line, told
from modelwire_router.rollout_file.reading import Wanted, read_rollouts
from modelwire_router.rollout_file.standing import check_standing
from modelwire_schemas.errors import Fault, Rejected, RejectedFile
from modelwire_schemas.rollout import Phase

TAKEN_BACK = {Phase.ABORTED, Phase.ROLLED_BACK}


def begin(session: Session, path: Path, reason: str) -> None:
    """Begin the rollouts of a file: all of them in one record, or none."""
    state = session.state()
    now = session.now(state)
    wanted = wanted_of(session, path, now)
    if _unchanged([one.plan for one in wanted], state):
        routes = {one.plan.route: state.routes[one.plan.route].head.revision for one in wanted}
        session.data({"routes": routes, "told": "unchanged"}, f"{', '.join(routes)}: unchanged")
        return
    check_standing(wanted, state, _sample_faults(session, wanted, state))
    plans = allotted([one.plan for one in wanted], state)
    started = secrets.token_hex(4)
    changes = [machine.begin(p, state.routes.get(p.route), started, now) for p in plans]
    send(session, state, together(changes), reason, "; ".join(map(plan_line, plans)), plans)


@click.command()
@yaml_file("Rollouts as YAML.")
@click.pass_obj
def diff(session: Session, path: Path) -> int:
    """Compare a rollout file with what the routes run or ran last: exit 0 if equal, else 1."""
    state = session.state()
    rows = [
        row
        for plan in allotted(plans_of(session, path, None), state)
        for row in _differences(
            last_plan(state.routes.get(plan.route)), plan, words=not session.as_json
        )
    ]
    if rows:
        session.table(rows, ["route", "field", "now", "file"])
    else:
        session.say("no difference")
    return 1 if rows else 0


def _unchanged(plans: Sequence[Plan], state: State) -> bool:
    """Whether every route runs just this, or has run it to its good end and changed no more."""
    routes = [state.routes.get(plan.route) for plan in plans]
    begun = [route.rollout for route in routes if route]
    kept = [one for one in begun if one and one.phase not in TAKEN_BACK]
    return len(kept) == len(plans) and all(
        last_plan(state.routes.get(plan.route)) == plan for plan in allotted(plans, state)
    )


def _differences(old: Plan | None, new: Plan, *, words: bool) -> Iterator[Mapping[str, Any]]:
    """Yield a row for each field in which plans differ, as data or in words."""
    was: Mapping[str, Any] = _plain(old) if old else {}
    said = _plain(new)
    for name in said:
        pair: tuple[object, object] = (was.get(name) or None, said[name] or None)
        if pair[0] == pair[1]:
            continue
        if words and name == "steps":
            steps = _steps(old), _steps(new)
            pair = steps if steps[0] != steps[1] else pair  # what differs is not in the words
        now, file = map(_word, pair) if words else pair
        yield {"route": new.route, "field": name, "now": now, "file": file}


def _steps(plan: Plan | None) -> str:
    return ", ".join(map(told, plan.steps)) if plan else ""


def _plain(plan: Plan) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", orjson.loads(plan_text.dump(plan)))


def _word(value: object) -> str:
    return (
        value if isinstance(value, str) else "" if value is None else orjson.dumps(value).decode()
    )


def plans_of(session: Session, path: Path, now: int | None) -> list[Plan]:
    """Return the plans of a file; see `wanted_of`."""
    return [one.plan for one in wanted_of(session, path, now)]


def wanted_of(session: Session, path: Path, now: int | None) -> Sequence[Wanted]:
    """Return the rollouts of a file; raises RejectedFile, also where some are of elsewhere."""
    wanted = read_rollouts((path,), now)
    faults = [
        one.fault(_of_elsewhere(session, path, one), ("metadata", "namespace"))
        for one in wanted
        if one.namespace not in {"", session.namespace}
    ]
    if faults:
        raise RejectedFile(faults)
    return wanted


def _of_elsewhere(session: Session, path: Path, wanted: Wanted) -> Rejected:
    return Rejected(
        "E_NAMESPACE",
        f"the rollout of {wanted.plan.route} is for namespace {wanted.namespace}",
        expected=session.namespace,
        todo=f"modelwire --namespace {wanted.namespace} apply -f {path}",
    )


def _sample_faults(session: Session, wanted: Sequence[Wanted], state: State) -> Iterator[Fault]:
    """Yield what the samples of candidates lack for the metrics."""
    for one in wanted:
        release = state.release(one.plan.model, one.plan.candidate)
        if release and by_sample(one.plan):
            sample = read_sample(session.log(), session.namespace, release)
            try:
                check_sample(one.plan, sample, "")
            except Rejected as error:
                yield one.fault(error, ("spec", "candidate"))
