"""What a scorer tells telemetry of a batch, once it is committed."""

from collections.abc import Sequence

import numpy as np

from modelwire.reporting.scored import Scored
from modelwire.reporting.spread import Floats
from modelwire.serving.rows import Rows
from modelwire.serving.shadowing import Batch


def scored(batch: Batch, watched: Sequence[str]) -> Scored:
    """Return what is counted of a batch, with the distribution of the `watched` fields."""
    inputs = {name: _numbers(batch.rows, name) for name in watched} if watched else None
    return Scored(batch.answers, batch.times, batch.done, inputs)


def _numbers(rows: Rows, name: str) -> Floats:
    """Return a field of every event; what is missing or no number is NaN, and counted as odd."""
    values = [rows.fields(row).get(name) for row in range(len(rows))]
    return np.array([v if type(v) in (int, float, bool) else np.nan for v in values], np.float64)
