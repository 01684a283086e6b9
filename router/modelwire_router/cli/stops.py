"""Verbs that stop what goes by itself: freeze, unfreeze, abort."""

import click

from modelwire.control.timeline import under_way
from modelwire_router.cli.options import reason
from modelwire_router.cli.rollouts import standings
from modelwire_router.cli.session import Session
from modelwire_router.known import known_route
from modelwire_schemas.routing import RolloutAborted, RouteFrozen


@click.command()
@click.argument("route")
@click.option("--reason", required=True, help="Why; whoever meets the freeze reads it.")
@click.pass_obj
def freeze(session: Session, route: str, reason: str) -> None:
    """Stop every automatic change of ROUTE, rollbacks included; people still may change it."""
    state = session.state()
    body = RouteFrozen(known_route(state, route).route, frozen=True)
    verdict = session.submit(body, state, reason=reason).verdict
    session.made(verdict, f"{route}: {verdict.detail or 'frozen'}")
    session.say(f"next: modelwire unfreeze {route} --reason …")


@click.command()
@click.argument("route")
@click.option("--reason", required=True, help="Why; it stays in the history.")
@click.pass_obj
def unfreeze(session: Session, route: str, reason: str) -> None:
    """Let automatic changes of ROUTE go on."""
    state = session.state()
    body = RouteFrozen(known_route(state, route).route, frozen=False)
    verdict = session.submit(body, state, reason=reason).verdict
    session.made(verdict, f"{route}: {verdict.detail or 'goes on'}")


@click.command()
@click.argument("route")
@reason
@click.pass_obj
def abort(session: Session, route: str, reason: str) -> None:
    """End the rollout of ROUTE at whichever step it is, at once, where it began."""
    state = session.state()
    rollout = under_way(known_route(state, route), state.earliest)
    body = RolloutAborted(route, (rollout or standings(state, route)[0].rollout).id)
    verdict = session.submit(body, state, reason=reason or "abort").verdict
    session.made(verdict, f"{route}: rollout {body.rollout} aborted")
