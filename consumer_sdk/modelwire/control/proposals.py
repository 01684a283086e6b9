"""Changes that wait for approval: n of those who may, never one's own; pure (R3)."""

from dataclasses import replace

from modelwire.control.effect import Effect
from modelwire.control.effects import change_routes
from modelwire.control.policy import check_right, may, needed
from modelwire.control.state import Entry, Proposal, State
from modelwire.control.telling import told_time
from modelwire_schemas.control import Command
from modelwire_schemas.errors import Rejected
from modelwire_schemas.policy import Act
from modelwire_schemas.routing import RoutingApproved, RoutingChanged, RoutingProposed

OPEN = 32
"""How many proposals may wait at a time."""

LONGEST = 7 * 24 * 3600 * 1000
"""Ms that a proposal may wait at most."""


def propose(state: State, entry: Entry, command: Command, body: RoutingProposed) -> Effect:
    """A change waits; its checks run when it is approved."""
    change = body.change
    if change.automatic:
        raise Rejected("E_APPROVAL", "a controller's change waits for nobody")
    if not command.author:
        raise Rejected("E_APPROVAL", "nobody proposes it", expected="an author")
    for each in change.changes:
        check_right(state.policy, command, Act.ROUTE, each.document.route)
    if not state.now < body.until <= state.now + LONGEST:
        raise Rejected(
            "E_EXPIRY",
            f"the proposal waits until {told_time(body.until)}",
            expected=f"a time up to {LONGEST // 86_400_000} days from now",
        )
    if len(state.proposals) >= OPEN:
        raise Rejected(
            "E_TOO_MANY", f"{OPEN} proposals wait", todo="approve some, or wait until they expire"
        )
    made = Proposal(entry.offset, change, command.author, command.role, command.reason, body.until)
    others = needed_for(state, made)
    return Effect(
        proposals=(made,), detail=f"proposal {made.offset} waits for {others} to approve it"
    )


def approve(state: State, entry: Entry, command: Command, body: RoutingApproved) -> Effect:
    """One more approves; the last one needed makes the change, with all checks as of now."""
    proposal = state.proposals.get(body.proposal)
    if proposal is None:
        open_ones = ", ".join(map(str, sorted(state.proposals))) or "none"
        raise Rejected(
            "E_NO_PROPOSAL",
            f"proposal {body.proposal} does not wait",
            expected=f"one of {open_ones}",
            todo="modelwire proposals shows which do",
        )
    _check_approver(state, command, proposal)
    living = tuple(pair for pair in proposal.approved if _still(state, proposal, pair))
    approved = (*living, (command.author, command.role))
    others = needed_for(state, proposal)
    if len(approved) < others:
        return Effect(
            proposals=(replace(proposal, approved=approved),),
            detail=f"{len(approved)} of {others} approve it",
        )
    by = ", ".join(author for author, _ in approved)
    meant = replace(
        command,
        author=proposal.author,
        role=proposal.role,
        reason=proposal.reason,
        cause=f"proposal {proposal.offset}, approved by {by}",
    )
    change = _begun(proposal.change, state.now)
    effect = change_routes(state, entry, meant, change, approved=True)
    return effect._replace(closed=(proposal.offset,), detail=f"approved by {by}")


def _begun(change: RoutingChanged, now: int) -> RoutingChanged:
    """Return a change whose rollouts begin now (ms): nobody waited for them before."""
    changes = tuple(
        replace(c, document=replace(c.document, rollout=replace(begun, started=now, since=now)))
        if (begun := c.document.rollout) and not begun.step
        else c
        for c in change.changes
    )
    return replace(change, changes=changes)


def _check_approver(state: State, command: Command, proposal: Proposal) -> None:
    for change in proposal.change.changes:
        check_right(state.policy, command, Act.APPROVE, change.document.route)
    author = command.author
    where = f"proposal {proposal.offset} by {proposal.author}"
    if not author or author == proposal.author:
        raise Rejected(
            "E_APPROVAL", "nobody approves a change of their own", where=where, expected="another"
        )
    if author in {known for known, _ in proposal.approved}:
        raise Rejected("E_APPROVAL", f"{author} has approved it", where=where, expected="another")


def _still(state: State, proposal: Proposal, approver: tuple[str, str]) -> bool:
    """Whether somebody who approved may still do so."""
    names = [change.document.route for change in proposal.change.changes]
    return all(may(state.policy, *approver, Act.APPROVE, name) for name in names)


def needed_for(state: State, proposal: Proposal) -> int:
    """Return how many others must approve a proposal."""
    names = [change.document.route for change in proposal.change.changes]
    return max(1, needed(state.policy, names))
