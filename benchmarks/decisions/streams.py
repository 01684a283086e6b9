"""Simulated telemetry of many rollouts at once: arrays (rollouts, windows), bins last."""

from dataclasses import dataclass

import numpy as np

from modelwire_router.analysis.arithmetic import Array
from modelwire_router.analysis.counts import Counts
from modelwire_router.analysis.paired import Paired
from modelwire_router.analysis.strata import Bins, Sums
from modelwire_schemas.telemetry import bounds

PER_SECOND = 2_000
SPAN = 10
"""Seconds of event time a window."""

BINS = 12
FIRST_LATENCY, FIRST_SCORE = 4_562, 4_032
"""The lowest of the bins used: latencies from about 10,000 µs, scores from about 0.5."""


@dataclass(frozen=True, slots=True)
class Streams:
    """What consumers would report of both sides, for every metric of the template."""

    errors: Counts
    latency: Bins
    score: Bins
    loss: tuple[Sums, Sums]
    pairs: Paired


def simulate(
    chance: np.random.Generator, rollouts: int, shares: Array, worse: float, swing: float
) -> Streams:
    """Return streams in which the candidate errs `worse` times as often; all else is the same.

    `shares` are the candidate's, by window. Errors (0.1 %), latency and loss rise and fall by
    `swing`, so that only what is compared at the same time is the same.
    """
    windows = len(shares)
    course = 1 + swing * np.sin(np.linspace(0, 6, windows))
    rate = 0.001 * course
    size = (rollouts, windows)
    ours = chance.poisson(PER_SECOND * SPAN * shares, size).astype(float)
    theirs = chance.poisson(PER_SECOND * SPAN * (1 - shares), size).astype(float)
    flat = np.ones(windows)
    return Streams(
        errors=Counts(
            (_binomial(chance, ours, worse * rate), _binomial(chance, theirs, rate)),
            (ours, theirs),
        ),
        latency=_binned(chance, FIRST_LATENCY, (ours, theirs), 1 / course),
        score=_binned(chance, FIRST_SCORE, (ours, theirs), flat),
        loss=(_skewed(chance, ours, course), _skewed(chance, theirs, course)),
        pairs=pairs(chance, ours, shift=0.0, correlation=0.75),
    )


def pairs(chance: np.random.Generator, count: Array, shift: float, correlation: float) -> Paired:
    """Return pairs of a shadow `shift` above live, both with deviation 1."""
    between = normal(chance, count, shift, float(np.sqrt(2 * (1 - correlation))))
    live = normal(chance, count, 10.0, 1.0)
    shadow = Sums(count, live.mean + between.mean, np.maximum(count - 1, 0.0))
    return Paired(between, live, shadow)


def normal(chance: np.random.Generator, count: Array, mean: float, deviation: float) -> Sums:
    """Return the moments of windows of normal values."""
    some = np.maximum(count, 2.0)
    means = mean + deviation * chance.standard_normal(count.shape) / np.sqrt(some)
    squares = deviation**2 * chance.chisquare(some - 1)
    return Sums(count, means, squares)


def _skewed(chance: np.random.Generator, count: Array, mean: Array) -> Sums:
    """Return the moments of windows of exponential values, whose mean and variance go together."""
    first, second = chance.standard_normal((2, *count.shape))
    some = np.maximum(count, 2.0)
    means = mean * (1 + first / np.sqrt(some))
    variance = mean**2 * (1 + np.sqrt(4 / some) * (first + second))
    return Sums(count, means, (some - 1) * np.maximum(variance, 0.05))


def _binomial(chance: np.random.Generator, events: Array, rate: Array) -> Array:
    return chance.binomial(events.astype(np.int64), rate).astype(float)


def _binned(
    chance: np.random.Generator, first: int, events: tuple[Array, Array], steep: Array
) -> Bins:
    """Return values in a few bins, fewer the higher; `steep` is how quickly, by window."""
    shape: Array = np.exp(-0.5 * steep[:, None] * np.arange(BINS))
    shape /= shape.sum(-1, keepdims=True)
    low, high = np.array([bounds(first + place) for place in range(BINS)]).T
    ours, theirs = (chance.poisson(side[..., None] * shape).astype(float) for side in events)
    return Bins(low, high, ours, theirs)
