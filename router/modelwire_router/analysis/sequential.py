"""Tests that may be looked at after every window: what they prove, they prove at every look.

A proof is an e-value: a product that grows beyond 1/alpha with a chance of at most alpha, ever, as
long as the limit holds (Ville 1939). Likelihood ratios are mixed over a grid of alternatives
(Robbins 1970; the mSPRT of Johari, Koomen, Pekelis and Walsh, KDD 2017). Each function takes arrays
with any leading axes.
"""

import numpy as np

from modelwire_router.analysis.arithmetic import Array, Flags, Places, upto

_TIMES = np.array([1.1, 1.2, 1.35, 1.6, 2.0, 3.0, 5.0, 10.0, 30.0])
"""By how much the odds may exceed the limit; whatever they do, the nearest one finds it."""


TUNED = 250.0
"""The tests of shares and areas are sharpest at some times so many samples."""


DOZEN = 12
"""So many windows let their own spread be known."""


def proportion(hits: Array, events: Array, limit: float, *, up: bool) -> Array:
    """Return the log e-value that a proportion is above (`up`) or below a limit in [0, 1].

    `hits` of `events` are counted so far. Exact for chances that vary from event to event, as long
    as each of them keeps the limit.
    """
    times = _TIMES if up else 1 / _TIMES
    return _mixed([hits * np.log(t) - events * np.log1p(limit * (t - 1)) for t in times])


def rate(hits: Array, time: Array, limit: float, *, up: bool) -> Array:
    """Return the log e-value that events come faster (`up`) or slower than `limit` a unit."""
    times = _TIMES if up else 1 / _TIMES
    return _mixed([hits * np.log(t) - limit * time * (t - 1) for t in times])


def ratio(
    hits: tuple[Array, Array], events: tuple[Array, Array], limit: float, at: Places, *, up: bool
) -> Array:
    """Return the log e-value that a proportion is above (`up`) or below `limit` times another.

    `hits` and `events` are the candidate's and the stable side's by stratum (a window: the last
    axis); the answer is for the first `at` strata. Within a stratum the hits of both sides are
    divided as the events are while the limit holds (Lindon and Malek, "Anytime-valid inference for
    multinomial count data", NeurIPS 2022), so proportions may change from window to window, and
    shares may be as unequal as they like. Exact also for large proportions, since
    1 + x <= exp(x); a stratum in which one side has no events says nothing.
    """
    ours, theirs = events
    both = (ours > 0) & (theirs > 0)
    weight = np.where(both, limit * ours, 1.0)
    share = weight / (weight + np.where(both, theirs, 1.0))
    mine = np.where(both, hits[0], 0.0)
    total = mine + np.where(both, hits[1], 0.0)
    grid = _TIMES if up else 1 / _TIMES
    mixed = [upto(mine * np.log(t) - total * np.log1p(share * (t - 1)), at) for t in grid]
    return _mixed(mixed)


def spread(samples: Array, tuned: float, alpha: float) -> Array:
    """Return how many standard errors a mean may be off, one way, at any look.

    The one-sided normal mixture of Howard, Ramdas, McAuliffe and Sekhon ("Time-uniform,
    nonparametric, nonasymptotic confidence sequences", Annals of Statistics 2021), with estimated
    variances: an asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
    "Time-uniform central limit theory and asymptotic confidence sequences", Annals of Statistics
    2024). Narrowest some times `tuned` samples; infinite without samples.
    """
    some = np.maximum(samples, 1e-9)
    inside = np.sqrt(some / tuned + 1) / (2 * alpha) + 1
    return np.asarray(np.sqrt(2 * (1 + tuned / some) * np.log(inside)))


def steadily(excess: Array, counted: Flags, at: Places, alpha: float) -> Flags:
    """Return where an excess is proven by the windows alone, however events hang together in them.

    `excess` by stratum is taken as one sample each, with the variance between them; a dozen of
    strata have to be `counted` before anything is said.
    """
    windows = upto(counted.astype(np.float64), at)
    total, squares = upto(excess, at), upto(excess**2, at)
    variance = (squares - total**2 / np.maximum(windows, 1)) * windows / np.maximum(windows - 1, 1)
    error = np.sqrt(np.maximum(variance, 1e-12))
    return np.asarray((windows >= DOZEN) & (total / error > spread(windows, DOZEN / 2, alpha)))


def share_error(share: Array, samples: Array, alpha: float) -> Array:
    """Return how far a share may be off, one way, at any look; a share of nothing is unknown."""
    some = np.maximum(samples, 1.0)
    error = np.sqrt(np.maximum(share * (1 - share), 1 / some) / some)
    return np.where(samples > 0, error * spread(some, TUNED, alpha), 1.0)


def band(samples: Array, alpha: float) -> Array:
    """Return how far an empirical distribution may be off anywhere, at any look.

    Howard and Ramdas, "Sequential estimation of quantiles with applications to A/B testing and
    best-arm identification" (Bernoulli 2022), corollary 2; infinite without samples.
    """
    some = np.maximum(samples, 1.0)
    wide = 0.85 * np.sqrt((np.log(np.log(np.e * some)) + 0.8 * np.log(1612 / alpha)) / some)
    return np.where(samples > 0, wide, np.inf)


def _mixed(logs: list[Array]) -> Array:
    mixed: Array = np.logaddexp.reduce(logs, axis=0) - np.log(len(logs))
    return mixed
