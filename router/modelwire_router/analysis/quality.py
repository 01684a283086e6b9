"""Quality of scores by the labels that came: the area under the ROC curve, and calibration."""

from dataclasses import dataclass

import numpy as np

from modelwire_router.analysis.arithmetic import Array, Flags, Places, summed
from modelwire_router.analysis.measured import Known, Measured, differs, is_relative, proven
from modelwire_router.analysis.sequential import TUNED, share_error, spread
from modelwire_router.analysis.strata import Bins
from modelwire_router.rollout.plan import Measure, Metric

TENTHS = 10
"""Calibration is taken over so many ranges of the score, which is 0 to 1."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Scores of either label by look and bin, (..., looks, bins), and the middle of each bin."""

    positives: Array
    negatives: Array
    middle: Array

    @property
    def count(self) -> Array:
        """How many labels each look has."""
        total: Array = self.positives.sum(-1) + self.negatives.sum(-1)
        return total


def scores(
    metric: Metric, positives: Bins, negatives: Bins, at: Places, alpha: float, measure: Measure
) -> Measured:
    """Measure AUC or calibration of the scores of either label, of both sides."""
    take = _auc if measure is Measure.AUC else _calibration
    middle = (positives.low + positives.high) / 2
    ours = Labels(summed(positives.candidate, at), summed(negatives.candidate, at), middle)
    theirs = Labels(summed(positives.stable, at), summed(negatives.stable, at), middle)

    def compared(limit: float, up: bool, level: float) -> Flags:  # noqa: FBT001
        mine, other = take(ours, level / 2), take(theirs, level / 2)
        return mine.low > limit * other.high if up else mine.high < limit * other.low

    def limited(limit: float, up: bool, level: float) -> Flags:  # noqa: FBT001
        known = take(ours, level)
        return known.low > limit if up else known.high < limit

    return Measured(
        take(ours, alpha).value,
        take(theirs, alpha).value,
        ours.count,
        theirs.count,
        proven(metric, alpha, compared if is_relative(metric) else limited),
        differs(metric, alpha, compared),
    )


def _auc(labels: Labels, alpha: float) -> Known:
    """Return the area under the ROC curve, its error by DeLong, DeLong and Clarke-Pearson 1988."""
    positives, negatives = labels.positives, labels.negatives
    p, n = positives.sum(-1), negatives.sum(-1)
    wins = np.cumsum(negatives, -1) - negatives / 2
    losses = np.cumsum(positives, -1) - positives / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        by_positive, by_negative = wins / n[..., None], 1 - losses / p[..., None]
        area = (positives * by_positive).sum(-1) / p
        spread_p = (positives * (by_positive - area[..., None]) ** 2).sum(-1) / p
        spread_n = (negatives * (by_negative - area[..., None]) ** 2).sum(-1) / n
        error = np.sqrt(spread_p / p + spread_n / n)
    off = np.nan_to_num(error * spread(p + n, TUNED, alpha / 2), nan=np.inf)
    return Known(area, np.nan_to_num(area - off), np.nan_to_num(area + off, nan=1.0))


def _calibration(labels: Labels, alpha: float) -> Known:
    """Return the expected calibration error: |share of positives - mean score|, over tenths."""
    tenth = np.clip((labels.middle * TENTHS).astype(np.intp), 0, TENTHS - 1)
    member = np.eye(TENTHS)[tenth]
    both = labels.positives + labels.negatives
    count = both @ member
    total = count.sum(-1, keepdims=True)
    some = np.maximum(count, 1.0)
    share = labels.positives @ member / some
    apart = np.abs(share - (both * labels.middle) @ member / some)
    off = share_error(share, count, alpha / (2 * TENTHS))
    weight = count / np.maximum(total, 1.0)
    value = np.where(total[..., 0] > 0, (weight * apart).sum(-1), np.nan)
    low = (weight * np.maximum(apart - off, 0.0)).sum(-1)
    return Known(value, low, (weight * np.minimum(apart + off, 1.0)).sum(-1))
