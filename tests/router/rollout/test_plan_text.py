"""A plan is one text, the same on every machine, and a text is read strictly."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from modelwire_router.rollout.plan import Measure, Metric, Plan, Query, SetWeight, Template
from modelwire_router.rollout.plan_text import dump, load
from modelwire_schemas.errors import Rejected
from modelwire_schemas.routing import All, Clause, Not, Op, Predicate, Rule, Split
from tests.router.rollout.plans import plans

PLAN = Plan("late", "flights-late", "1", "2", "basic", Split(salt="s"), (SetWeight(10_000),))
TEXT = (
    '{"route":"late","model":"flights-late","stable":"1","candidate":"2","strategy":"basic",'
    '"split":{"by":"key","salt":"s","field":""},"steps":[{"weight":10000,"kind":"weight"}],'
    '"rules":[],"shadows":[],"templates":[],"background":[],"background_from":0,'
    '"require_ready":1,"ready_deadline":600000,"on_failure":"rollback","keep_warm":0,"hooks":[],'
    '"at":null,"holdout":0}'
)


@given(plans)
def test_a_plan_comes_back_from_its_text(plan: Plan) -> None:
    again = load(dump(plan))
    assert again == plan
    assert dump(again) == dump(plan)


def test_the_text_of_a_plan_is_fixed() -> None:
    assert dump(PLAN) == TEXT
    assert dump(replace(PLAN, require_ready=1)) == TEXT  # an int where a float belongs
    assert load(TEXT) == PLAN


def test_numbers_that_are_equal_are_written_alike() -> None:
    def limited(most: float) -> Plan:
        metric = Metric("errors", Query(Measure.ERROR_RATE), most=most)
        return replace(PLAN, templates=(Template("guard", (metric,)),))

    assert dump(limited(0.0)) == dump(limited(-0.0)) == dump(limited(0))
    assert dump(limited(2.0**60)) == dump(limited(float(2**60)))


def test_a_text_from_before_a_field_was_invented_is_read() -> None:
    said = json.loads(TEXT)
    for name in ("at", "keep_warm"):
        del said[name]
    assert load(json.dumps(said)) == PLAN


def deep(levels: int) -> Predicate:
    condition: Predicate = Clause("a", Op.EXISTS)
    for _ in range(levels):
        condition = Not(condition)
    return condition


CHANGED: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown field": ({"later": 1}, "unknown field 'later', plan"),
    "an unknown step": ({"steps": [{"kind": "dance"}]}, "plan.steps[0]"),
    "a step of another kind": (
        {"steps": [{"weight": 5, "kind": "pause"}]},
        "'pause' is not 'weight'",
    ),
    "text for a number": ({"keep_warm": "5"}, "'5' is no int, plan.keep_warm"),
    "a bool for a number": ({"keep_warm": True}, "True is no int, plan.keep_warm"),
    "a fraction of a ms": ({"keep_warm": 0.5}, "0.5 is no int, plan.keep_warm"),
    "nothing for text": ({"route": None}, "None is no str, plan.route"),
    "a word that is none": ({"on_failure": "explode"}, "'explode' is no OnFailure"),
    "no list": ({"steps": {}}, "{} is no list, plan.steps"),
    "no mapping": ({"split": []}, "[] is no mapping, plan.split"),
    "a pair of three": (
        {"steps": [{"partitions": [["a", 1, 2]], "kind": "partitions"}]},
        "has not 2 items",
    ),
    "a condition that is no tree": (
        {"shadows": [{"version": "2", "match": [{"op": "not", "parts": 2}]}]},
        "nodes are missing",
    ),
    "an operator that is none": (
        {"shadows": [{"version": "2", "match": [{"op": "Matches", "parts": 0}]}]},
        "'Matches' is no comparison",
    ),
    "an empty condition": (
        {"shadows": [{"version": "2", "match": []}]},
        "a condition without a node",
    ),
}


@pytest.mark.parametrize(("change", "why"), CHANGED.values(), ids=list(CHANGED))
def test_what_this_version_cannot_read_is_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(Rejected, match="E_PLAN: ") as caught:
        load(json.dumps({**json.loads(TEXT), **change}))
    assert why in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", "[" * 5000, '{"route": "a"}'])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(Rejected, match="E_PLAN: "):
        load(text)


def test_a_condition_that_may_not_travel_is_not_written() -> None:
    def ruled(match: Predicate) -> Plan:
        return replace(PLAN, rules=(Rule("r", (), Split(), match),))

    assert load(dump(ruled(deep(7)))) == ruled(deep(7))
    with pytest.raises(Rejected, match="E_TOO_COMPLEX"):
        dump(ruled(deep(8)))
    with pytest.raises(Rejected, match="E_TOO_COMPLEX"):
        dump(ruled(All(tuple([Clause("a", Op.EXISTS)] * 64))))


def test_a_number_that_is_none_is_not_written() -> None:
    with pytest.raises(Rejected, match="E_PLAN: nan is no number"):
        dump(replace(PLAN, require_ready=float("nan")))
