"""What a decision is made on: the rule that divides events between the two versions."""

from modelwire_router.decide import compared
from modelwire_router.rollout.plan import Plan
from modelwire_schemas.routing import BUCKETS, Clause, Op, RoutingDocument, Rule, Split, Variant

PLAN = Plan("late", "late", "1", "2", "ab", Split(salt="s"), ())
HALF = BUCKETS // 2


def test_an_experiment_is_judged_by_its_own_rule_and_others_by_the_last() -> None:
    whole = Rule("all", (Variant("stable", "1", ((0, BUCKETS),)), Variant("candidate", "2")))
    treated = Variant("treatment", "2", ((HALF, BUCKETS),))
    halves = Rule(
        "long-haul",
        (Variant("control", "1", ((0, HALF),)), treated),
        match=Clause("distance", Op.GE, (1000,)),
    )
    forced = Rule("forced", (Variant("treatment", "2", ((0, BUCKETS),)),))
    assert compared(RoutingDocument("late", "late", (forced, halves, whole)), PLAN) == halves
    assert compared(RoutingDocument("late", "late", (whole,)), PLAN) == whole
