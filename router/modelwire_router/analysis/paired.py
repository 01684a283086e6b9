"""Paired shadow differences: what both versions say of the same events."""

from dataclasses import dataclass

import numpy as np

from modelwire_router.analysis.arithmetic import Array, Flags, Places, divide, upto
from modelwire_router.analysis.means import enough, outwards, tuned, variance
from modelwire_router.analysis.measured import Measured, differs, is_relative, proven
from modelwire_router.analysis.sequential import spread
from modelwire_router.analysis.strata import Sums
from modelwire_router.rollout.plan import Metric
from modelwire_schemas.telemetry import Moments


@dataclass(frozen=True, slots=True)
class Paired:
    """A shadow's values, the live ones of the same events, and their differences."""

    difference: Sums
    live: Sums
    shadow: Sums


def paired(metric: Metric, pairs: Paired, at: Places, alpha: float) -> Measured:
    """Measure the mean of shadow minus live; relative: the shadow's mean over the live one.

    What an event adds to both of its outputs cancels, so a difference is found in fewer events
    than two samples need: at correlation c, in (1 - c) / 2 times those of two equal arms together.
    """
    count = upto(pairs.difference.count, at)
    live = divide(upto(pairs.live.count * pairs.live.mean, at), upto(pairs.live.count, at))
    shift = divide(upto(pairs.difference.count * pairs.difference.mean, at), count)
    spreads = [variance(part, at) for part in (pairs.difference, pairs.live, pairs.shadow)]

    def compared(limit: float, up: bool, level: float) -> Flags:  # noqa: FBT001
        between, of_live, of_shadow = spreads
        times = 1 + (limit - 1) * np.sign(live)  # see `bound`
        # Var(shadow - times * live), the covariance taken from the variance of the difference
        spread_out = (1 - times) * of_shadow + (times**2 - times) * of_live + times * between
        return beyond(shift + (1 - times) * live, spread_out, level, up=up)

    def limited(limit: float, up: bool, level: float) -> Flags:  # noqa: FBT001
        return beyond(shift - limit, spreads[0], level, up=up)

    def beyond(mean: Array, of_one: Array, level: float, *, up: bool) -> Flags:
        off = divide(mean, np.sqrt(divide(np.maximum(of_one, 0.0), count)))
        return outwards(off, up=up) > spread(count, tuned(metric), level)

    relative = is_relative(metric)
    return Measured(
        live + shift if relative else shift,
        live,
        count,
        count,
        proven(metric, alpha, compared if relative else limited),
        differs(metric, alpha, compared) & enough(metric, count, count),
    )


def lies_within(moments: Moments, alpha: float) -> tuple[float | None, float | None]:
    """Return between which two values a mean lies; None while nothing is known of its spread.

    It is the confidence sequence that `paired` tests with, tuned to as many samples as there are.
    """
    if moments.count <= 1:
        return None, None
    samples = float(moments.count)
    error = (moments.squares / (samples - 1) / samples) ** 0.5
    off = error * float(spread(np.asarray(samples), samples / 4, alpha / 2))
    return moments.mean - off, moments.mean + off
