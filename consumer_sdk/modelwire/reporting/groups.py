"""The rows of a batch by who answered them and by window of time."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from modelwire.reporting.spans import windows_of
from modelwire.serving.answer import Answers, Provenance

Indices: TypeAlias = npt.NDArray[np.intp]


class Group(NamedTuple):
    """Rows of one provenance, of that number in the batch, in [`start`, `start` + `span`) ms."""

    told: Provenance
    number: int
    start: int
    span: int
    rows: Indices


def groups(answers: Answers, times: Sequence[int], rows: Indices) -> Iterator[Group]:
    """Yield some rows of a batch, group by group; each row is in one."""
    starts, first, span = windows_of(times)
    provenances, which = answers.provenances, answers.which
    if not provenances or not len(rows):
        return
    if which is None and starts is None:
        yield Group(provenances[0], 0, first, span, rows)
        return
    numbers = np.zeros(len(times), np.intp) if which is None else np.array(which, np.intp)
    at = np.zeros_like(numbers) if starts is None else (starts - first) // span
    codes = (at * len(provenances) + numbers)[rows]
    for code in np.unique(codes).tolist():
        number = code % len(provenances)
        start = first + code // len(provenances) * span
        yield Group(provenances[number], number, start, span, rows[codes == code])
