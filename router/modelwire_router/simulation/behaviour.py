"""How a version behaves, and what its consumers would report of so many events."""

from collections.abc import Sequence, Set as AbstractSet
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from modelwire_router.analysis.adding import add_sketches
from modelwire_router.rollout.plan import (
    OF_INPUTS,
    OF_LABELS,
    OF_OUTPUTS,
    OF_PAIRS,
    Exposure,
    Measure,
    Plan,
    Query,
)
from modelwire_router.simulation.drawn import (
    FINE,
    Array,
    binned,
    moments,
    normal,
    quantiles,
    sketch,
)
from modelwire_schemas.telemetry import Outcome, Output, Pair, Role, Sketch, Window

MEDIAN_US, SPREAD = 200.0, 0.5
"""Latencies are log-normal: their median in µs, and the standard deviation of their logarithm."""

POSITIVE, APART = 0.2, 1.5
"""The share of events with label 1, and how far apart a good version tells the two labels."""

ALIKE = 0.75
"""The correlation of two versions' scores of the same events."""

MANY = 1000
"""A sample has each of the FINE values of a field so often."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a version does: scores are probabilities of label 1, calibrated unless they are shifted.

    `errors` is the share of events that it fails on, `latency` a factor on its time, `shift` is
    added to the log-odds of its scores, `quality` (1: as good as stable) scales how far apart it
    tells the labels, `changed` is the share of shadowed events with another output than stable's.
    `inputs` are the standard deviations by which its events are off the sample of its release.
    """

    errors: float = 0.001
    latency: float = 1.0
    shift: float = 0.0
    quality: float = 1.0
    changed: float = 0.01
    inputs: float = 0.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """The numbers that some metric looks at: nothing else is drawn."""

    measures: frozenset[Measure]
    outputs: tuple[str, ...]
    inputs: tuple[str, ...]

    def any(self, measures: AbstractSet[Measure]) -> bool:
        """Whether one of these is looked at."""
        return bool(self.measures & measures)


def wanted(plans: Sequence[Plan]) -> Wanted:
    """Return what the metrics and budgets of plans look at."""
    queries = [m.source for plan in plans for m in plan.metrics if isinstance(m.source, Query)]
    budgets = [s for plan in plans for s in plan.steps if isinstance(s, Exposure)]
    of_inputs = {query.output for query in queries if query.measure in OF_INPUTS} - {""}
    names = {query.output for query in queries if query.measure not in OF_INPUTS} - {""}
    names |= {budget.output for budget in budgets}
    measures = {q.measure for q in queries} | (
        {Measure.DISAGREEMENT} if budgets else set[Measure]()
    )
    return Wanted(
        frozenset(measures),
        tuple(sorted(names)) or ("score",),
        tuple(sorted(of_inputs)) or ("field",),
    )


def sample(wanted: Wanted) -> tuple[Output, ...]:
    """Return what a release says of its inputs: normal values, and many of them."""
    field = binned(quantiles())
    counts = np.rint(field.share * FINE).astype(np.int64) * MANY
    return tuple(Output(name, sketch(field, counts)) for name in wanted.inputs)


class Beside(NamedTuple):
    """What a shadow is held against: who answers, and which share of the decisions differ."""

    live: "Version"
    version: str
    changed: float


class Version:
    """Draws the windows of one version."""

    def __init__(self, behaviour: Behaviour, wanted: Wanted) -> None:
        self.behaviour = behaviour
        self._wanted = wanted
        self._latency = binned(MEDIAN_US * behaviour.latency * np.exp(SPREAD * quantiles()))
        self._field = binned(quantiles() + behaviour.inputs)
        self._positives, self._negatives = (binned(_scores(behaviour, one)) for one in (1, -1))
        both = np.concatenate([self._positives.value, self._negatives.value])
        shares = np.concatenate(
            [POSITIVE * self._positives.share, (1 - POSITIVE) * self._negatives.share]
        )
        self.mean = float(shares @ both)
        self.spread = float(shares @ (both - self.mean) ** 2) ** 0.5

    def window(
        self, rng: np.random.Generator, empty: Window, events: int, beside: Beside
    ) -> Window:
        """Return a window with so many events; a shadow's is `beside` those of another version."""
        failed = int(rng.binomial(events, self.behaviour.errors))
        counted = replace(
            empty,
            routed=events,
            predictions=events - failed,
            errors=(("E_MODEL", failed),) if failed else (),
        )
        if self._wanted.any({Measure.LATENCY}):
            drawn = self._latency.draw(rng, events - failed)
            counted = replace(counted, latency=sketch(self._latency, drawn))
        if self._wanted.any(OF_INPUTS):
            field = sketch(self._field, self._field.draw(rng, events))
            told = tuple(Output(name, field) for name in self._wanted.inputs)
            counted = replace(counted, inputs=told)
        if self._wanted.any(OF_OUTPUTS | OF_LABELS):
            counted = self._scored(rng, counted)
        if empty.role is Role.SHADOW and self._wanted.any(OF_PAIRS):
            counted = replace(counted, pairs=self._pairs(rng, counted.predictions, beside))
        return counted

    def _scored(self, rng: np.random.Generator, window: Window) -> Window:
        """Add scores and what became of them: labels come at once, but count when they may."""
        ones = int(rng.binomial(window.predictions, POSITIVE))
        good = self._positives.draw(rng, ones)
        bad = self._negatives.draw(rng, window.predictions - ones)
        error = np.concatenate([1 - self._positives.value, self._negatives.value])
        counts = np.concatenate([good, bad])
        scores = add_sketches([sketch(self._positives, good), sketch(self._negatives, bad)])
        outcome = Outcome(
            "",
            labels=window.predictions,
            log_loss=moments(-np.log(np.maximum(1 - error, 1e-15)), counts),
            squared_error=moments(error**2, counts),
            absolute_error=moments(error, counts),
            positives=self._positives.bins(good),
            negatives=self._negatives.bins(bad),
        )
        labelled = self._wanted.any(OF_LABELS)
        names = self._wanted.outputs
        return replace(
            window,
            outputs=tuple(Output(name, scores) for name in names),
            outcomes=tuple(replace(outcome, output=name) for name in names) if labelled else (),
        )

    def _pairs(self, rng: np.random.Generator, events: int, beside: Beside) -> tuple[Pair, ...]:
        live = beside.live
        variance = self.spread**2 + live.spread**2 - 2 * ALIKE * self.spread * live.spread
        difference = normal(rng, events, self.mean - live.mean, variance**0.5)
        theirs = normal(rng, events, live.mean, live.spread)
        ours = replace(theirs, mean=theirs.mean + difference.mean, squares=events * self.spread**2)
        changed = int(rng.binomial(events, beside.changed))
        told = Sketch(difference), Sketch(theirs), Sketch(ours), changed, events, changed
        return tuple(Pair(name, beside.version, *told) for name in self._wanted.outputs)


def _scores(behaviour: Behaviour, label: int) -> Array:
    """Return the scores of events whose label is 1, or with -1 those whose label is 0.

    Log-odds of the two are normal, as far apart as their variance: then scores are calibrated.
    """
    apart = APART * behaviour.quality
    centre = np.log(POSITIVE / (1 - POSITIVE)) + label * apart**2 / 2 + behaviour.shift
    return np.asarray(1 / (1 + np.exp(-(centre + apart * quantiles()))))
