"""Steps and findings in a few words (pure); light enough for verbs that only read."""

from collections.abc import Mapping
from typing import Any

from modelwire_router.rollout.plan import (
    Analyse,
    Mirror,
    MovePartitions,
    Pause,
    SetWeight,
    Step,
)
from modelwire_schemas.rollout import Finding

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
        case Mirror():
            return f"shadow {step.shadow.version} at {step.shadow.sample / 100:g} %"


def numbers(found: Row) -> str:
    """Return the numbers of a finding's row in one line."""
    said: list[str] = []
    if found["measured"] is not None:
        said.append(f"{found['measured']:.4g}")
    if found["reference"] is not None:
        said.append(f"against {found['reference']:.4g}")
    if found["limit"] is not None:
        said.append(f"limit {found['limit']:g}")
    if found["samples"]:
        said.append(f"n={found['samples']:,}")
    return ", ".join([*said, *([found["detail"]] if found["detail"] else [])])
