"""How the numbers of a sample are distributed: what analysis holds events against."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from modelwire.reporting.spread import Spread, numbers
from modelwire_schemas.release import Contract
from modelwire_schemas.telemetry import Bin, Output, Sketch, bounds

POINTS = 40
"""So many quantiles of a field are kept, deciles among them, and its smallest value."""

MOST_FIELDS = 100
"""Fields of a sample, in the order of the contract: some 10 KB."""


def reference(events: Sequence[Mapping[str, object]], contract: Contract) -> tuple[Output, ...]:
    """Return the distribution of every field of a contract that has numbers in these events."""
    sketches = {
        column.field: _sketch(event.get(column.field) for event in events)
        for column in contract.fields
    }
    found = [Output(name, sketch) for name, sketch in sketches.items() if sketch.bins]
    return tuple(found[:MOST_FIELDS])


def _sketch(values: Iterable[object]) -> Sketch:
    spread = Spread()
    spread.add(numbers(values))
    whole = spread.sketch()
    return Sketch(whole.moments, tuple(sorted(_quantiles(whole.bins), key=lambda one: one.index)))


def _quantiles(bins: Sequence[Bin]) -> Iterator[Bin]:
    """Yield the bins where a quantile is reached; each takes in those below it that are left out.

    So at each bin that is kept it is known exactly how many values lie up to there.
    """
    total, below, taken = sum(one.count for one in bins), 0, 0
    for one in sorted(bins, key=lambda one: sorted(bounds(one.index))):
        reached = below + one.count
        if not below or reached * POINTS // total > below * POINTS // total:
            yield Bin(one.index, reached - taken)
            taken = reached
        below = reached
