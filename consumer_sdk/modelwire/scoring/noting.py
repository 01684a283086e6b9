"""What a scorer tells telemetry of a batch, once it is committed."""

from collections.abc import Sequence

from modelwire.reporting.scored import Scored
from modelwire.reporting.spread import Floats, numbers
from modelwire.serving.rows import Rows
from modelwire.serving.shadowing import Batch


def scored(batch: Batch, watched: Sequence[str]) -> Scored:
    """Return what is counted of a batch, with the distribution of the `watched` fields."""
    inputs = {name: _numbers(batch.rows, name) for name in watched} if watched else None
    return Scored(batch.answers, batch.times, batch.done, inputs)


def _numbers(rows: Rows, name: str) -> Floats:
    return numbers([rows.fields(row).get(name) for row in range(len(rows))])
