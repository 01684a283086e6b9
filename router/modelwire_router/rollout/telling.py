"""Steps and findings in a few words (pure); light enough for verbs that only read."""

from collections.abc import Mapping
from typing import Any

from modelwire_router.rollout.plan import (
    Analyse,
    Exposure,
    Mirror,
    MovePartitions,
    Pause,
    Plan,
    SetWeight,
    Step,
)
from modelwire_router.rollout.plan_text import load
from modelwire_schemas.errors import ModelwireError
from modelwire_schemas.rollout import Finding, Phase, Rollout

Row = Mapping[str, Any]


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
        case Exposure():
            return f"exposure {step.changed:,} an hour, up to {step.weight / 100:g} %"
        case Mirror():
            return f"shadow {step.shadow.version} at {step.shadow.sample / 100:g} %"


def named(plan: Plan, index: int) -> str:
    """Return a step in a few words; an experiment has a beginning and an end."""
    step = plan.steps[index]
    if plan.rules and isinstance(step, SetWeight):
        return "the experiment begins" if index == 0 else "the experiment ends"
    return told(step)


def numbers(found: Row) -> str:
    """Return the numbers of a finding's row in one line."""
    said: list[str] = []
    if found["measured"] is not None:
        said.append(_number(found["measured"]))
    if found["reference"] is not None:
        said.append(f"against {_number(found['reference'])}")
    if found["limit"] is not None:
        said.append(f"limit {_number(found['limit'])}")
    if found["samples"]:
        said.append(f"n={found['samples']:,}")
    return ", ".join([*said, *([found["detail"]] if found["detail"] else [])])


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"  # 1.2e+04 reads badly


def finding_line(found: Row) -> str:
    """Return a finding's row in one line."""
    dry = " (dry run)" if found["dry_run"] else ""
    return f"{found['metric']}: {found['judgement']}{dry}  {numbers(found)}".rstrip()


def plan_line(plan: Plan) -> str:
    """Return a plan in one line: `late: canary 1 → 2, 5 steps`."""
    steps = f"{len(plan.steps)} step{'s' * (len(plan.steps) != 1)}"
    return f"{plan.route}: {plan.strategy} {plan.stable} → {plan.candidate}, {steps}"


def standing_row(rollout: Rollout) -> Row:
    """Return how a rollout stood in a document; of a plan that cannot be read, what else is told.

    `done` is the last step that was made, `next` the one that is under way.
    """
    row: dict[str, Any] = {
        "id": rollout.id,
        "phase": str(rollout.phase),
        "step": rollout.step,
        "started": rollout.started,
        "since": rollout.since,
        "note": rollout.note,
        "findings": [{**finding_row(f), "at": f.at} for f in rollout.findings],
    }
    try:
        plan = load(rollout.plan)
    except ModelwireError as error:
        return {**row, "fault": str(error)}
    steps = [named(plan, index) for index in range(len(plan.steps))]
    return {
        **row,
        "strategy": plan.strategy,
        "stable": plan.stable,
        "candidate": plan.candidate,
        "steps": len(steps),
        "done": steps[rollout.step - 1] if rollout.step else "begin",
        "next": "" if rollout.phase.over or rollout.step >= len(steps) else steps[rollout.step],
    }


def standing_text(row: Row) -> str:
    """Return in one line how a rollout stood: its step, its phase, what its metrics said."""
    step = f"step {row['step']}"
    if "steps" in row:
        step = f"step {row['step']}/{row['steps']} {row['done']}"
    ends = "" if row["phase"] == Phase.PROGRESSING else f" {row['phase']}"
    found = ", ".join(f"{f['metric']} {f['judgement']}" for f in row["findings"])
    return f"{row['id']} {step}{ends}{f': {found}' if found else ''}"
