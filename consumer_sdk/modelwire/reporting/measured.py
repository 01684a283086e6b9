"""What is measured of one version in one window of time, and how it is told."""

from collections import Counter

import numpy as np
import numpy.typing as npt

from modelwire.reporting.spread import Floats, Spread, Tail
from modelwire_schemas.telemetry import Moments, Outcome, Output, Pair, Window, WindowKey

MOST_OUTPUTS = 4
"""Outputs of a model that are watched, in the order of its contract; inputs, as named."""

MOST_INPUTS = 12

UNEQUAL = 1e-6
"""Two outputs that lie farther apart differ."""


class Measured:
    """One window as it fills."""

    __slots__ = (
        "_inputs",
        "_outcomes",
        "_outputs",
        "_pairs",
        "changes",
        "errors",
        "latency",
        "predictions",
        "routed",
        "substituted",
        "touched_s",
    )

    def __init__(self) -> None:
        self.routed = self.predictions = self.substituted = self.changes = 0
        self.touched_s = 0.0
        self.errors: Counter[str] = Counter()
        self.latency = Spread()
        self._outputs: dict[str, Spread] = {}
        self._inputs: dict[str, Spread] = {}
        self._pairs: dict[tuple[str, str], PairSpread] = {}
        self._outcomes: dict[str, OutcomeSpread] = {}

    def output(self, name: str, values: Floats) -> None:
        """Add values of an output."""
        if name in self._outputs or len(self._outputs) < MOST_OUTPUTS:
            self._outputs.setdefault(name, Spread()).add(values)

    def input(self, name: str, values: Floats) -> None:
        """Add values of an input."""
        if name in self._inputs or len(self._inputs) < MOST_INPUTS:
            self._inputs.setdefault(name, Spread()).add(values)

    def pair(self, output: str, against: str) -> "PairSpread":
        """Return what compares an output with another version's; beyond a few, one to forget."""
        key = (output, against)
        if key in self._pairs or len(self._pairs) < MOST_OUTPUTS:
            return self._pairs.setdefault(key, PairSpread())
        return PairSpread()

    def outcome(self, output: str) -> "OutcomeSpread":
        """Return what becomes of an output."""
        return self._outcomes.setdefault(output, OutcomeSpread())

    def window(self, key: WindowKey) -> Window:
        """Return it as it travels."""
        return Window(
            *key,
            routed=self.routed,
            predictions=self.predictions,
            substituted=self.substituted,
            errors=tuple(sorted(self.errors.items())),
            latency=self.latency.sketch(),
            outputs=tuple(Output(name, s.sketch()) for name, s in self._outputs.items()),
            inputs=tuple(Output(name, s.sketch()) for name, s in self._inputs.items()),
            pairs=tuple(pair.told(*names) for names, pair in self._pairs.items()),
            outcomes=tuple(outcome.told(name) for name, outcome in self._outcomes.items()),
        )


class PairSpread:
    """A shadow's output against the live one of the same events."""

    __slots__ = ("_changed", "_compared", "_difference", "_live", "_shadow", "_unequal")

    def __init__(self) -> None:
        self._difference, self._live, self._shadow = Spread(), Spread(), Spread()
        self._unequal = self._compared = self._changed = 0

    def add(self, live: Floats, shadow: Floats, threshold: float | None = None) -> None:
        """Add numbers of the same events; at a threshold an event is decided."""
        with np.errstate(invalid="ignore"):
            difference = shadow - live
            # NaN on one side is a difference; on both it is none.
            same = (np.abs(difference) <= UNEQUAL) | (live == shadow)
            same |= np.isnan(live) & np.isnan(shadow)
        self._live.add(live)
        self._shadow.add(shadow)
        self._difference.add(difference)
        sides = same if threshold is None else _side(live, threshold) == _side(shadow, threshold)
        self._count(len(live), int((~same).sum()), int((~sides).sum()))

    def add_texts(self, live: npt.NDArray[np.object_], shadow: npt.NDArray[np.object_]) -> None:
        """Add texts of the same events."""
        unequal = sum(a != b for a, b in zip(live.flat, shadow.flat, strict=True))
        self._count(len(live), unequal, unequal)

    def told(self, output: str, against: str) -> Pair:
        """Return it as it travels."""
        spreads = self._difference.sketch(), self._live.sketch(), self._shadow.sketch()
        return Pair(output, against, *spreads, self._unequal, self._compared, self._changed)

    def _count(self, compared: int, unequal: int, changed: int) -> None:
        self._compared += compared
        self._unequal += unequal
        self._changed += changed


class OutcomeSpread:
    """What became of predictions whose label has come."""

    __slots__ = ("_absolute", "_binary", "_labels", "_log_loss", "_sides", "_squared")

    def __init__(self) -> None:
        self._labels = 0
        self._binary = True
        self._log_loss, self._squared, self._absolute = Tail(), Tail(), Tail()
        self._sides = (Spread(), Spread())

    def add(self, scores: Floats, labels: Floats) -> None:
        """Add scores and the labels of the same events: 0 and 1, or any numbers."""
        self._labels += len(labels)
        apart = scores - labels
        self._squared.add(np.square(apart))
        self._absolute.add(np.abs(apart))
        self._binary &= bool(np.isin(labels, (0.0, 1.0)).all() and _shares(scores))
        if not self._binary:
            return
        sure = np.clip(np.where(labels == 1, scores, 1 - scores), 1e-15, 1.0)
        self._log_loss.add(-np.log(sure))
        for side, spread in enumerate(self._sides):
            spread.add(scores[labels == side])

    def told(self, output: str) -> Outcome:
        """Return it as it travels."""
        squared, absolute = self._squared.moments(), self._absolute.moments()
        if not self._binary:
            return Outcome(output, self._labels, Moments(), squared, absolute)
        negatives, positives = (side.bins() for side in self._sides)
        log_loss = self._log_loss.moments()
        return Outcome(output, self._labels, log_loss, squared, absolute, positives, negatives)


def _side(values: Floats, threshold: float) -> npt.NDArray[np.int8]:
    """Return on which side of a threshold values lie: 0 below, 1 from it on, -1 for NaN."""
    return np.where(np.isnan(values), np.int8(-1), (values >= threshold).astype(np.int8))


def _shares(scores: Floats) -> bool:
    """Whether every score can be a probability."""
    return bool(((scores >= 0) & (scores <= 1)).all())
