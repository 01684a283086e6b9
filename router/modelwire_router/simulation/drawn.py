"""Distributions as sketches know them, and sketches drawn from them."""

from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from modelwire_schemas.telemetry import BIN_BITS, Bin, Moments, Sketch

Array: TypeAlias = npt.NDArray[np.float64]
Counts: TypeAlias = npt.NDArray[np.int64]

FINE = 4096
"""By so many of its quantiles a distribution is known."""

_SHIFT = 32 - BIN_BITS


@dataclass(frozen=True, slots=True, eq=False)
class Binned:
    """A distribution: its bins, the share of each, and the mean value in it."""

    index: tuple[int, ...]
    share: Array
    value: Array

    def draw(self, rng: np.random.Generator, size: int) -> Counts:
        """Return how many of `size` values fall into each bin."""
        return rng.multinomial(size, self.share)

    def bins(self, counts: Counts) -> tuple[Bin, ...]:
        """Return the bins that hold something."""
        return tuple(Bin(i, n) for i, n in zip(self.index, counts.tolist(), strict=True) if n)


def binned(values: Array) -> Binned:
    """Return the distribution of equally likely values."""
    places = np.ascontiguousarray(values, np.float32).view(np.uint32) >> _SHIFT
    index, inverse, counts = np.unique(places, return_inverse=True, return_counts=True)
    mean = np.bincount(inverse, weights=values) / counts
    return Binned(tuple(index.tolist()), counts / len(values), mean)


def sketch(of: Binned, counts: Counts) -> Sketch:
    """Return the sketch of values that fell into bins so."""
    return Sketch(moments(of.value, counts), of.bins(counts))


def moments(values: Array, counts: Counts) -> Moments:
    """Return the moments of values that came so often."""
    size = int(counts.sum())
    if not size:
        return Moments()
    mean = float(counts @ values) / size
    return Moments(size, mean, float(counts @ (values - mean) ** 2))


def normal(rng: np.random.Generator, size: int, mean: float, spread: float) -> Moments:
    """Return the moments of `size` values around `mean`, with this standard deviation."""
    if not size:
        return Moments()
    squares = spread**2 * float(rng.chisquare(size - 1)) if size > 1 else 0.0
    return Moments(size, mean + spread * float(rng.normal()) / size**0.5, squares)


def quantiles() -> Array:
    """Return FINE equally likely values of the standard normal distribution."""
    inverse = NormalDist().inv_cdf
    return np.array([inverse((place + 0.5) / FINE) for place in range(FINE)])
