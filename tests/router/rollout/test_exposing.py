"""An exposure budget: narrower at once, wider only well below it and on fresh numbers."""

from dataclasses import replace

import pytest

from modelwire.control.state import RouteState
from modelwire_router.analysis.exposure import Exposed
from modelwire_router.decide import Standing
from modelwire_router.rollout.exposing import aim, allowed, finding
from modelwire_router.rollout.machine import (
    Look,
    advance,
    begin,
    gates,
    next_step,
    pause,
    resume,
    waits_for,
    waits_for_fleet,
)
from modelwire_router.rollout.plan import (
    Analyse,
    Exposure,
    Hook,
    HookKind,
    Mirror,
    Pause,
    SetWeight,
)
from modelwire_router.rollout.telling import numbers
from modelwire_router.rollout_view import rollout_row
from modelwire_schemas.rollout import Judgement, Phase
from modelwire_schemas.routing import BUCKETS, Shadow
from tests.router.rollout.test_machine import MINUTE, NOW, accepted, made, plan, rollout, served

HOUR = 60 * MINUTE
BUDGET = Exposure(120, "late", 5000, 0.5, HOUR)
PLAN = plan(Mirror(Shadow("2")), BUDGET, Pause())
KNOWN = Exposed(5000.0, 2000, 100, 0.06, spent=0.0, seen=NOW, heard=NOW)
ONE = 0.03
"""The decisions an hour that one bucket changes by KNOWN: 5000 · 0.06 / 10,000."""


def under_way(weight: int = 0) -> RouteState:
    """Return the route with its budget under way, the candidate having so many buckets."""
    route = served()
    route = accepted(begin(PLAN, route, "r1", NOW), route)
    route = accepted(advance(PLAN, route, NOW).change, route)
    if weight:
        known = replace(KNOWN, rate=aim(120) / 0.06 / (weight / BUCKETS))
        wider = made(next_step(PLAN, route, Look(NOW, exposed=known)))
        route = accepted(wider.change, route)
        assert share(route) == pytest.approx(weight, abs=1)
    return route


def fits(budget: Exposure, weight: int, known: Exposed) -> int:
    return allowed(budget, weight, known, NOW)


def share(route: RouteState) -> int:
    return {v.version: v.weight for v in route.head.document.rules[-1].variants}["2"]


def test_the_largest_share_is_given_that_keeps_the_budget() -> None:
    given = fits(BUDGET, 0, KNOWN)
    assert given * ONE <= aim(120) < (given + 1) * ONE
    assert 90 < aim(120) < 100


def test_twice_the_budget_is_about_twice_the_share_and_never_more_than_up_to() -> None:
    twice = fits(replace(BUDGET, changed=240, weight=BUCKETS), 0, KNOWN)
    assert twice == pytest.approx(2 * fits(BUDGET, 0, KNOWN), rel=0.1)
    assert fits(replace(BUDGET, changed=100_000), 0, KNOWN) == BUDGET.weight
    assert fits(replace(BUDGET, weight=700), 1000, KNOWN) == 700


@pytest.mark.parametrize("changed", [1, 2, 5, 10, 50, 120, 1000])
def test_chance_exceeds_a_budget_that_is_aimed_at_at_most_once_in_a_hundred_hours(
    changed: int,
) -> None:
    from scipy import stats

    assert stats.poisson.sf(changed, aim(changed)) <= 0.0105


def test_a_share_that_comes_above_the_budget_is_narrowed_at_once_and_not_before() -> None:
    most = int(120 / ONE)
    assert fits(BUDGET, most, KNOWN) == most
    assert fits(BUDGET, most + 1, KNOWN) == int(aim(120) / ONE)


def test_a_share_is_widened_only_by_much() -> None:
    wish = int(aim(120) / ONE)
    assert fits(BUDGET, int(wish / 1.2), KNOWN) == int(wish / 1.2)
    assert fits(BUDGET, int(wish / 1.3), KNOWN) == wish


def test_a_budget_that_is_used_up_leaves_nothing_until_there_is_room() -> None:
    lag = 1000 * ONE / 30  # two minutes of an hour
    assert fits(BUDGET, 1000, replace(KNOWN, spent=119.9 - lag)) == 1000
    assert fits(BUDGET, 1000, replace(KNOWN, spent=120.1 - lag)) == 0
    assert fits(BUDGET, 0, replace(KNOWN, spent=aim(120) + 1)) == 0
    assert fits(BUDGET, 0, replace(KNOWN, spent=aim(120) - 1)) > 0


NOTHING = {
    "no window": Exposed(heard=NOW),
    "no window that is over": replace(KNOWN, rate=0.0, seen=None),
    "no pair": replace(KNOWN, compared=0, changed=0, chance=1.0),
    "few pairs": replace(KNOWN, compared=99, changed=5, chance=0.2),
    "numbers from before the present share": replace(KNOWN, seen=NOW - 1),
    "numbers that are old": replace(KNOWN, heard=NOW - 30_001),
}


@pytest.mark.parametrize("weight", [0, 1000])
@pytest.mark.parametrize("known", NOTHING.values(), ids=NOTHING)
def test_without_numbers_the_share_is_not_widened(known: Exposed, weight: int) -> None:
    route = under_way(weight)
    held = replace(route, head=replace(route.head, effective=NOW))
    assert share(accepted(made(next_step(PLAN, held, Look(NOW, exposed=KNOWN))).change)) > weight
    assert next_step(PLAN, held, Look(NOW, exposed=known)) is None


@pytest.mark.parametrize("heard", [NOW - 1, None])
@pytest.mark.parametrize("paused", [False, True])
def test_two_minutes_without_telemetry_leave_nothing_as_events_may_go_on(
    heard: int | None, *, paused: bool
) -> None:
    route, now = under_way(1000), NOW + 2 * MINUTE
    route = accepted(pause(route, "wait"), route) if paused else route
    assert next_step(PLAN, route, Look(now, exposed=KNOWN)) is None
    silent = made(next_step(PLAN, route, Look(now, exposed=replace(KNOWN, heard=heard))))
    route = accepted(silent.change, route)
    (found,) = rollout(route).findings
    assert (share(route), found.judgement) == (0, Judgement.NO_DATA)
    assert found.detail.startswith(f"telemetry came {'120 s ago' if heard else 'never'}; 5,000")
    again = replace(KNOWN, heard=now + MINUTE, seen=now + MINUTE)
    back = next_step(PLAN, accepted(resume(route), route), Look(now + MINUTE, exposed=again))
    assert share(accepted(made(back).change)) > 1000


def test_a_budget_tells_how_it_stands() -> None:
    def stands(known: Exposed) -> Judgement:
        return finding(BUDGET, known, NOW).judgement

    assert stands(KNOWN) is Judgement.PASS
    assert stands(replace(KNOWN, compared=99)) is Judgement.TOO_FEW
    assert stands(replace(KNOWN, spent=121.0)) is Judgement.FAIL
    assert stands(replace(KNOWN, heard=NOW - 30_001)) is Judgement.NO_DATA


def test_who_is_not_ready_holds_a_wider_share_up_but_never_a_narrower_one() -> None:
    assert next_step(PLAN, under_way(), Look(NOW, ("i-1: 2 fetching",), exposed=KNOWN)) is None
    over = Look(NOW, None, exposed=replace(KNOWN, spent=200.0))
    assert share(accepted(made(next_step(PLAN, under_way(1000), over)).change)) == 0


def test_a_pause_stops_widening_and_lets_the_budget_narrow() -> None:
    route = under_way(1000)
    route = accepted(pause(route, "wait"), route)
    assert next_step(PLAN, route, Look(NOW, exposed=KNOWN)) is None
    step = made(next_step(PLAN, route, Look(NOW, exposed=replace(KNOWN, spent=200.0))))
    after = accepted(step.change, route)
    assert (share(after), rollout(after).phase, rollout(after).note) == (0, Phase.PAUSED, "wait")


def test_a_change_of_the_share_is_no_step_and_holds_the_numbers_behind_it() -> None:
    route = under_way()
    step = made(
        next_step(PLAN, route, Look(NOW + MINUTE, exposed=replace(KNOWN, heard=NOW + MINUTE)))
    )
    after = rollout(accepted(step.change, route))
    assert (after.step, after.since, step.step) == (1, NOW, "exposure 1")
    (found,) = after.findings
    assert (found.metric, found.judgement) == ("exposure", Judgement.PASS)
    assert (found.measured, found.limit, found.samples) == (0.0, 120.0, 2000)
    assert "100 of 2,000 decisions changed, 6 % at most" in found.detail


def test_a_wider_share_moves_nobody_back() -> None:
    route = under_way(1000)
    wider = accepted(made(next_step(PLAN, route, Look(NOW, exposed=KNOWN))).change, route)

    def buckets(of: RouteState) -> set[int]:
        variants = of.head.document.rules[-1].variants
        return {b for v in variants if v.version == "2" for r in v.buckets for b in range(*r)}

    assert buckets(route) < buckets(wider)


def test_the_step_ends_after_its_time_with_the_share_that_it_has() -> None:
    route = under_way(1000)
    known = replace(KNOWN, spent=aim(120) + 1, heard=NOW + HOUR)
    waiting = Look(NOW + HOUR - 1000, exposed=known)
    assert waits_for(PLAN, route, waiting) == "1 s of exposure"
    step = made(next_step(PLAN, route, replace(waiting, now=NOW + HOUR)))
    after = accepted(step.change, route)
    assert (rollout(after).step, share(after)) == (2, share(route))
    assert [(f.metric, f.judgement) for f in rollout(after).findings] == [("exposure", "pass")]


LATE = NOW + HOUR + PLAN.ready_deadline
FRESH = replace(KNOWN, heard=LATE)
ENDS = {
    "nothing was heard": (Exposed(), "exposure (no_data)", Phase.ROLLED_BACK),
    "too few": (replace(FRESH, compared=99), "exposure (too_few)", Phase.PAUSED),
    "more than the budget": (replace(FRESH, spent=121.0), "exposure (fail)", Phase.PROGRESSING),
}


@pytest.mark.parametrize(("known", "waits", "phase"), ENDS.values(), ids=ENDS)
def test_time_alone_is_no_success(known: Exposed, waits: str, phase: Phase) -> None:
    route = under_way()
    for now in (NOW + HOUR, LATE - 1):
        look = Look(now, exposed=replace(known, heard=known.heard and now))
        assert waits_for(PLAN, route, look) == waits
        assert next_step(PLAN, route, look) is None
    step = next_step(PLAN, route, Look(LATE, exposed=known))
    after = rollout(accepted(step.change, route)) if step else rollout(route)
    assert (after.step, after.phase) == (1, phase)


def test_a_budget_holds_until_another_step_sets_the_share() -> None:
    longer = plan(Mirror(Shadow("2")), BUDGET, Pause(), Analyse(("t",)), SetWeight(5000), Pause())
    route = under_way(1000)
    spent = Look(NOW, exposed=replace(KNOWN, spent=200.0))
    for step in (2, 3, 4):
        route = accepted(advance(longer, route, NOW).change, route)
        assert rollout(route).step == step
        assert waits_for_fleet(longer, rollout(route))
        assert share(accepted(made(next_step(longer, route, spent)).change)) == 0
        assert next_step(longer, route, Look(NOW, ("i-1: 2 fetching",), exposed=KNOWN)) is None
    route = accepted(advance(longer, route, NOW).change, route)
    assert (rollout(route).step, share(route)) == (5, 5000)
    assert next_step(longer, route, spent) is None
    assert not waits_for_fleet(longer, rollout(route))


def test_the_webhook_that_confirms_more_traffic_is_asked_before_a_share_is_widened() -> None:
    increase = HookKind.CONFIRM_TRAFFIC_INCREASE
    asking = replace(PLAN, hooks=(Hook(increase, "http://gate"),))
    route = under_way(1000)
    assert gates(asking, rollout(route)) == (increase,)
    not_yet = Look(NOW, gates={increase: False}, exposed=KNOWN)
    assert waits_for(asking, route, not_yet) == "the webhook confirm-traffic-increase"
    assert next_step(asking, route, not_yet) is None
    spent = replace(not_yet, exposed=replace(KNOWN, spent=200.0))
    assert share(accepted(made(next_step(asking, route, spent)).change)) == 0
    agreed = made(next_step(asking, route, replace(not_yet, gates={increase: True})))
    assert share(accepted(agreed.change)) > share(route)


def test_a_budget_without_an_end_waits_for_an_operator() -> None:
    endless = plan(replace(BUDGET, ms=None), Pause())
    route = accepted(begin(endless, served(), "r1", NOW), served())
    assert waits_for(endless, route, Look(NOW)) == "modelwire promote flights-late"


def test_people_see_what_is_spent_of_the_budget_and_the_present_share() -> None:
    route = under_way(1000)
    look = Look(NOW, exposed=replace(KNOWN, spent=48.26))
    row = rollout_row(Standing(route, rollout(route), PLAN), look)
    (found,) = row["findings"]
    assert (row["weight"], row["waits_for"]) == (share(route) / 100, "3600 s of exposure")
    assert row["steps"][1]["step"] == "exposure 120 an hour, up to 50 %"
    assert numbers(found) == (
        "48.3, limit 120, n=2,000, 5,000 events an hour; 100 of 2,000 decisions changed, "
        "6 % at most"
    )
