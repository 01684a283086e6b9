"""Sums over strata, and divisions by what may be nothing."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Places: TypeAlias = npt.NDArray[np.intp]


def upto(values: Array, at: Places) -> Array:
    """Return the sums over the first `at` strata (the last axis), for each of `at`."""
    total = np.cumsum(values, axis=-1)
    start = np.zeros((*values.shape[:-1], 1))
    return np.concatenate([start, total], axis=-1)[..., at]


def summed(table: Array, at: Places) -> Array:
    """Return the sums over the first `at` strata of (..., strata, bins): (..., looks, bins)."""
    return np.moveaxis(upto(np.moveaxis(table, -1, -2), at), -1, -2)


def divide(above: Array, below: Array) -> Array:
    """Divide; something over nothing is infinite, nothing over nothing is NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(above / below)


def matching(ours: Array, theirs: Array) -> Array:
    """Return what brings stable's strata to the candidate's sizes; 0 where stable has nothing."""
    return np.divide(ours, theirs, where=theirs > 0, out=np.zeros_like(ours))
