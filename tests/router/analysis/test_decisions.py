"""Small runs of benchmarks/decisions: fixed seeds, bounds that a tenfold alpha breaks."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.decisions.experiments import arms, detection, ratios, rollbacks
from benchmarks.decisions.judging import judged, template
from benchmarks.decisions.streams import FIRST_LATENCY, FIRST_SCORE, Streams, simulate
from modelwire_router.analysis.assess import ALPHA, judge
from modelwire_router.analysis.evidence import Evidence, Side
from modelwire_router.analysis.measured import JUDGEMENTS
from modelwire_router.analysis.srm import mismatch
from modelwire_router.analysis.strata import Bins, Sums
from modelwire_schemas.rollout import Judgement
from modelwire_schemas.telemetry import Bin, Moments, Outcome, Output, Pair, Role, Sketch, Window
from tests.router.analysis.made import SPAN, T0, window

MOST = 0.005
"""Of 1,000 good candidates about 2 fail; at ten times the level about 14."""


@pytest.mark.timeout(120)
def test_good_candidates_are_hardly_ever_taken_back_though_limits_are_stables_own() -> None:
    assert rollbacks(1_000, slack=0.0, seed=11).together[-1] <= MOST


@pytest.mark.timeout(120)
def test_the_bound_on_false_rollbacks_would_notice_a_tenfold_alpha() -> None:
    assert rollbacks(1_000, slack=0.0, seed=11, alpha=10 * ALPHA).together[-1] > MOST


def test_a_rise_of_errors_is_found_within_five_minutes() -> None:
    seconds = detection(300, slack=0.2, seed=12)
    assert (seconds <= 300).mean() >= 0.95
    assert np.median(seconds) <= 60


def test_pairs_need_at_most_two_sevenths_of_the_samples_of_two_equal_arms() -> None:
    found = arms(600, seed=13)
    assert np.median(found.equal) >= 3.5 * np.median(found.paired)
    assert np.median(found.unequal) >= 1.5 * np.median(found.paired)


def test_a_sample_ratio_of_49_to_51_is_found_within_100_000_events() -> None:
    assert np.isfinite(ratios(500, planned=0.5, real=0.49, seed=14)).mean() >= 0.95


@pytest.mark.parametrize("share", [0.5, 0.05])
def test_a_sample_ratio_as_planned_gives_no_alarm(share: float) -> None:
    assert np.isfinite(ratios(2_000, planned=share, real=share, seed=15)).mean() <= 0.001


def test_a_sample_ratio_may_follow_a_plan_that_changes() -> None:
    total = np.full(60, 20_000.0)
    planned = np.repeat([0.01, 0.05, 0.25], 20)
    ours = np.random.default_rng(16).binomial(20_000, planned).astype(np.float64)
    assert mismatch(ours, total, planned)[-1] < 0
    assert mismatch(ours, total, np.flip(planned)).max() > 100


def sketched(table: Bins, side: str, place: int, first: int) -> Sketch:
    counts = getattr(table, side)[0, place]
    bins = tuple(Bin(first + i, int(count)) for i, count in enumerate(counts) if count)
    return Sketch(Moments(int(counts.sum()), 1.0, 1.0), bins)


def moments(sums: Sums, place: int) -> Moments:
    return Moments(
        int(sums.count[0, place]), float(sums.mean[0, place]), float(sums.squares[0, place])
    )


def reported(streams: Streams, place: int, version: str) -> Window:
    """Return the first simulated rollout's window as consumers would report it."""
    at = 0 if version == "2" else 1
    side = "candidate" if version == "2" else "stable"
    plain = window(
        version,
        place,
        events=int(streams.errors.events[at][0, place]),
        errors=int(streams.errors.hits[at][0, place]),
        latency=sketched(streams.latency, side, place, FIRST_LATENCY),
        outputs=(Output("score", sketched(streams.score, side, place, FIRST_SCORE)),),
    )
    return replace(plain, outcomes=(Outcome("score", log_loss=moments(streams.loss[at], place)),))


def shadowed(streams: Streams, place: int) -> Window:
    parts = streams.pairs
    between, live, shadow = (
        Sketch(moments(part, place)) for part in (parts.difference, parts.live, parts.shadow)
    )
    pair = Pair("score", "1", between, live, shadow)
    return replace(window("2", place, role=Role.SHADOW), pairs=(pair,))


@pytest.mark.parametrize("worse", [1.0, 5.0])
def test_simulated_rollouts_are_judged_as_the_controller_judges(worse: float) -> None:
    streams = simulate(np.random.default_rng(17), 1, np.full(30, 0.05), worse, swing=0.5)
    guardrails = template(0.2)
    windows = [reported(streams, place, version) for version in "12" for place in range(30)]
    windows += [shadowed(streams, place) for place in range(30)]
    now = T0 + 30 * SPAN
    evidence = Evidence(tuple(windows), heard=now)
    found = judge(guardrails, Side("2"), Side("1"), evidence, T0, now)
    codes = judged(guardrails, streams)
    for metric, looks in zip(guardrails.metrics, found, strict=True):
        simulated = [JUDGEMENTS[int(code)] for code in codes[metric.name][0]]
        assert [look.judgement for look in looks] == simulated, metric.name
    assert (Judgement.FAIL in {look.judgement for look in found[0]}) == (worse > 1)
