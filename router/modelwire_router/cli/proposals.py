"""Verbs of changes that others approve first: proposals, approve, and the option --propose."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from modelwire.control.state import State
from modelwire_router.cli.options import reason
from modelwire_router.cli.session import Session
from modelwire_router.times import show_time
from modelwire_router.views import proposal_rows
from modelwire_schemas.errors import NotFound
from modelwire_schemas.routing import RoutingApproved, RoutingChanged, RoutingProposed

F = TypeVar("F", bound=Callable[..., Any])

DAY = 24 * 3600 * 1000
"""Ms that a proposal waits."""


def propose(command: F) -> F:
    """Add --propose; the session knows it."""
    return click.option(
        "--propose",
        is_flag=True,
        expose_value=False,
        callback=_set_proposing,
        help="Have others approve it first: prints the proposal's number.",
    )(command)


def _set_proposing(context: click.Context, _: click.Parameter, value: bool) -> None:
    session = context.find_object(Session)
    if session is not None:
        session.proposing = value


def proposed(
    session: Session, state: State, change: RoutingChanged, reason: str, told: str
) -> bool:
    """Propose a change instead of making it, if that is asked for; whether it was."""
    if not session.proposing:
        return False
    session.rehearse(change, state)
    until = session.now(state) + DAY
    body = RoutingProposed(change, until)
    verdict = session.submit(body, state, reason=reason).verdict
    row = {"proposal": verdict.offset, "until": until}
    session.data(row, f"{told}\n{verdict.detail}, until {show_time(until)}")
    session.say(f"next, somebody else: modelwire approve {verdict.offset}")
    return True


@click.command()
@click.argument("proposal", type=int)
@reason
@click.pass_obj
def approve(session: Session, proposal: int, reason: str) -> None:
    """Approve a proposal by its number; the last approval needed makes the change."""
    state = session.state()
    if proposal not in state.proposals:
        there = ", ".join(map(str, sorted(state.proposals))) or "none"
        raise NotFound(
            "E_NO_PROPOSAL", f"proposal {proposal} does not wait", expected=f"one of {there}"
        )
    verdict = session.submit(RoutingApproved(proposal), state, reason=reason).verdict
    session.made(verdict, f"proposal {proposal}: {verdict.detail}", detail=verdict.detail)


@click.command()
@click.pass_obj
def proposals(session: Session) -> None:
    """Show the changes that wait for approval."""
    rows = proposal_rows(session.state())
    if not session.as_json:
        rows = [{**row, "until": show_time(row["until"])} for row in rows]
    session.table(rows, ["proposal", "what", "by", "approved", "needed", "until", "reason"])
    if not rows:
        session.say("no proposals wait")
