"""An event field against the sample of the release: unlike it as a whole, or outside its range."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from modelwire_router.analysis.arithmetic import Array
from modelwire_router.analysis.counts import Counts
from modelwire_router.analysis.strata import Bins, bins
from modelwire_schemas.telemetry import Sketch


@dataclass(frozen=True, slots=True)
class Field:
    """One field's values by stratum, of both sides, and those of the sample."""

    candidate: Sequence[Sketch]
    stable: Sequence[Sketch]
    sample: Sketch


def unlike(field: Field) -> Bins:
    """Return the candidate's values and the sample's, as stable's only row.

    What is missing, NaN or infinite is a value beyond all others: it cannot go unnoticed.
    """
    table = bins(field.candidate, [field.sample])
    return replace(
        table,
        low=np.append(table.low, np.inf),
        high=np.append(table.high, np.inf),
        candidate=np.column_stack([table.candidate, _odd(field.candidate)]),
        stable=np.column_stack([table.stable, _odd([field.sample])]),
    )


def outside(field: Field) -> Counts:
    """Return values below the sample's smallest or above its greatest one, among all values.

    What is missing, NaN or infinite is outside where the sample has no such value.
    """
    table = bins(field.candidate, [*field.stable, field.sample])
    stable, sample = table.stable[:-1], table.stable[-1]
    up_to, total = np.cumsum(sample), sample.sum()
    beyond = ((up_to == 0) | (up_to - sample == total)).astype(np.float64)
    odd = float(not field.sample.moments.odd)

    def counted(side: Sequence[Sketch], held: Array) -> tuple[Array, Array]:
        missing = _odd(side)
        return held @ beyond + odd * missing, held.sum(-1) + missing

    ours = counted(field.candidate, table.candidate)
    theirs = counted(field.stable, stable)
    return Counts((ours[0], theirs[0]), (ours[1], theirs[1]))


def _odd(side: Sequence[Sketch]) -> Array:
    return np.array([sketch.moments.odd for sketch in side], dtype=np.float64)
