"""What a person sees of a rollout (pure)."""

from collections.abc import Iterable, Mapping
from typing import Any

from modelwire_router.decide import Standing
from modelwire_router.rollout.documents import CANDIDATE
from modelwire_router.rollout.machine import Look, waits_for
from modelwire_router.rollout.plan import (
    Analyse,
    Mirror,
    MovePartitions,
    Pause,
    SetWeight,
    Step,
)
from modelwire_schemas.rollout import Finding, Phase

Row = Mapping[str, Any]


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


def finding_row(finding: Finding) -> Row:
    """Return a finding with the numbers behind it."""
    return {
        "metric": finding.metric,
        "judgement": str(finding.judgement),
        "measured": finding.measured,
        "reference": finding.reference,
        "limit": finding.limit,
        "samples": finding.samples,
        "reference_samples": finding.reference_samples,
        "detail": finding.detail,
        "dry_run": finding.dry_run,
    }


def told(step: Step) -> str:
    """Return a step in a few words."""
    match step:
        case SetWeight():
            return f"weight {step.weight / 100:g} %"
        case MovePartitions():
            return "partitions " + ", ".join(f"{s}/{p}" for s, p in step.partitions)
        case Pause():
            return "pause" if step.ms is None else f"pause {step.ms / 1000:g} s"
        case Analyse():
            return f"analysis {', '.join(step.templates)}"
        case Mirror():
            return f"shadow {step.shadow.version} at {step.shadow.sample / 100:g} %"


def _findings(standing: Standing, look: Look) -> Iterable[Finding]:
    """Return how the metrics stand, or why the rollout ended."""
    now = [f for found in look.findings.values() for f in found]
    return now or standing.rollout.findings
