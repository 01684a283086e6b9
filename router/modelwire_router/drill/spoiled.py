"""A good model made bad: it answers something else, fails on every other event, or is slow."""

import time
import zlib
from collections.abc import Iterable, Mapping
from enum import StrEnum

import numpy as np

from modelwire.loading.formats import Model, Run
from modelwire.loading.tensors import Array
from modelwire.serving.servable import Servable
from modelwire_schemas.routing import ModelVersion

SLOW_S = 0.05
"""What a run of the slow one takes longer."""


class Bad(StrEnum):
    """How a version is bad."""

    SHIFTED = "shifted"
    FAILING = "failing"
    SLOW = "slow"


class Spoiled:
    """A model that is worse than the one that it asks; see `formats.Model`. None: as good."""

    def __init__(self, good: Model, bad: Bad | None) -> None:
        self.inputs, self.outputs, self.resident = good.inputs, good.outputs, good.resident
        self.fast: Run = self.run
        self._good = good
        self._bad = bad

    def run(self, feed: Mapping[str, Array]) -> list[Array]:
        """Return the outputs of a feed, if it does."""
        if self._bad is Bad.SLOW:
            time.sleep(SLOW_S)
        if self._bad is Bad.FAILING and any(_is_disliked(row) for row in _rows(feed)):
            raise ValueError("this version is bad on purpose")
        answered = self._good.fast(feed)
        return [_shifted(one) for one in answered] if self._bad is Bad.SHIFTED else answered

    def close(self) -> None:
        """Leave the good model to who lent it."""


def spoiled(version: ModelVersion, good: Servable, bad: Bad | None) -> Servable:
    """Return a version that answers by another one's model, if badly."""
    model = Spoiled(good.model, bad)
    return Servable(version, good.digest, good.contract, model, good.features, good.run_ns)


def _rows(feed: Mapping[str, Array]) -> Iterable[tuple[Array, ...]]:
    return zip(*feed.values(), strict=True)


def _is_disliked(row: tuple[Array, ...]) -> bool:
    """Whether an event is one of the half that a failing version fails on, alone or with others."""
    return bool(zlib.crc32(str([np.asarray(part).tolist() for part in row]).encode()) & 1)


def _shifted(answered: Array) -> Array:
    """Return numbers that are half as much again, and a little; texts stay."""
    if answered.dtype.kind == "f":
        return (answered * 1.5 + 0.25).astype(answered.dtype)
    if answered.dtype.kind in "iu":
        return answered + np.ones((), answered.dtype)
    return answered
