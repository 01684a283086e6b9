"""The machine that runs every strategy: what comes next, and what it waits for."""

from dataclasses import replace

import pytest

from modelwire.control.state import ALWAYS, Accepted, RouteState
from modelwire_router.rollout.documents import CANDIDATE, STABLE
from modelwire_router.rollout.machine import (
    Look,
    Next,
    advance,
    begin,
    next_step,
    pause,
    resume,
    waits_for,
)
from modelwire_router.rollout.plan import (
    Analyse,
    Hook,
    HookKind,
    Mirror,
    MovePartitions,
    OnFailure,
    Pause,
    Plan,
    SetWeight,
    Step,
)
from modelwire_schemas.codec import content_digest, encode
from modelwire_schemas.control import Command, ControlRecord, fold_of
from modelwire_schemas.errors import Conflict, Rejected
from modelwire_schemas.rollout import Finding, Judgement, Phase, Rollout
from modelwire_schemas.routing import (
    BUCKETS,
    Change,
    RoutingChanged,
    RoutingDocument,
    Rule,
    Shadow,
    Split,
    SplitBy,
    Variant,
)

ROUTE, MINUTE = "flights-late", 60_000
NOW = 1_000_000


def plan(*steps: Step, **words: object) -> Plan:
    bare = Plan(ROUTE, ROUTE, "1", "2", "canary", Split(salt="s"), steps)
    return replace(bare, **words)  # type: ignore[arg-type]


def accepted(change: RoutingChanged, before: RouteState | None = None) -> RouteState:
    """Return the route after a change, as the fold would have it."""
    (one,) = change.changes
    head = Accepted(one.replaces + 1, one.document, ALWAYS, ALWAYS, NOW, one.replaces)
    recent = (before.head, *before.recent)[:4] if before else ()
    return RouteState(ROUTE, head, (head,), recent)


def served(version: str = "1") -> RouteState:
    rule = Rule("all", (Variant(version, version, ((0, BUCKETS),)),), Split(salt="s"))
    return accepted(RoutingChanged((Change(RoutingDocument(ROUTE, ROUTE, (rule,)), 0),)))


def begun(of: Plan) -> RouteState:
    before = served()
    return accepted(begin(of, before, "r1", NOW), before)


def rollout(route: RouteState) -> Rollout:
    found = route.head.document.rollout
    assert found
    return found


def weights(route: RouteState) -> dict[str, int]:
    return {v.version: v.weight for v in route.head.document.rules[-1].variants}


def run(of: Plan, route: RouteState, look: Look) -> tuple[RouteState, list[str]]:
    """Follow the machine as long as it goes on under one look."""
    told: list[str] = []
    while (step := next_step(of, route, look)) is not None:
        route, told = accepted(step.change, route), [*told, step.step]
    return route, told


def made(step: Next | None) -> Next:
    assert step is not None
    return step


def finding(judgement: Judgement, *, dry_run: bool = False) -> dict[str, tuple[Finding, ...]]:
    return {"guard": (Finding("error-rate", judgement, NOW, dry_run=dry_run),)}


def test_a_rollout_begins_by_naming_the_candidate_without_an_event() -> None:
    route = begun(plan(SetWeight(1000)))
    assert weights(route) == {"2": 0, "1": BUCKETS}
    assert [v.name for v in route.head.document.rules[-1].variants] == [CANDIDATE, STABLE]


def test_a_rollout_begins_only_from_the_version_that_has_everything() -> None:
    with pytest.raises(Rejected, match="E_STABLE") as told:
        begin(plan(SetWeight(1000)), served("7"), "r1", NOW)
    assert "7" in str(told.value)


def test_a_second_rollout_waits_for_the_end_of_the_first() -> None:
    of = plan(SetWeight(1000))
    with pytest.raises(Conflict, match="E_ROLLOUT"):
        begin(of, begun(of), "r2", NOW)


def test_a_new_route_begins_with_the_stable_version() -> None:
    assert weights(accepted(begin(plan(SetWeight(100)), None, "r1", NOW))) == {"2": 0, "1": BUCKETS}


def test_a_canary_goes_step_by_step_and_moves_nobody_back() -> None:
    of = plan(SetWeight(100), SetWeight(2500), SetWeight(BUCKETS))
    route = begun(of)
    had: set[int] = set()
    for _ in of.steps[:2]:
        route = accepted(made(next_step(of, route, Look(NOW))).change, route)
        candidate = route.head.document.rules[-1].variants[0]
        has = {b for start, end in candidate.buckets for b in range(start, end)}
        assert had < has
        had = has
    route, told = run(of, route, Look(NOW))
    assert told == ["step 3"]
    assert rollout(route).phase is Phase.COMPLETED
    assert route.head.document.sole_version() == "2"


def test_nothing_gets_weight_before_it_is_warm_everywhere() -> None:
    of = plan(SetWeight(100))
    route = begun(of)
    assert next_step(of, route, Look(NOW, waiting=("a",))) is None
    assert next_step(of, route, Look(NOW, waiting=None)) is None
    assert "a" in waits_for(of, route, Look(NOW, waiting=("a",)))
    assert next_step(of, route, Look(NOW)) is not None


def test_a_fleet_that_is_not_ready_by_the_deadline_ends_the_rollout_and_says_who() -> None:
    of = plan(SetWeight(100), ready_deadline=MINUTE)
    late = Look(NOW + MINUTE, waiting=("host-7: E_DIGEST",))
    step = made(next_step(of, begun(of), late))
    ended = rollout(accepted(step.change))
    assert (ended.phase, ended.findings[0].detail) == (Phase.ROLLED_BACK, "host-7: E_DIGEST")


def test_a_pause_counts_the_logs_time() -> None:
    of = plan(SetWeight(100), Pause(MINUTE), SetWeight(BUCKETS))
    route, told = run(of, begun(of), Look(NOW))
    assert told == ["step 1"]
    assert next_step(of, route, Look(NOW + MINUTE - 1)) is None
    _, told = run(of, route, Look(NOW + MINUTE))
    assert told == ["step 2", "step 3"]


def test_a_pause_without_an_end_waits_for_a_person_however_long() -> None:
    of = plan(SetWeight(100), Pause(), SetWeight(BUCKETS))
    route, _ = run(of, begun(of), Look(NOW))
    assert next_step(of, route, Look(NOW + 10**9)) is None
    assert "modelwire promote" in waits_for(of, route, Look(NOW))
    promoted = accepted(advance(of, route, NOW).change, route)
    assert rollout(run(of, promoted, Look(NOW))[0]).phase is Phase.COMPLETED


def test_a_full_promotion_ends_the_rollout_with_the_candidate() -> None:
    of = plan(SetWeight(100), Pause(), Analyse(("guard",)), SetWeight(BUCKETS))
    route = accepted(advance(of, begun(of), NOW, full=True).change)
    assert (route.head.document.sole_version(), rollout(route).phase) == ("2", Phase.COMPLETED)


@pytest.mark.parametrize("judgement", [j for j in Judgement if j is not Judgement.PASS])
def test_an_analysis_goes_on_for_no_judgement_but_pass(judgement: Judgement) -> None:
    of = plan(SetWeight(100), Analyse(("guard",), MINUTE), SetWeight(BUCKETS))
    route, _ = run(of, begun(of), Look(NOW))
    ended, _ = run(of, route, Look(NOW + MINUTE, findings=finding(judgement)))
    assert ended.head.document.sole_version() != "2"


def test_an_analysis_that_passes_before_its_end_waits_for_it() -> None:
    of = plan(SetWeight(100), Analyse(("guard",), MINUTE), SetWeight(BUCKETS))
    route, _ = run(of, begun(of), Look(NOW))
    passed = finding(Judgement.PASS)
    assert next_step(of, route, Look(NOW + 1, findings=passed)) is None
    step = made(next_step(of, route, Look(NOW + MINUTE, findings=passed)))
    assert rollout(accepted(step.change)).findings == passed["guard"]


def test_an_analysis_without_any_finding_never_passes() -> None:
    of = plan(SetWeight(100), Analyse(("guard",)), SetWeight(BUCKETS))
    route, _ = run(of, begun(of), Look(NOW))
    assert next_step(of, route, Look(NOW)) is None


def test_a_failure_takes_everything_back_at_once_with_the_evidence() -> None:
    of = plan(SetWeight(5000), Analyse(("guard",), MINUTE), SetWeight(BUCKETS))
    route, _ = run(of, begun(of), Look(NOW))
    failed = finding(Judgement.FAIL)
    step = made(next_step(of, route, Look(NOW + 1, findings=failed)))
    assert step.change.at_once
    ended = accepted(step.change, route)
    assert ended.head.document.sole_version() == "1"
    assert (rollout(ended).phase, rollout(ended).findings) == (Phase.ROLLED_BACK, failed["guard"])
    assert next_step(of, ended, Look(NOW + 10**9, findings=failed)) is None


def test_whatever_failed_and_however_much_the_way_back_can_be_written_down() -> None:
    of = plan(SetWeight(5000), Analyse(("guard",)), SetWeight(BUCKETS))
    route, _ = run(of, begun(of), Look(NOW))
    for judgement, told in (
        (Judgement.FAIL, "rollback"),
        (Judgement.INCONCLUSIVE, "pause 1"),
        (Judgement.PASS, "step 2"),
    ):
        many = tuple(Finding(f"{n}-{'m' * 250}", judgement, NOW) for n in range(96))
        step = made(next_step(of, route, Look(NOW, findings={"guard": many})))
        assert step.step == told
        command = Command("r", content_digest(step.change), NOW, fold_of(step.change))
        encode(ControlRecord(command, step.change))
        assert rollout(accepted(step.change)).findings == many[:64]


def test_a_background_analysis_fails_in_the_middle_of_a_pause() -> None:
    of = plan(SetWeight(5000), Pause(), SetWeight(BUCKETS), background=("guard",))
    route, _ = run(of, begun(of), Look(NOW))
    step = made(next_step(of, route, Look(NOW, findings=finding(Judgement.FAIL))))
    assert step.step == "rollback"


def test_a_doubt_in_the_background_pauses_at_the_end_of_a_step() -> None:
    of = plan(SetWeight(5000), Pause(MINUTE), SetWeight(BUCKETS), background=("guard",))
    route, _ = run(of, begun(of), Look(NOW))
    doubtful = Look(NOW + MINUTE, findings=finding(Judgement.INCONCLUSIVE))
    assert next_step(of, route, replace(doubtful, now=NOW + MINUTE - 1)) is None
    paused, told = run(of, route, doubtful)
    assert (rollout(paused).phase, told) == (Phase.PAUSED, ["pause 1"])
    assert rollout(paused).findings == doubtful.findings["guard"]
    for bearable in (Judgement.NO_DATA, Judgement.TOO_FEW, Judgement.PASS):
        look = replace(doubtful, findings=finding(bearable))
        assert made(next_step(of, route, look)).step == "step 2"
    held = replace(of, on_failure=OnFailure.NONE)
    route, _ = run(held, begun(held), Look(NOW))
    assert next_step(held, route, doubtful) is None
    assert waits_for(held, route, doubtful) == "error-rate (inconclusive)"


def test_what_is_tried_dry_never_decides() -> None:
    of = plan(SetWeight(5000), Analyse(("guard",)), background=("guard",))
    route, _ = run(of, begun(of), Look(NOW))
    dry = finding(Judgement.FAIL, dry_run=True)
    assert next_step(of, route, Look(NOW, findings=dry)) is None


def test_a_failure_may_pause_instead_and_then_waits_for_a_person() -> None:
    of = plan(SetWeight(5000), Analyse(("guard",)), on_failure=OnFailure.PAUSE)
    route, _ = run(of, begun(of), Look(NOW))
    failed = Look(NOW, findings=finding(Judgement.FAIL))
    paused, told = run(of, route, failed)
    assert (rollout(paused).phase, told) == (Phase.PAUSED, ["pause 1"])
    assert weights(paused)["2"] == 5000


def test_a_failure_that_does_nothing_holds_the_rollout_where_it_is() -> None:
    of = plan(SetWeight(5000), Pause(MINUTE), SetWeight(BUCKETS), background=("guard",))
    of = replace(of, on_failure=OnFailure.NONE)
    route, _ = run(of, begun(of), Look(NOW))
    later = Look(NOW + MINUTE, findings=finding(Judgement.FAIL))
    assert next_step(of, route, later) is None
    assert waits_for(of, route, later) == "error-rate (fail)"
    again = replace(later, findings=finding(Judgement.PASS))
    assert made(next_step(of, route, again)).step == "step 2"


def test_a_pause_by_an_operator_stops_promotions_and_no_rollback() -> None:
    of = plan(SetWeight(5000), SetWeight(BUCKETS), background=("guard",))
    route = accepted(made(next_step(of, begun(of), Look(NOW))).change)
    paused = accepted(pause(route, "lunch"), route)
    assert next_step(of, paused, Look(NOW)) is None
    failed = made(next_step(of, paused, Look(NOW, findings=finding(Judgement.FAIL))))
    assert failed.step == "rollback"
    assert made(next_step(of, accepted(resume(paused)), Look(NOW))).step == "step 2"


def test_too_few_samples_pause_at_the_deadline_and_no_data_rolls_back() -> None:
    of = plan(SetWeight(5000), Analyse(("guard",)), ready_deadline=MINUTE)
    route, _ = run(of, begun(of), Look(NOW))
    few = finding(Judgement.TOO_FEW)
    assert next_step(of, route, Look(NOW + MINUTE - 1, findings=few)) is None
    late = made(next_step(of, route, Look(NOW + MINUTE, findings=few)))
    assert late.step == "pause 1"
    none = made(next_step(of, route, Look(NOW + MINUTE, findings=finding(Judgement.NO_DATA))))
    assert none.step == "rollback"


def test_a_gate_is_asked_before_traffic_grows() -> None:
    hook = Hook(HookKind.CONFIRM_TRAFFIC_INCREASE, "http://localhost/gate")
    of = plan(SetWeight(100), hooks=(hook,))
    route = begun(of)
    assert next_step(of, route, Look(NOW)) is None
    assert next_step(of, route, Look(NOW, gates={hook.kind: False})) is None
    assert next_step(of, route, Look(NOW, gates={hook.kind: True})) is not None


def test_a_rolling_rollout_moves_whole_partitions() -> None:
    of = plan(
        MovePartitions((("in", 0),)),
        MovePartitions((("in", 1), ("in", 2))),
        split=Split(SplitBy.PARTITION),
    )
    route = begun(of)
    route = accepted(made(next_step(of, route, Look(NOW))).change, route)
    assert route.head.document.rules[-1].variants[0].partitions == (("in", 0),)
    route, _ = run(of, route, Look(NOW))
    assert route.head.document.sole_version() == "2"


def test_a_shadow_never_gets_an_event_and_leaves_at_the_end() -> None:
    of = plan(Mirror(Shadow("2")), Analyse(("guard",)))
    route = accepted(made(next_step(of, begun(of), Look(NOW))).change)
    assert [s.version for s in route.head.document.shadows] == ["2"]
    assert route.head.document.sole_version() == "1"
    ended, _ = run(of, route, Look(NOW, findings=finding(Judgement.PASS)))
    assert (ended.head.document.shadows, ended.head.document.sole_version()) == ((), "1")


def test_the_old_version_is_kept_warm_for_as_long_as_the_plan_says() -> None:
    of = plan(SetWeight(BUCKETS), keep_warm=MINUTE)
    route, _ = run(of, begun(of), Look(NOW))
    assert route.head.document.keep_warm == ("1",)
    assert next_step(of, route, Look(NOW + MINUTE - 1)) is None
    route, told = run(of, route, Look(NOW + MINUTE))
    assert (route.head.document.keep_warm, told) == ((), ["tidy"])


def test_a_last_step_may_hold_from_an_event_time_on() -> None:
    of = plan(SetWeight(BUCKETS), at=NOW + MINUTE)
    step = made(next_step(of, begun(of), Look(NOW)))
    assert step.change.effective_at == NOW + MINUTE


def test_an_experiment_is_judged_until_shortly_before_it_ends() -> None:
    of = plan(SetWeight(0), SetWeight(0), at=NOW + 10 * MINUTE, background=("guard",))
    route, told = run(of, begun(of), Look(NOW))
    assert told == ["step 1"]
    assert "its last" in waits_for(of, route, Look(NOW))
    step = made(next_step(of, route, Look(NOW + 9 * MINUTE)))
    assert step.change.effective_at == NOW + 10 * MINUTE
