"""What a person sees of a rollout (pure)."""

from collections.abc import Iterable

from modelwire.control.policy import may
from modelwire.control.state import Accepted, State
from modelwire_router.decide import Standing
from modelwire_router.readiness import live
from modelwire_router.reports import Reports
from modelwire_router.rollout.documents import CANDIDATE
from modelwire_router.rollout.exposing import finding, holding
from modelwire_router.rollout.machine import Look, waits_for
from modelwire_router.rollout.telling import Row, finding_row, named
from modelwire_router.times import show_time
from modelwire_router.views import told_freeze
from modelwire_schemas.fleet import CONTROLLER
from modelwire_schemas.policy import Act
from modelwire_schemas.rollout import Finding, Phase


def rollout_row(standing: Standing, look: Look, hindrance: str = "") -> Row:
    """Return a rollout in one row: where it stands, what it waits for, what keeps it from going."""
    plan, rollout, head = standing.plan, standing.rollout, standing.route.head
    candidate = [v for v in head.document.rules[-1].variants if v.name == CANDIDATE]
    ahead = _is_ahead(head, look)
    return {
        "route": plan.route,
        "strategy": plan.strategy,
        "phase": "scheduled" if ahead and rollout.phase.over else str(rollout.phase),
        "stable": plan.stable,
        "candidate": plan.candidate,
        "step": f"{rollout.step}/{len(plan.steps)}",
        "weight": candidate[0].weight / 100 if candidate else None,
        "waits_for": _waits(standing, look),
        "hindrance": hindrance,
        "note": rollout.note,
        "rollout": rollout.id,
        "steps": [
            {"step": named(plan, index), "done": index < rollout.step - ahead}
            for index in range(len(plan.steps))
        ],
        "findings": [finding_row(f) for f in _findings(standing, look)],
    }


def _waits(standing: Standing, look: Look) -> str:
    """Return what a rollout waits for; at the last, for the time of its end."""
    plan, rollout, head = standing.plan, standing.rollout, standing.route.head
    if rollout.phase is Phase.PAUSED:
        if rollout.findings:  # who goes on by `resume` is paused by them again
            return f"modelwire promote {plan.route}, or abort"
        return f"modelwire resume {plan.route}"
    if not rollout.phase.over:
        return waits_for(plan, standing.route, look)
    return f"events of {show_time(head.effective)}" if _is_ahead(head, look) else ""


def hindrance(standing: Standing, state: State, reports: Reports, now: int) -> str:
    """Return why nothing goes by itself at `now` (ms, the log's clock); empty when it does."""
    rollout = standing.rollout
    if rollout.phase.over:
        return ""
    for route in state.routes.values():
        other = route.rollout
        if route.frozen is not None and other is not None and other.id == rollout.id:
            return f"frozen by {told_freeze(route)}; modelwire unfreeze {route.route}"
    controllers = [r for r in live(reports, now) if r.application == CONTROLLER]
    if not controllers:
        return "no controller is live; start a modelwire controller"
    name = standing.route.route
    if not any(may(state.policy, c.instance, CONTROLLER, Act.ROUTE, name) for c in controllers):
        return f"by the policy no controller may route {name}; modelwire policy show"
    return ""


def _is_ahead(head: Accepted, look: Look) -> bool:
    """Whether a document was scheduled for a time that is still to come."""
    return head.effective > max(head.accepted, look.now)


def _findings(standing: Standing, look: Look) -> Iterable[Finding]:
    """Return how the metrics stand, or why the rollout ended."""
    now = [f for found in look.findings.values() for f in found]
    budget = holding(standing.plan, standing.rollout)
    if budget is not None:
        now.append(finding(budget, look.exposed, look.now))
    return now or standing.rollout.findings
