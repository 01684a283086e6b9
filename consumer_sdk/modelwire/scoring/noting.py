"""What a scorer tells telemetry of a batch, once it is committed."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from modelwire.reporting.scored import Scored
from modelwire.reporting.spread import Floats
from modelwire.scoring.events import Fields
from modelwire.serving.answer import Answers
from modelwire_log.contract import Record


class Batch(NamedTuple):
    """Events that were answered together: records, fields and times (ms), a row each.

    `rows` are those that the commit finished; None: all.
    """

    records: Sequence[Record]
    fields: Sequence[Fields]
    times: Sequence[int]
    answers: Answers
    rows: Sequence[int] | None = None

    def scored(self, watched: Sequence[str]) -> Scored:
        """Return what is counted of it, with the distribution of the `watched` fields."""
        inputs = {name: _numbers(self.fields, name) for name in watched} if watched else None
        return Scored(self.answers, self.times, self.rows, inputs)


def _numbers(events: Sequence[Fields], name: str) -> Floats:
    """Return a field of every event; what is missing or no number is NaN, and counted as odd."""
    values = [event.get(name) for event in events]
    return np.array([v if type(v) in (int, float, bool) else np.nan for v in values], np.float64)
