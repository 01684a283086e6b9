"""What a routing document says of the rollout that it is a step of."""

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """How a rollout stands."""

    PROGRESSING = "progressing"
    PAUSED = "paused"
    COMPLETED = "completed"
    ABORTED = "aborted"
    ROLLED_BACK = "rolled_back"

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self in {Phase.COMPLETED, Phase.ABORTED, Phase.ROLLED_BACK}


class Judgement(StrEnum):
    """What a metric says of the candidate; only `pass` is success."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    TOO_FEW = "too_few"
    NO_DATA = "no_data"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Finding:
    """One metric's judgement and the numbers behind it.

    `measured` is the candidate's value, `reference` the stable version's at the same time, `limit`
    what it was held against; None where there is no such number. `samples` and
    `reference_samples` are counted events, `at` (ms, the log's clock) when it was judged.
    """

    metric: str
    judgement: Judgement
    at: int
    measured: float | None = None
    reference: float | None = None
    limit: float | None = None
    samples: int = 0
    reference_samples: int = 0
    detail: str = ""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Rollout:
    """Where a rollout stands: its id, its plan, the step it is at and since when.

    `plan` is the compiled rollout file in JSON: controllers read it, the fold gives it no meaning.
    `step` counts the steps that are done. `started` and `since` (ms, the log's clock) are when the
    rollout and its step under way began, `findings` why this document came.
    """

    id: str
    plan: str
    step: int
    started: int
    since: int
    phase: Phase = Phase.PROGRESSING
    note: str = ""
    findings: tuple[Finding, ...] = ()
