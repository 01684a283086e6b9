"""What a rollout in a document must keep: a bounded plan, finite numbers, counts from zero on."""

from collections.abc import Callable, Mapping
from typing import Any as Anything

from modelwire_schemas.bounds import at_least, finite, text, word
from modelwire_schemas.errors import Rejected
from modelwire_schemas.limits import MAX_FINDINGS, MAX_PLAN
from modelwire_schemas.rollout import Finding, Rollout


def _finding(finding: Finding) -> None:
    word("metric", finding.metric, least=1)
    at_least(0, "at", finding.at)
    at_least(0, "samples", finding.samples, finding.reference_samples)
    finite(finding.metric, [finding.measured, finding.reference, finding.limit])
    text("detail", finding.detail)


def _rollout(rollout: Rollout) -> None:
    word("rollout", rollout.id, least=1)
    text("plan", rollout.plan, most=MAX_PLAN)
    at_least(0, "step", rollout.step)
    at_least(0, "time", rollout.started, rollout.since)
    text("note", rollout.note)
    if len(rollout.findings) > MAX_FINDINGS:
        raise Rejected(
            "E_RANGE", f"{len(rollout.findings)} findings", expected=f"at most {MAX_FINDINGS}"
        )


ROLLOUT_CHECKS: Mapping[object, Callable[[Anything], None]] = {
    Finding: _finding,
    Rollout: _rollout,
}
