"""Measures against a second opinion (scipy), and tests against exact chances."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from modelwire_router.analysis import sequential
from modelwire_router.analysis.arithmetic import Array
from modelwire_router.analysis.counts import quantiles
from modelwire_router.analysis.drift import concurrent, drift
from modelwire_router.analysis.means import means
from modelwire_router.analysis.quality import scores
from modelwire_router.analysis.strata import Bins, Sums, bins
from modelwire_router.rollout.plan import Measure, Metric, Query
from modelwire_schemas.telemetry import Sketch, bounds
from tests.router.analysis.made import sketch

ONE = np.array([1])
LEVEL = 0.002


def metric(measure: Measure, most: float = 0.1) -> Metric:
    return Metric("m", Query(measure), most=most)


def table(ours: Array, theirs: Array) -> Bins:
    return bins([sketch(ours.tolist())], [sketch(theirs.tolist())])


def _number(said: object) -> float:
    """Return what an untyped library says as a number."""
    return float(str(said))


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("chance", [0.001, 0.02, 0.4])
def test_a_proportion_that_is_its_limit_has_an_e_value_of_one_on_average(
    chance: float,
    up: bool,  # noqa: FBT001
) -> None:
    hits = np.arange(0.0, 201.0)
    likely = stats.binom.pmf(hits, 200, chance)
    e_values = np.exp(sequential.proportion(hits, np.full(201, 200.0), chance, up=up))
    assert np.isclose((likely * e_values).sum(), 1.0)


@given(st.floats(0.0005, 0.7), st.floats(0.5, 1.4), st.integers(1, 60), st.integers(1, 60))
@settings(max_examples=60)
def test_a_ratio_that_keeps_its_limit_has_an_e_value_of_at_most_one_on_average(
    base: float, limit: float, n: int, m: int
) -> None:
    ours, theirs = np.meshgrid(np.arange(n + 1.0), np.arange(m + 1.0), indexing="ij")
    likely = stats.binom.pmf(ours, n, min(base * limit, 1.0)) * stats.binom.pmf(theirs, m, base)
    hits = ours[..., None], theirs[..., None]
    events = np.full(hits[0].shape, float(n)), np.full(hits[0].shape, float(m))
    for up in (True, False) if base * limit <= 1 else (False,):
        log_e = sequential.ratio(hits, events, limit, ONE, up=up)[..., 0]
        assert (likely * np.exp(log_e)).sum() <= 1 + 1e-9


def test_a_rate_that_is_its_limit_has_an_e_value_of_one_on_average() -> None:
    hits = np.arange(0.0, 400.0)
    likely = stats.poisson.pmf(hits, 50)
    e_values = np.exp(sequential.rate(hits, np.full(400, 10.0), 5.0, up=False))
    assert np.isclose((likely * e_values).sum(), 1.0)


def test_latency_of_batches_that_share_their_time_blames_nobody() -> None:
    chance = np.random.default_rng(5)
    low, high = np.array([bounds(4_600 + place) for place in range(12)]).T
    shape = np.exp(-0.4 * np.arange(12))
    shape /= shape.sum()
    ours, theirs = (100 * chance.multinomial(n, shape, (600, 60)).astype(float) for n in (5, 95))
    relative = Metric("p99", Query(Measure.LATENCY), relative=True, most=1.0)
    found = quantiles(relative, Bins(low, high, ours, theirs), 0.99, np.arange(1, 61), LEVEL)
    assert found.beyond.any(-1).mean() <= 0.01


def long_tailed(chance: np.random.Generator, runs: int, windows: int, events: int) -> Sums:
    """Return moments of log-normal values, of which one in a hundred has half of the sum."""
    values = chance.lognormal(0, 2, (runs, windows, events))
    mean = values.mean(-1)
    return Sums(np.full((runs, windows), float(events)), mean, values.var(-1) * events)


@pytest.mark.parametrize(("ours", "theirs"), [(990, 10), (10, 990)])
def test_means_of_few_values_with_a_long_tail_blame_nobody(ours: int, theirs: int) -> None:
    chance = np.random.default_rng(6)
    mine, others = (long_tailed(chance, 200, 60, events) for events in (ours, theirs))
    most, least = (1.0, None) if ours > theirs else (None, 1.0)
    loss = Metric("loss", Query(Measure.LOG_LOSS), relative=True, most=most, least=least)
    found = means(loss, mine, others, np.arange(30, 61), LEVEL)
    assert found.beyond.any(-1).mean() <= 0.01


@pytest.mark.parametrize("relative", [True, False])
def test_an_area_of_few_positives_blames_nobody(*, relative: bool) -> None:
    chance = np.random.default_rng(7)
    low, high = np.array([bounds(4_000 + place) for place in range(12)]).T
    rank = np.arange(1.0, 13.0)

    def drawn(shape: Array) -> Bins:
        ours, theirs = (chance.poisson(n * shape, (500, 60, 12)) for n in (50, 450))
        return Bins(low, high, ours.astype(float), theirs.astype(float))

    area = Metric("auc", Query(Measure.AUC), relative=relative, least=1.0 if relative else 0.65)
    at = np.arange(20, 61)
    positives, negatives = drawn(rank / rank.sum() * 0.002), drawn(np.full(12, 0.998 / 12))
    found = scores(area, positives, negatives, at, LEVEL, Measure.AUC)
    assert found.beyond.any(-1).mean() <= 0.01


def test_a_quantile_is_known_within_a_bin() -> None:
    values = np.random.default_rng(1).lognormal(9, 0.7, 50_000)
    for quantile in (0.5, 0.95, 0.99):
        found = quantiles(
            metric(Measure.LATENCY), table(values, values), quantile, ONE, LEVEL
        ).value[0]
        assert abs(found / np.quantile(values, quantile) - 1) < 0.035


def test_ks_is_scipys_within_a_bin() -> None:
    chance = np.random.default_rng(2)
    ours, theirs = chance.normal(0.3, 1, 4_000), chance.normal(0, 1, 30_000)
    held = concurrent(table(ours, theirs), ONE)
    found = drift(metric(Measure.KS), held, LEVEL, Measure.KS).value[0]
    assert abs(found - _number(stats.ks_2samp(ours, theirs)[0])) < 0.02


def test_psi_of_a_shifted_normal_is_near_its_square() -> None:
    chance = np.random.default_rng(3)
    ours, theirs = chance.normal(0.5, 1, 40_000), chance.normal(0, 1, 40_000)
    held = concurrent(table(ours, theirs), ONE)
    found = drift(metric(Measure.PSI), held, LEVEL, Measure.PSI).value[0]
    assert 0.2 < found < 0.27  # 0.25 for the densities, less what deciles hide


def test_auc_is_the_share_of_pairs_won_within_a_bin() -> None:
    chance = np.random.default_rng(4)
    real = chance.random(4_000)
    label = chance.random(4_000) < real
    both = bins([sketch(real[label].tolist()), sketch(real[~label].tolist())], [Sketch(), Sketch()])
    ours, theirs = both.candidate, both.stable
    positives = Bins(both.low, both.high, ours[:1], theirs[:1])
    negatives = Bins(both.low, both.high, ours[1:], theirs[1:])
    found = scores(metric(Measure.AUC), positives, negatives, ONE, LEVEL, Measure.AUC)
    won = (real[label][:, None] > real[~label]).mean()
    assert abs(found.value[0] - won) < 0.003


def test_a_table_is_of_the_sketches_that_were_asked_for_whatever_was_asked_before() -> None:
    for number in range(1, 200):
        table = bins([sketch([float(number)] * number)], [Sketch()])
        assert (table.low <= number).all()
        assert (number <= table.high).all()
        assert table.candidate.tolist() == [[number]]
