"""What a decision is made on: the rule that divides events, and what is known, not when asked."""

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from modelwire.control.state import ALWAYS, Accepted, Freeze, RouteState, State
from modelwire_router.analysis.samples import Samples
from modelwire_router.decide import Decision, World, compared, decide
from modelwire_router.readiness import HEARD_MS
from modelwire_router.reports import Reports
from modelwire_router.rollout.machine import ROLLBACK, advance, begin
from modelwire_router.rollout.plan import (
    Analyse,
    Exposure,
    Measure,
    Metric,
    Plan,
    Query,
    SetWeight,
    Template,
)
from modelwire_schemas.fleet import FleetReport, VersionReport
from modelwire_schemas.routing import BUCKETS, Clause, Op, RoutingDocument, Rule, Split, Variant
from modelwire_schemas.telemetry import Telemetry
from tests.router.analysis.made import MODEL, ROUTE, T0, report, sketch, window
from tests.router.test_readiness import report as reported

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


HEALTH = Template(
    "health",
    (
        Metric("errors", Query(Measure.ERROR_RATE), most=0.05, min_samples=200, interval=20_000),
        Metric("p50", Query(Measure.LATENCY, quantile=0.5), relative=True, most=2, interval=10_000),
    ),
)
WATCHED = Plan(
    ROUTE,
    MODEL,
    "1",
    "2",
    "canary",
    Split(salt="s"),
    (SetWeight(HALF), Analyse(("health",), 60_000), SetWeight(BUCKETS)),
    templates=(HEALTH,),
)


def under_way(steps: int = 1, of: Plan = WATCHED) -> RouteState:
    """Return a route whose rollout has made so many steps; the first gives half of the events."""
    route: RouteState | None = None
    change = begin(of, None, "r", T0)
    for revision in range(1, steps + 2):
        (made,) = change.changes
        head = Accepted(revision, made.document, T0, ALWAYS, T0, revision)
        route = RouteState(ROUTE, head, (head,), (route.head,) if route else ())
        change = advance(of, route, T0).change
    assert route
    return route


def told(instance: str, place: int, events: int, errors: int, slow: int) -> Telemetry:
    sides = (("1", "stable", 0, 100.0), ("2", "candidate", errors, 100.0 + slow))
    return report(
        *(
            replace(
                window(v, place, events=events, errors=min(events, wrong)),
                variant=variant,
                latency=sketch([time] * events),
            )
            for v, variant, wrong, time in sides
        ),
        instance=instance,
    )


NEWS = st.lists(
    st.tuples(
        st.integers(500, 9_000),
        st.builds(
            told,
            st.sampled_from("ab"),
            st.integers(0, 9),
            st.integers(1, 300),
            st.sampled_from([0, 0, 1, 40]),
            st.sampled_from([0, 0, 500]),
        ),
    ),
    min_size=1,
    max_size=12,
)


@given(NEWS)
def test_a_look_comes_to_the_same_whatever_was_looked_at_before(
    news: list[tuple[int, Telemetry]],
) -> None:
    state = State(routes={ROUTE: under_way()})
    times = [T0 + 10_000 + sum(ms for ms, _ in news[: n + 1]) for n in range(len(news))]
    going_on, found = Samples(), list[Decision]()
    for (_, telemetry), now in zip(news, times, strict=True):
        going_on.add(telemetry, now)
        found.append(decide(World(state, Reports(), going_on, {}, now)))
    for last in reversed(range(len(news))):
        anew = Samples()
        for (_, telemetry), now in zip(news[: last + 1], times, strict=False):
            anew.add(telemetry, now)
        assert decide(World(state, Reports(), anew, {}, times[last])) == found[last]


def test_what_comes_late_is_looked_at() -> None:
    state, samples, now = State(routes={ROUTE: under_way()}), Samples(), T0 + 20_000
    samples.add(told("a", 0, 300, 0, 0), now)
    assert not decide(World(state, Reports(), samples, {}, now)).sends
    samples.add(told("b", 0, 300, 90, 0), now)
    (sent,) = decide(World(state, Reports(), samples, {}, now)).sends
    assert sent.step == ROLLBACK


def instance(name: str, state: str, offset: int = 1) -> FleetReport:
    versions = (VersionReport(MODEL, "1", "", "serving"), VersionReport(MODEL, "2", "", state))
    return replace(reported(name, route=ROUTE, offset=offset), versions=versions)


READY = instance("a", "warm")


@pytest.mark.parametrize(
    ("other", "goes_on"),
    [
        (instance("b", "warm"), True),
        (replace(instance("b", "fetching"), goodbye=True), True),
        (instance("b", "fetching"), False),
        (instance("b", "warm", offset=0), False),
    ],
)
def test_a_step_that_gives_events_waits_for_everybody(
    other: FleetReport,
    goes_on: bool,  # noqa: FBT001
) -> None:
    state, now = State(routes={ROUTE: under_way(0)}), T0 + 1000
    reports = Reports([(READY, now), (other, now)])
    assert bool(decide(World(state, reports, Samples(), {}, now)).sends) is goes_on


@pytest.mark.parametrize(("share", "goes_on"), [(0.5, True), (0.51, False)])
def test_a_step_goes_on_when_the_share_that_the_plan_asks_for_is_ready(
    share: float,
    goes_on: bool,  # noqa: FBT001
) -> None:
    plan, now = replace(WATCHED, require_ready=share), T0 + 1000
    state = State(routes={ROUTE: under_way(0, plan)})
    reports = Reports([(READY, now), (instance("b", "fetching"), now)])
    assert bool(decide(World(state, reports, Samples(), {}, now)).sends) is goes_on


def test_a_step_that_gives_events_waits_for_somebody() -> None:
    state = State(routes={ROUTE: under_way(0)})
    reports = Reports([(READY, T0)])
    assert decide(World(state, reports, Samples(), {}, T0 + HEARD_MS)).sends
    assert not decide(World(state, reports, Samples(), {}, T0 + HEARD_MS + 1)).sends


SECOND = replace(under_way(0, replace(WATCHED, route="second")), route="second")
OPENED = replace(READY, routes=(ROUTE, "second"))


def test_a_rollout_of_two_routes_takes_a_step_on_both_or_on_none() -> None:
    state, now = State(routes={ROUTE: under_way(0), "second": SECOND}), T0 + 1000
    alone = World(state, Reports([(READY, now)]), Samples(), {}, now)
    assert not decide(alone).sends
    (sent,) = decide(replace(alone, reports=Reports([(OPENED, now)]))).sends
    assert [c.document.route for c in sent.change.changes] == [ROUTE, "second"]


def test_a_rollout_of_which_one_route_is_frozen_stands_still_on_both() -> None:
    frozen, now = replace(SECOND, frozen=Freeze("bob", "", T0, 3)), T0 + 1000
    state = State(routes={ROUTE: under_way(0), "second": frozen})
    assert decide(World(state, Reports([(OPENED, now)]), Samples(), {}, now)) == Decision()


def test_a_rollout_that_cannot_be_judged_leaves_the_others_alone() -> None:
    good = under_way()
    document = good.head.document
    assert document.rollout
    beyond = replace(document.rollout, id="beyond", step=99)
    head = replace(good.head, document=replace(document, route="a", rollout=beyond))
    state = State(routes={"a": replace(good, route="a", head=head), ROUTE: good})
    samples, now = Samples(), T0 + 20_000
    samples.add(told("a", 0, 300, 90, 0), now)
    decision = decide(World(state, Reports(), samples, {}, now))
    assert [sent.route for sent in decision.sends] == [ROUTE]
    ((route, fault),) = decision.faults
    assert (route, fault.code) == ("a", "E_ROLLOUT")


def test_a_share_that_changes_alone_is_sent_for_its_own_route() -> None:
    budget = Exposure(120, "late", HALF, ms=None)
    both = replace(WATCHED, steps=(SetWeight(HALF), budget, SetWeight(BUCKETS)))
    route, heard = under_way(1, both), Samples()
    head = replace(route.head, document=replace(route.head.document, route="other"))
    state = State(routes={ROUTE: route, "other": replace(route, route="other", head=head)})
    heard.add(report(window("1", 0, events=9)), T0)
    (sent,) = decide(World(state, Reports(), heard, {}, T0)).sends
    assert (sent.route, [c.document.route for c in sent.change.changes]) == ("other", ["other"])
