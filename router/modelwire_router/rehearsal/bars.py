"""Sketches as bars of equal width (pure)."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from modelwire_schemas.telemetry import Bin, bounds

Floats: TypeAlias = npt.NDArray[np.float64]

_TAIL = 0.005
"""Shares at both ends that are told with the outermost bars."""


def edges(rows: Sequence[Sequence[Bin]], count: int) -> Floats:
    """Return the edges of `count` bars that hold what the rows have but for their tails."""
    curves = [_curve(row) for row in rows if row]
    low = min(float(np.interp(_TAIL, shares, values)) for values, shares in curves)
    high = max(float(np.interp(1 - _TAIL, shares, values)) for values, shares in curves)
    if high - low <= 1e-6 * max(abs(low), abs(high), 1e-6):  # all values are one
        low, high = low - max(abs(low), 1) / 2, high + max(abs(high), 1) / 2
    return np.linspace(low, high, count + 1)


def heights(row: Sequence[Bin], at: Floats) -> Floats:
    """Return the share of a row's values in each bar, those beyond in the outermost ones."""
    if not row:
        return np.zeros(len(at) - 1)
    values, shares = _curve(row)
    running = np.interp(at, values, shares)
    running[0], running[-1] = 0.0, 1.0
    return np.diff(running)


def _curve(row: Sequence[Bin]) -> tuple[Floats, Floats]:
    """Return a distribution function as straight lines: values, and the shares up to them."""
    known = sorted((min(bounds(one.index)), max(bounds(one.index)), one.count) for one in row)
    values = np.array([edge for low, high, _ in known for edge in (low, high)])
    after = np.cumsum([count for _, _, count in known]) / sum(count for _, _, count in known)
    before = np.concatenate([[0.0], after[:-1]])
    return values, np.stack([before, after], -1).ravel()
