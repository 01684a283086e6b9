"""Rollouts in virtual time end as they should, by the real decisions and the real analysis."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from modelwire_router.rollout.plan import (
    Analyse,
    Exposure,
    Hook,
    HookKind,
    Measure,
    Metric,
    Mirror,
    MovePartitions,
    OnFailure,
    Pause,
    Plan,
    Query,
    SetWeight,
    Template,
    Webhook,
)
from modelwire_router.simulation.behaviour import Behaviour
from modelwire_router.simulation.run import START, Case, Outcome, Run, play, tick
from modelwire_router.simulation.streams import Drawn, Recorded, moving
from modelwire_schemas.errors import Rejected
from modelwire_schemas.routing import BUCKETS, Shadow, Split, SplitBy

MINUTE = 60_000
GOOD = Behaviour(errors=0.001)
BAD = Behaviour(errors=0.005)


def metric(
    measure: Measure,
    *,
    most: float | None = None,
    least: float | None = None,
    relative: bool = True,
) -> Metric:
    return Metric("it", Query(measure), relative, most, least, min_samples=500)


ERRORS = replace(metric(Measure.ERROR_RATE, most=2.0), name="errors")


def canary(*metrics: Metric, route: str = "late") -> Plan:
    steps = (
        SetWeight(500),
        Analyse(("guards",), 5 * MINUTE),
        SetWeight(5000),
        Pause(MINUTE),
        SetWeight(BUCKETS),
    )
    return Plan(
        route,
        "late",
        "1",
        "2",
        "canary",
        Split(salt=route),
        steps,
        templates=(Template("guards", metrics or (ERRORS,)),),
        background=("guards",),
    )


def case(plan: Plan, candidate: Behaviour, rate: float = 2000.0) -> Case:
    return Case((plan,), GOOD, candidate, Drawn(moving((plan,))), rate)


def outcomes(case: Case, runs: int, seed: int = 1) -> Counter[Outcome]:
    return Counter(play(case, (seed, run)).outcome for run in range(runs))


def test_a_good_candidate_is_promoted_in_all_but_one_percent_of_runs() -> None:
    found = outcomes(case(canary(), GOOD), 200)
    assert found[Outcome.PROMOTED] >= 198, found


def test_five_times_as_many_errors_are_rolled_back_in_95_percent_of_runs_within_5_minutes() -> None:
    runs = [play(case(canary(), BAD), (2, run)) for run in range(100)]
    caught = [r for r in runs if r.outcome is Outcome.ROLLED_BACK and r.ms <= 5 * MINUTE]
    assert len(caught) >= 95
    assert {run.why for run in caught} == {("errors",)}


def test_the_same_seed_gives_the_same_run_and_another_one_another() -> None:
    played = case(
        canary(ERRORS, Metric("slow", Query(Measure.LATENCY), relative=True, most=1.2)), BAD
    )
    first, again, other = (play(played, seed) for seed in ((1, 7), (1, 7), (2, 7)))
    assert first == again != other


def test_a_candidate_gets_the_share_of_its_steps() -> None:
    run = play(case(canary(), GOOD), (1,))
    at_5, at_50 = 5 * MINUTE / 1000 * 2000 * 0.05, 60 * 2000 * 0.5
    assert run.ms == 6 * MINUTE
    assert run.exposed == pytest.approx(at_5 + at_50, rel=0.05)
    assert run.events == pytest.approx(6 * 60 * 2000, rel=0.01)


@pytest.mark.parametrize(
    ("judged", "bad"),
    [
        (metric(Measure.LATENCY, most=1.2), Behaviour(latency=1.5)),
        (metric(Measure.PSI, most=0.2, relative=False), Behaviour(shift=1.5)),
        (metric(Measure.KS, most=0.1, relative=False), Behaviour(shift=1.5)),
        (metric(Measure.LOG_LOSS, most=1.05), Behaviour(quality=0.5)),
        (metric(Measure.BRIER, most=1.05), Behaviour(quality=0.5)),
        (metric(Measure.AUC, least=0.95), Behaviour(quality=0.5)),
        (metric(Measure.CALIBRATION, most=0.1, relative=False), Behaviour(shift=1.5)),
        (metric(Measure.MAE, most=1.2), Behaviour(shift=1.5)),
        (metric(Measure.INPUT_DRIFT, most=0.2), Behaviour(inputs=1.0)),
        (metric(Measure.OUTLIERS, most=0.002, relative=False), Behaviour(inputs=2.0)),
    ],
    ids=[
        *("latency", "psi", "ks", "log loss", "brier", "auc", "calibration", "mae"),
        *("input drift", "outliers"),
    ],
)
def test_each_measure_lets_a_good_one_go_on_and_takes_a_bad_one_back(
    judged: Metric, bad: Behaviour
) -> None:
    good, caught = (play(case(canary(judged), one), (1,)) for one in (GOOD, bad))
    assert good.outcome is Outcome.PROMOTED
    assert (caught.outcome, caught.why) == (Outcome.ROLLED_BACK, ("it",))


def test_a_rate_of_events_is_as_planned() -> None:
    rate = metric(Measure.EVENT_RATE, least=0.5)
    assert play(case(canary(rate), GOOD), (1,)).outcome is Outcome.PROMOTED


@pytest.mark.parametrize(
    ("judged", "bad"),
    [
        (metric(Measure.DISAGREEMENT, most=0.05, relative=False), Behaviour(changed=0.2)),
        (metric(Measure.MEAN_DIFFERENCE, most=0.05, relative=False), Behaviour(shift=1.5)),
    ],
    ids=["disagreement", "mean difference"],
)
def test_a_shadow_is_judged_by_its_pairs_and_answers_nothing(
    judged: Metric, bad: Behaviour
) -> None:
    steps = (Mirror(Shadow("2", 2000, "shadow-2")), Analyse(("guards",), 5 * MINUTE))
    plan = replace(canary(judged), steps=steps, background=())
    good, caught = (play(case(plan, one), (1,)) for one in (GOOD, bad))
    assert (good.outcome, good.exposed) == (Outcome.COMPLETED, 0)
    assert (caught.outcome, caught.why) == (Outcome.ROLLED_BACK, ("it",))


def test_partitions_move_in_their_shares() -> None:
    split = Split(SplitBy.PARTITION)
    moves = [MovePartitions((("flights", first), ("flights", first + 1))) for first in (0, 2)]
    steps = (moves[0], Pause(10 * MINUTE), moves[1])
    plan = replace(canary(), steps=steps, split=split, background=())
    run = play(case(plan, GOOD), (1,))
    assert run.outcome is Outcome.PROMOTED
    assert run.exposed / run.events == pytest.approx(0.5, abs=0.01)


def test_nothing_moves_before_the_fleet_is_warm_and_a_deadline_takes_it_back() -> None:
    late = replace(case(canary(), GOOD), ready_after=3 * MINUTE)
    assert play(late, (1,)).ms == 9 * MINUTE
    never = replace(late, ready_after=60 * MINUTE)
    run = play(never, (1,))
    assert (run.outcome, run.why, run.exposed) == (Outcome.ROLLED_BACK, ("readiness",), 0)


def test_an_operator_ends_a_pause_that_has_no_end() -> None:
    plan = replace(canary(), steps=(SetWeight(500), Pause(), SetWeight(BUCKETS)))
    run = play(replace(case(plan, GOOD), operator_after=7 * MINUTE), (1,))
    assert (run.outcome, run.ms) == (Outcome.PROMOTED, 7 * MINUTE)


def test_hooks_agree_and_what_others_measure_keeps_its_limits() -> None:
    asked = Metric("asked", Webhook("http://quality.example"), most=0.02)
    hook = Hook(HookKind.CONFIRM_PROMOTION, "http://gate.example")
    plan = replace(canary(asked, ERRORS), hooks=(hook,))
    assert play(case(plan, GOOD), (1,)).outcome is Outcome.PROMOTED


def test_a_plan_that_only_pauses_is_paused_by_a_failure() -> None:
    plan = replace(canary(), on_failure=OnFailure.PAUSE)
    run = play(case(plan, BAD), (1,))
    assert (run.outcome, run.why) == (Outcome.PAUSED, ("errors",))


def test_a_run_ends_undecided_when_its_time_is_over() -> None:
    plan = replace(canary(), steps=(SetWeight(500), Pause(100 * MINUTE)), background=())
    run = play(replace(case(plan, GOOD), at_most=10 * MINUTE), (1,))
    assert (run.outcome, run.ms) == (Outcome.UNDECIDED, 10 * MINUTE)


def test_routes_that_begin_together_go_back_together() -> None:
    plans = (canary(), replace(canary(), route="later", split=Split(salt="later")))
    run = play(Case(plans, GOOD, BAD, Drawn(), 2000.0), (1,))
    assert run.outcome is Outcome.ROLLED_BACK


def test_a_plan_that_the_fold_would_refuse_is_refused() -> None:
    wrong = replace(canary(), steps=(SetWeight(BUCKETS + 1),))
    with pytest.raises(Rejected) as refused:
        play(case(wrong, GOOD), (1,))
    assert refused.value.code == "E_WEIGHTS"


def test_recorded_keys_decide_whom_events_go_to() -> None:
    keys: Sequence[object] = [b"N1"] * 90 + [b"N2"] * 10
    rows = [{"tailnum": key} for key in keys]
    plan = replace(canary(), background=(), steps=(SetWeight(5000), Pause(MINUTE)))
    runs: list[Run] = []
    for salt in range(8):
        salted = replace(plan, split=Split(salt=str(salt)))
        played = replace(case(salted, GOOD, 100.0), stream=Recorded(keys, rows))
        runs.append(play(played, (1,)))
    shares = {round(run.exposed / run.events, 1) for run in runs}
    assert shares <= {0.0, 0.1, 0.9, 1.0}
    assert len(shares) > 1


def test_windows_begin_at_a_multiple_of_every_span() -> None:
    assert START % (3600 * 1000) == 0


@pytest.mark.parametrize(
    ("intervals", "expected"), [((), 60_000), ((30_000, 45_000), 15_000), ((7, 30_000), 1000)]
)
def test_windows_are_as_long_as_intervals_have_in_common(
    intervals: tuple[int, ...], expected: int
) -> None:
    metrics = tuple(replace(ERRORS, interval=interval) for interval in intervals)
    plan = replace(canary(), templates=(Template("guards", metrics),))
    assert tick((plan,)) == expected


SHADOWS = (Shadow("1", salt="shadow-1"),)
BUDGET = replace(
    canary(),
    steps=(Mirror(Shadow("2")), Exposure(120, "late", 5000, 0.5, 180 * MINUTE), SetWeight(BUCKETS)),
    shadows=SHADOWS,
    background=(),
)
KEYS = [f"N{number}" for number in range(2000)]


@pytest.mark.parametrize(
    "stream", [Drawn(), Recorded(KEYS, [{} for _ in KEYS])], ids=["drawn", "recorded"]
)
def test_a_budget_adapts_the_share_to_how_much_a_candidate_changes(
    stream: Drawn | Recorded,
) -> None:
    found = {
        changed: play(Case((BUDGET,), GOOD, replace(GOOD, changed=changed), stream, 1.4), (1,))
        for changed in (0.05, 0.2, 0.0)
    }
    assert {run.outcome for run in found.values()} == {Outcome.PROMOTED}
    last = {changed: run.weights[-2][1] for changed, run in found.items()}
    assert last[0.0] == BUDGET.steps[1].weight  # type: ignore[union-attr]
    assert 2.5 < last[0.05] / last[0.2] < 6
    for changed, run in found.items():
        assert run.exposed * changed <= 3 * 120
        assert len(run.weights) < 25
    assert found[0.2].exposed > 300


def test_each_route_of_a_rollout_has_a_budget_of_its_own() -> None:
    tight = replace(
        BUDGET,
        route="other",
        split=Split(salt="other"),
        steps=(BUDGET.steps[0], Exposure(1, "late", 5000, 0.5, 180 * MINUTE), BUDGET.steps[2]),
    )
    found = play(Case((BUDGET, tight), GOOD, replace(GOOD, changed=0.2), Drawn(), 1.4), (1,))
    assert 500 < found.weights[-2][1] < 2000
    assert found.outcome is Outcome.PROMOTED
