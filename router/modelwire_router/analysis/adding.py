"""How sketches and windows add up: by bin, by Chan's parallel moments, the same in every order."""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from itertools import starmap
from typing import TypeVar

from modelwire_schemas.telemetry import Bin, Moments, Outcome, Output, Pair, Sketch, Window

_Part = TypeVar("_Part")


def add_windows(windows: Sequence[Window]) -> Window:
    """Return several instances' windows of one key as one; at least one must be given."""
    if len(windows) == 1:
        return windows[0]  # most are alone, and to add up one takes as long as two
    return replace(
        windows[0],
        routed=sum(window.routed for window in windows),
        predictions=sum(window.predictions for window in windows),
        substituted=sum(window.substituted for window in windows),
        errors=_add_counts(pair for window in windows for pair in window.errors),
        latency=add_sketches([window.latency for window in windows]),
        outputs=_add_outputs(output for window in windows for output in window.outputs),
        inputs=_add_outputs(output for window in windows for output in window.inputs),
        pairs=_by(_pair_key, _add_pairs, (pair for window in windows for pair in window.pairs)),
        outcomes=_by(
            _output_key, _add_outcomes, (o for window in windows for o in window.outcomes)
        ),
    )


def add_sketches(sketches: Sequence[Sketch]) -> Sketch:
    """Return the distribution of all values together."""
    return Sketch(
        add_moments([sketch.moments for sketch in sketches]),
        _add_bins(found for sketch in sketches for found in sketch.bins),
    )


def add_moments(parts: Sequence[Moments]) -> Moments:
    """Return the moments of all values together (Chan, Golub and LeVeque 1983).

    Sums are rounded once, at the end, so the order of the parts makes no difference.
    """
    count = sum(part.count for part in parts)
    odd = sum(part.odd for part in parts)
    if not count:
        return Moments(odd=odd)
    mean = math.fsum(part.count * part.mean for part in parts) / count
    squares = math.fsum(part.squares + part.count * (part.mean - mean) ** 2 for part in parts)
    return Moments(count, mean, squares, odd)


def _add_bins(bins: Iterable[Bin]) -> tuple[Bin, ...]:
    total: dict[int, int] = {}
    for found in bins:
        total[found.index] = total.get(found.index, 0) + found.count
    return tuple(starmap(Bin, sorted(total.items())))


def _add_counts(counts: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    total: Counter[str] = Counter()
    for name, count in counts:
        total[name] += count
    return tuple(sorted(total.items()))


def _add_outputs(outputs: Iterable[Output]) -> tuple[Output, ...]:
    return _by(lambda output: output.name, _add_named, outputs)


def _add_named(parts: Sequence[Output]) -> Output:
    return Output(parts[0].name, add_sketches([part.sketch for part in parts]))


def _pair_key(pair: Pair) -> tuple[str, str]:
    return pair.output, pair.against


def _output_key(outcome: Outcome) -> str:
    return outcome.output


def _add_pairs(parts: Sequence[Pair]) -> Pair:
    return replace(
        parts[0],
        difference=add_sketches([part.difference for part in parts]),
        live=add_sketches([part.live for part in parts]),
        shadow=add_sketches([part.shadow for part in parts]),
        unequal=sum(part.unequal for part in parts),
        compared=sum(part.compared for part in parts),
        changed=sum(part.changed for part in parts),
    )


def _add_outcomes(parts: Sequence[Outcome]) -> Outcome:
    return replace(
        parts[0],
        labels=sum(part.labels for part in parts),
        log_loss=add_moments([part.log_loss for part in parts]),
        squared_error=add_moments([part.squared_error for part in parts]),
        absolute_error=add_moments([part.absolute_error for part in parts]),
        positives=_add_bins(found for part in parts for found in part.positives),
        negatives=_add_bins(found for part in parts for found in part.negatives),
    )


def _by(
    name: Callable[[_Part], Hashable],
    add: Callable[[Sequence[_Part]], _Part],
    parts: Iterable[_Part],
) -> tuple[_Part, ...]:
    """Add up what has the same name; names stand in order."""
    named: dict[Hashable, list[_Part]] = {}
    for part in parts:
        named.setdefault(name(part), []).append(part)
    return tuple(add(named[key]) for key in sorted(named, key=repr))
