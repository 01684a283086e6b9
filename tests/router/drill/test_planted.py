"""What a drill makes of a rollout file's plan, and of a good model."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from modelwire.loading.formats import Run
from modelwire.loading.tensors import Array
from modelwire_router.drill.planted import planted, versions
from modelwire_router.drill.spoiled import Bad, Spoiled
from modelwire_router.rollout.plan import (
    Analyse,
    Hook,
    HookKind,
    Measure,
    Metric,
    Mirror,
    Pause,
    Plan,
    Prometheus,
    Query,
    SetWeight,
    Template,
)
from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import Tensor
from modelwire_schemas.routing import BUCKETS, Rule, Shadow, Split, Variant

ERRORS = Metric("errors", Query(Measure.ERROR_RATE), most=0.01)
LABELS = Metric("auc", Query(Measure.AUC), least=0.7)
DRIFT = Metric("drift", Query(Measure.INPUT_DRIFT), most=0.2)
OUTSIDE = Metric("cpu", Prometheus("http://prometheus", "up"), most=1)

PLAN = Plan(
    route="late",
    model="late",
    stable="1",
    candidate="2",
    strategy="canary",
    split=Split(salt="s"),
    steps=(
        Mirror(Shadow("2", 5000, "dark")),
        Analyse(("outside",), 60_000),
        SetWeight(1000),
        Analyse(("mixed", "outside")),
        SetWeight(BUCKETS),
    ),
    rules=(Rule("vip", (Variant("a", "2", ((0, 5000),)), Variant("b", "3", ((5000, BUCKETS),)))),),
    shadows=(Shadow("2", 100, "x"),),
    templates=(Template("mixed", (ERRORS, LABELS, DRIFT)), Template("outside", (OUTSIDE,))),
    background=("outside", "mixed"),
    keep_warm=60_000,
    hooks=(Hook(HookKind.CONFIRM_ROLLOUT, "http://pipeline"),),
    at=10**13,
)


def test_the_bad_version_stands_wherever_the_candidate_stood() -> None:
    drill = planted(PLAN)
    assert drill.bad == "1-drill"
    assert versions(drill.plan) == ("1", "1-drill", "3")
    assert versions(PLAN) == ("1", "2", "3")


def test_nobody_outside_is_asked_and_no_schedule_is_waited_for() -> None:
    plan = planted(PLAN).plan
    assert (plan.hooks, plan.at, plan.keep_warm) == ((), None, 0)


def test_what_a_drill_cannot_measure_is_left_out_and_named() -> None:
    drill = planted(PLAN)
    assert drill.left_out == ("auc", "drift", "cpu")
    assert drill.plan.templates == (Template("mixed", (ERRORS,)),)
    assert drill.plan.background == ("mixed",)
    assert drill.plan.steps[1:4] == (Pause(60_000), SetWeight(1000), Analyse(("mixed",)))


def test_a_plan_of_which_nothing_can_be_judged_is_refused() -> None:
    blind = replace(PLAN, templates=(Template("outside", (OUTSIDE,)),))
    with pytest.raises(Rejected, match=r"E_DRILL: a drill can judge none of the metrics: cpu"):
        planted(blind)


def test_a_plan_without_metrics_is_drilled_all_the_same() -> None:
    bare = replace(PLAN, steps=(SetWeight(BUCKETS),), templates=(), background=())
    assert planted(bare).plan.steps == (SetWeight(BUCKETS),)


def test_the_bad_versions_name_is_one_however_long_the_stable_one_is() -> None:
    assert len(planted(replace(PLAN, stable="v" * 64)).bad) == 64


class Good:
    """Answers a number, a count and a word."""

    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    resident = 7

    def __init__(self) -> None:
        self.fast: Run = self.run
        self.closed = False

    def run(self, feed: Mapping[str, Array]) -> list[Array]:
        del feed
        return [np.array([1.0, 2.0], np.float32), np.array([1, 2]), np.array(["a", "b"], object)]

    def close(self) -> None:
        self.closed = True


def test_a_shifted_model_gives_other_numbers_of_the_same_type() -> None:
    number, count, word = Spoiled(Good(), Bad.SHIFTED).run({})
    assert (number.tolist(), number.dtype.name) == ([1.75, 3.25], "float32")
    assert (count.tolist(), word.tolist()) == ([2, 3], ["a", "b"])


def test_a_failing_model_fails_on_half_of_the_events_whenever_they_come() -> None:
    model = Spoiled(Good(), Bad.FAILING)
    rows = np.arange(400, dtype=np.float32).reshape(200, 2)
    fails = [_fails(model, {"x": row[None]}) for row in rows]
    assert 70 < sum(fails) < 130
    assert fails == [_fails(model, {"x": row[None]}) for row in rows]
    good = rows[[not failed for failed in fails]]
    assert not _fails(model, {"x": good})
    assert _fails(model, {"x": rows})


def _fails(model: Spoiled, feed: Mapping[str, Array]) -> bool:
    try:
        model.run(feed)
    except ValueError:
        return True
    return False


def test_a_model_that_is_lent_is_as_good_and_stays_open() -> None:
    good = Good()
    model = Spoiled(good, None)
    assert model.run({})[0].tolist() == [1.0, 2.0]
    assert model.resident == 7
    model.close()
    assert not good.closed
