"""Windows of event time: which one a time falls into, and how long windows are."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_DAY = 86_400_000

SPANS = (10_000, 60_000, 600_000, 3_600_000, _DAY, 7 * _DAY, 28 * _DAY, 364 * _DAY)
"""How long windows may be (ms): the shortest, unless events are spread thin."""

MOST_AT_ONCE = 4
"""Windows that one batch fills at most; a backlog of months gets windows of weeks."""

FOR_EVER = 2**62

Times = npt.NDArray[np.int64]


def span_for(low: int, high: int) -> int:
    """Return how long the windows of events between two times (ms) are."""
    fits = (span for span in SPANS if high // span - low // span < MOST_AT_ONCE)
    return next(fits, FOR_EVER)


def windows_of(times: Sequence[int]) -> tuple[Times | None, int, int]:
    """Return where each event's window starts, where the first one does, and how long they are.

    None stands for the starts where all events share a window. Times before 1970 count as 1970.
    """
    low, high = (max(0, time) for time in (min(times), max(times)))
    span = span_for(low, high)
    first = low // span * span
    if high < first + span:
        return None, first, span
    return np.maximum(np.array(times, np.int64), 0) // span * span, first, span
