"""What a rehearsal has come to, and how it is told (pure)."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from modelwire.scoring.labels import Joined
from modelwire_router.analysis.evidence import Standing
from modelwire_router.analysis.settle import overall
from modelwire_router.rehearsal.compare import Compared, Sides
from modelwire_router.rollout.plan import Plan
from modelwire_router.rollout.telling import finding_row
from modelwire_schemas.rollout import Judgement
from modelwire_schemas.telemetry import Role


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A plan's two versions on `events` events of a stream; `left_out` records hold none.

    `unseen` are metrics that only live traffic can show; `joined` is what became of labels.
    """

    plan: Plan
    stream: str
    events: int
    left_out: int
    sides: Sides
    compared: tuple[Compared, ...]
    judged: tuple[Standing, ...]
    unseen: tuple[str, ...]
    joined: Joined | None

    @property
    def judgement(self) -> Judgement:
        """What all metrics together say."""
        return overall(self.judged)

    def errors(self) -> Mapping[str, tuple[int, int]]:
        """Return how many events candidate and stable failed on, by code."""
        ours, theirs = (Counter(dict(self.sides.whole(role).errors)) for role in _ROLES)
        return {code: (ours[code], theirs[code]) for code in sorted({*ours, *theirs})}


_ROLES = (Role.SHADOW, Role.LIVE)


def row(one: Rehearsal) -> dict[str, Any]:
    """Return a rehearsal in one row."""
    plan = one.plan
    return {
        "route": plan.route,
        "model": plan.model,
        "stable": plan.stable,
        "candidate": plan.candidate,
        "stream": one.stream,
        "events": one.events,
        "left_out": one.left_out,
        "judgement": str(one.judgement),
        "errors": {c: {"candidate": o, "stable": t} for c, (o, t) in one.errors().items()},
        "compared": [_compared_row(each) for each in one.compared],
        "findings": [finding_row(standing.finding) for standing in one.judged],
        "unseen": list(one.unseen),
        "labels": None if one.joined is None else asdict(one.joined),
    }


def _compared_row(one: Compared) -> dict[str, Any]:
    return {
        "measure": one.measure,
        "output": one.output,
        "candidate": one.finding.measured,
        "stable": one.finding.reference,
        "low": one.low,
        "high": one.high,
        "samples": one.finding.samples,
    }
