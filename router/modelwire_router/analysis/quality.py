"""Quality of scores by the labels that came: the area under the ROC curve, and calibration."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from modelwire_router.analysis.arithmetic import Array, Flags, Places, matching, summed, upto
from modelwire_router.analysis.measured import Known, Measured, differs, is_relative, proven
from modelwire_router.analysis.sequential import TUNED, share_error, spread
from modelwire_router.analysis.strata import Bins
from modelwire_router.rollout.plan import Measure, Metric

TENTHS = 10
"""Calibration is taken over so many ranges of the score, which is 0 to 1."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Weighted scores of either label by look and bin, (..., looks, bins), and each bin's middle.

    `squares` are the sums of squared weights of positives and negatives: what one score is worth.
    """

    positives: Array
    negatives: Array
    squares: tuple[Array, Array]
    middle: Array


def scores(
    metric: Metric, positives: Bins, negatives: Bins, at: Places, alpha: float, measure: Measure
) -> Measured:
    """Measure AUC or calibration of the scores of either label, of both sides.

    Stable's labels are weighted as the candidate's come, stratum by stratum: hours differ in both,
    and where the candidate's share grows it has more of the later ones.
    """
    known = _auc if measure is Measure.AUC else _calibration
    middle = (positives.low + positives.high) / 2
    n, m = ((p + q).sum(-1) for p, q in zip(halves(positives), halves(negatives), strict=True))
    scale = matching(n, m)

    def held(side: int, weight: Array) -> Labels:
        tables = [halves(one)[side] * weight[..., None] for one in (positives, negatives)]
        p, q = (summed(table, at) for table in tables)
        p_squared, q_squared = (summed(table * weight[..., None], at) for table in tables)
        return Labels(p, q, (p_squared, q_squared), middle)

    relative = is_relative(metric)
    ours, theirs = known(held(0, (scale > 0).astype(np.float64))), known(held(1, scale))
    alone = ours if relative else known(held(0, np.ones_like(n)))

    def compared(limit: float, up: bool, level: float) -> Flags:  # noqa: FBT001
        mine, other = ours(level / 2), theirs(level / 2)
        return mine.low > limit * other.high if up else mine.high < limit * other.low

    def limited(limit: float, up: bool, level: float) -> Flags:  # noqa: FBT001
        found = alone(level)
        return found.low > limit if up else found.high < limit

    return Measured(
        alone(alpha).value,
        theirs(alpha).value,
        upto(n, at),
        upto(m, at),
        proven(metric, alpha, compared if relative else limited),
        differs(metric, alpha, compared),
    )


def halves(table: Bins) -> tuple[Array, Array]:
    """Return both sides of a table."""
    return table.candidate, table.stable


def _worth(count: Array, squares: Array) -> Array:
    """Return as many scores as would be known as well if all weighed the same."""
    return np.divide(count**2, squares, where=squares > 0, out=np.zeros_like(count))


def _auc(labels: Labels) -> Callable[[float], Known]:
    """Return how well the area under the ROC curve is known, by level.

    Its error is that of DeLong, DeLong and Clarke-Pearson (Biometrics 1988). The label that came
    less often says how much is known; a few of it, all ranked alike, are not taken to be sure.
    """
    positives, negatives = labels.positives, labels.negatives
    p, n = positives.sum(-1), negatives.sum(-1)
    worth_p, worth_n = (_worth(c, s.sum(-1)) for c, s in zip((p, n), labels.squares, strict=True))
    wins = np.cumsum(negatives, -1) - negatives / 2
    losses = np.cumsum(positives, -1) - positives / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        by_positive, by_negative = wins / n[..., None], 1 - losses / p[..., None]
        area = (positives * by_positive).sum(-1) / p
        spread_p = (labels.squares[0] * (by_positive - area[..., None]) ** 2).sum(-1) / p**2
        spread_n = (labels.squares[1] * (by_negative - area[..., None]) ** 2).sum(-1) / n**2
        error = np.sqrt(np.maximum(spread_p, worth_p**-2.0) + np.maximum(spread_n, worth_n**-2.0))
        known = worth_p * worth_n / (worth_p + worth_n)

    def within(alpha: float) -> Known:
        off = np.nan_to_num(error * spread(known, TUNED, alpha / 2), nan=np.inf)
        return Known(area, np.nan_to_num(area - off), np.nan_to_num(area + off, nan=1.0))

    return within


def _calibration(labels: Labels) -> Callable[[float], Known]:
    """Return how well the expected calibration error is known, by level.

    It is |share of positives - mean score|, over tenths.
    """
    tenth = np.clip((labels.middle * TENTHS).astype(np.intp), 0, TENTHS - 1)
    member = np.eye(TENTHS)[tenth]
    both = labels.positives + labels.negatives
    count = both @ member
    total = count.sum(-1, keepdims=True)
    some = np.where(count > 0, count, 1.0)
    share = labels.positives @ member / some
    apart = np.abs(share - (both * labels.middle) @ member / some)
    worth = _worth(count, (labels.squares[0] + labels.squares[1]) @ member)
    weight = count / np.where(total > 0, total, 1.0)
    value = np.where(total[..., 0] > 0, (weight * apart).sum(-1), np.nan)

    def within(alpha: float) -> Known:
        off = share_error(share, worth, alpha / (2 * TENTHS))
        low = (weight * np.maximum(apart - off, 0.0)).sum(-1)
        return Known(value, low, (weight * np.minimum(apart + off, 1.0)).sum(-1))

    return within
