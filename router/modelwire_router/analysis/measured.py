"""What was measured at each look, and the judgement that it comes to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from modelwire_router.analysis.arithmetic import Array, Flags
from modelwire_router.rollout.plan import OF_OUTPUTS, OF_PAIRS, Measure, Metric
from modelwire_schemas.rollout import Judgement

Codes: TypeAlias = npt.NDArray[np.int8]

JUDGEMENTS = tuple(Judgement)
"""What a code stands for: the place of a judgement here."""

_COMPARING = OF_OUTPUTS | {Measure.INPUT_DRIFT}
WITHOUT_RATIO = _COMPARING | {Measure.DISAGREEMENT}
"""What compares anyway, so that its limits are never multiples."""

Proof: TypeAlias = Callable[[float, bool, float], Flags]
"""Whether it is proven, for a limit, upwards or downwards, at a level, that the limit is broken."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Arrays over looks, with any leading axes.

    `beyond` is where it is proven that the limit is broken, `worse` where it is proven that the
    candidate differs that way from the stable side. What is `exact` is proven before min_samples.
    `of` names what was measured at each look, where there may be several.
    """

    value: Array
    reference: Array
    samples: Array
    reference_samples: Array
    beyond: Flags
    worse: Flags
    exact: bool = False
    of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """A measure and how far it may be off, by look."""

    value: Array
    low: Array
    high: Array


def is_relative(metric: Metric) -> bool:
    """Whether the limits are multiples of the stable value; drift compares anyway."""
    of = metric.measure
    return metric.relative and of is not None and of not in WITHOUT_RATIO


def is_compared(metric: Metric) -> bool:
    """Whether it is held against the stable version's events of the same time."""
    return is_relative(metric) or metric.measure in OF_OUTPUTS | OF_PAIRS


def proven(metric: Metric, alpha: float, proof: Proof) -> Flags:
    """Return where a limit is proven to be broken; two limits share the level."""
    limits = [(metric.most, True), (metric.least, False)]
    given = [(limit, up) for limit, up in limits if limit is not None]
    broken = [proof(limit, up, alpha / len(given)) for limit, up in given]
    return np.logical_or.reduce(broken) if broken else np.asarray(False)  # noqa: FBT003


def differs(metric: Metric, alpha: float, proof: Proof) -> Flags:
    """Return where it is proven, limit or not, that the sides differ in a limited direction."""
    ways = [up for limit, up in ((metric.most, True), (metric.least, False)) if limit is not None]
    found = [proof(1.0, up, alpha / len(ways)) for up in ways]
    return np.logical_or.reduce(found) if found else np.asarray(False)  # noqa: FBT003


def within(metric: Metric, value: Array, reference: Array) -> Flags:
    """Return where a value keeps both limits; NaN keeps none."""
    kept = np.isfinite(value) & (np.isfinite(reference) | (not is_relative(metric)))
    if metric.most is not None:
        kept &= value <= bound(metric, metric.most, reference)
    if metric.least is not None:
        kept &= value >= bound(metric, metric.least, reference)
    return np.asarray(kept)


def bound(metric: Metric, limit: float, reference: Array) -> Array:
    """Return the value that a limit stands for; a fifth more than -5 is -4."""
    if not is_relative(metric):
        return np.asarray(limit)
    return np.asarray(reference + (limit - 1) * np.abs(reference))


def verdicts(metric: Metric, measured: Measured, lacking: Flags) -> Codes:
    """Return the judgement of each look, as its place in JUDGEMENTS.

    `fail`: proven to be beyond the limit. `pass`: within, with enough samples. Beyond but not
    proven is `inconclusive` where the candidate is proven to be worse than stable, and `too_few`
    where that, too, may be chance. `lacking` marks looks whose numbers cannot be used: `no_data`.
    """
    compares = is_relative(metric) or metric.measure in _COMPARING
    enough = measured.samples >= metric.min_samples
    if compares:
        enough &= measured.reference_samples >= metric.min_samples
    kept = within(metric, measured.value, measured.reference)
    broken = measured.beyond & ~kept & (enough | measured.exact)
    conditions = [lacking, broken, ~enough, kept, measured.worse]
    answers = [Judgement.NO_DATA, Judgement.FAIL, Judgement.TOO_FEW, Judgement.PASS,
               Judgement.INCONCLUSIVE]  # fmt: skip
    codes = [np.int8(JUDGEMENTS.index(answer)) for answer in answers]
    default = np.int8(JUDGEMENTS.index(Judgement.TOO_FEW))
    shape = np.shape(kept)
    chosen = np.select([np.broadcast_to(c, shape) for c in conditions], codes, default)
    return np.asarray(chosen, dtype=np.int8)
