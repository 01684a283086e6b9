"""What a person sees of a rollout (pure)."""

from collections.abc import Iterable

from modelwire_router.decide import Standing
from modelwire_router.rollout.documents import CANDIDATE
from modelwire_router.rollout.machine import Look, waits_for
from modelwire_router.rollout.telling import Row, finding_row, told
from modelwire_schemas.rollout import Finding, Phase


def rollout_row(standing: Standing, look: Look) -> Row:
    """Return a rollout in one row: where it stands and what it waits for."""
    plan, rollout, document = standing.plan, standing.rollout, standing.route.head.document
    candidate = [v for v in document.rules[-1].variants if v.name == CANDIDATE]
    waits = "" if rollout.phase.over else waits_for(plan, standing.route, look)
    if rollout.phase is Phase.PAUSED:
        waits = f"modelwire resume {plan.route}"
    return {
        "route": plan.route,
        "strategy": plan.strategy,
        "phase": str(rollout.phase),
        "stable": plan.stable,
        "candidate": plan.candidate,
        "step": f"{rollout.step}/{len(plan.steps)}",
        "weight": candidate[0].weight / 100 if candidate else None,
        "waits_for": waits,
        "note": rollout.note,
        "rollout": rollout.id,
        "steps": [
            {"step": told(step), "done": index < rollout.step}
            for index, step in enumerate(plan.steps)
        ],
        "findings": [finding_row(f) for f in _findings(standing, look)],
    }


def _findings(standing: Standing, look: Look) -> Iterable[Finding]:
    """Return how the metrics stand, or why the rollout ended."""
    now = [f for found in look.findings.values() for f in found]
    return now or standing.rollout.findings
