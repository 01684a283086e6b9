"""Values on their way into a sketch: added by the array, kept as a few hundred bins."""

import math
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from modelwire_schemas.telemetry import BIN_BITS, Bin, Moments, Sketch

Floats: TypeAlias = npt.NDArray[np.float64]
Codes: TypeAlias = npt.NDArray[np.int64]

MOST_BINS = 512
"""Bins of a sketch that travel; what has more is told with fewer bits."""

AT_ONCE = 8192
"""Values that are counted together, which costs little more than to count a few."""

_REST = 32 - BIN_BITS


def as_floats(values: Any) -> Floats | None:  # noqa: ANN401 - whatever array a model gave
    """Return one number a row, the first where a row has several; None for what is no number."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub" or not array.size:
        return None
    rows = array if array.ndim == 1 else array.reshape(len(array), -1)[:, 0]
    return rows.astype(np.float64)


def numbers(values: Iterable[object]) -> Floats:
    """Return values of an event field; what is missing or no number is NaN, and counted as odd."""
    return np.array([v if type(v) in (int, float, bool) else np.nan for v in values], np.float64)


class Tail:
    """Count, mean and squared deviations of finite values, and how many others there were."""

    __slots__ = ("count", "mean", "odd", "squares")

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self.squares = 0.0
        self.odd = 0

    def add(self, values: Floats) -> Floats:
        """Add values; return those that are finite, in float32's range, too."""
        with np.errstate(over="ignore", invalid="ignore"):
            finite = values[np.isfinite(values.astype(np.float32))]
        self.odd += len(values) - len(finite)
        if len(finite):
            mean = float(finite.mean())
            self.join(len(finite), mean, float(np.square(finite - mean).sum()))
        return finite

    def join(self, count: int, mean: float, squares: float) -> None:
        """Add the moments of other values (Chan, Golub and LeVeque 1983)."""
        total, apart = self.count + count, mean - self.mean
        self.squares += squares + apart * apart * self.count * count / total
        self.mean += apart * count / total
        self.count = total

    def moments(self) -> Moments:
        """Return them as they travel."""
        if math.isfinite(self.squares):
            return Moments(self.count, self.mean, self.squares, self.odd)
        return Moments(0, 0.0, 0.0, self.odd + self.count)


class Spread:
    """The distribution of values. What is added waits until there is much, or somebody asks."""

    __slots__ = ("_codes", "_counts", "_tail", "_waiting", "_waits")

    def __init__(self) -> None:
        self._tail = Tail()
        self._waiting: list[Floats] = []
        self._waits = 0
        self._codes: Codes = np.zeros(0, np.int64)
        self._counts: Codes = np.zeros(0, np.int64)

    def add(self, values: Floats) -> None:
        """Add values; they are kept as they are until they are counted."""
        self._waiting.append(values)
        self._waits += len(values)
        if self._waits >= AT_ONCE:
            self._count()

    def add_same(self, value: float, count: int) -> None:
        """Add one value several times."""
        self.add(np.full(count, value))

    def bins(self) -> tuple[Bin, ...]:
        """Return the bins as they travel, lowest first."""
        self._count()
        codes, counts = self._codes, self._counts
        bits = 0
        while len(codes) > MOST_BINS:
            bits += 1
            codes, counts = _merged(self._codes >> bits << bits, self._counts)
        pairs = zip(codes.tolist(), counts.tolist(), strict=True)
        return tuple(Bin(code, count) for code, count in pairs)

    def sketch(self) -> Sketch:
        """Return what travels."""
        self._count()
        moments = self._tail.moments()
        return Sketch(moments, self.bins() if moments.count else ())

    def _count(self) -> None:
        if not self._waiting:
            return
        waiting, self._waiting, self._waits = self._waiting, [], 0
        finite = self._tail.add(waiting[0] if len(waiting) == 1 else np.concatenate(waiting))
        if len(finite):
            self._join(*_counted(finite))

    def _join(self, codes: Codes, counts: Codes) -> None:
        if len(self._codes):
            codes = np.concatenate([self._codes, codes])
            counts = np.concatenate([self._counts, counts])
            codes, counts = _merged(codes, counts)
        self._codes, self._counts = codes, counts


def _counted(finite: Floats) -> tuple[Codes, Codes]:
    codes = np.ascontiguousarray(finite, np.float32).view(np.uint32) >> _REST
    found = np.bincount(codes)
    present = np.flatnonzero(found)
    return present, found[present]


def _merged(codes: Codes, counts: Codes) -> tuple[Codes, Codes]:
    """Return each code once, with the sum of its counts."""
    found, where = np.unique(codes, return_inverse=True)
    total = np.zeros(len(found), np.int64)
    np.add.at(total, where, counts)
    return found, total
