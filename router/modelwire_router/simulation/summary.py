"""Many runs in a few rows: how often, after how long, how many events, and why."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from modelwire_router.simulation.run import Outcome, Run

Row: TypeAlias = Mapping[str, Any]

PLACES = 10
"""At so many places of the time it is told which share a candidate had."""


def rows(candidate: str, runs: Sequence[Run]) -> list[Row]:
    """Return a row for each outcome that came, in the order of their names there."""
    return [
        _row(candidate, outcome, found, len(runs))
        for outcome in Outcome
        if (found := [run for run in runs if run.outcome is outcome])
    ]


def _row(candidate: str, outcome: Outcome, runs: Sequence[Run], of: int) -> Row:
    why = Counter(name for run in runs for name in run.why)
    return {
        "candidate": candidate,
        "outcome": str(outcome),
        "runs": len(runs),
        "of": of,
        "share": len(runs) / of,
        "minutes": _spread(run.ms / 60_000 for run in runs),
        "events": _spread(run.events for run in runs),
        "candidate_events": _spread(run.exposed for run in runs),
        "why": dict(why.most_common()),
        "weights": _weights(runs),
    }


def _weights(runs: Sequence[Run]) -> list[Row]:
    """Return the candidate's percent, run by run, at some places of the time that they took."""
    whole = float(np.median([run.ms for run in runs]))
    times = [whole * place / PLACES for place in range(PLACES)]
    return [
        {"minutes": time / 60_000, **_spread(_weight(run, time) / 100 for run in runs)}
        for time in times
    ]


def _weight(run: Run, time: float) -> int:
    """Return the candidate's buckets at a time (ms)."""
    return next((w for since, w in reversed(run.weights) if since <= time), 0)


def _spread(values: Iterable[float]) -> Row:
    """Return the median, and what a tenth of the values is below and above."""
    low, middle, high = np.quantile([*values], (0.1, 0.5, 0.9)).tolist()
    return {"median": middle, "p10": low, "p90": high}
