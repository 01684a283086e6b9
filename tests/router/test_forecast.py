"""What a change would do to keys and to the fleet, before anybody makes it."""

from dataclasses import replace

import pytest

from modelwire.control.state import State
from modelwire_router.changes import flip
from modelwire_router.forecast import Events, Moved, Step, document_steps, fetches, moves, steps
from modelwire_router.rollout.plan import Exposure, MovePartitions, Pause, Plan, SetWeight
from modelwire_router.virtual import folded
from modelwire_schemas.errors import Rejected
from modelwire_schemas.fleet import FleetReport, VersionReport
from modelwire_schemas.policy import Approvals, PolicySet
from modelwire_schemas.routing import BUCKETS, Split, SplitBy
from tests.router.test_readiness import report
from tests.world import ROUTE, release_of

NOW = 1_700_000_000_000
PLAN = Plan(
    ROUTE,
    ROUTE,
    "1",
    "2",
    "canary",
    Split(salt=ROUTE),
    (SetWeight(1000), Pause(60_000), SetWeight(5000), SetWeight(BUCKETS)),
)


@pytest.fixture
def state() -> State:
    made = State()
    for version in ("1", "2"):
        made = folded(made, release_of(b"x" * 100, version), NOW)
    return folded(made, flip(made, ROUTE, "1"), NOW)


def events(*keys: object) -> Events:
    rows = [{"tailnum": key} for key in keys]
    sources = [("flights", i % 4, i) for i in range(len(keys))]
    return Events(keys, rows, [{} for _ in keys], sources)


def moved(state: State, plan: Plan, seen: Events) -> list[Moved]:
    return list(moves(state.routes[ROUTE].head.document, steps(plan, state), seen))


def test_a_growing_share_moves_so_many_keys_and_none_twice(state: State) -> None:
    found = moved(state, PLAN, events(*(f"N{i}" for i in range(5000))))
    assert [m.keys for m in found] == pytest.approx([0, 0.1, 0, 0.4, 0.5], abs=0.03)
    assert sum(m.keys for m in found) == pytest.approx(1)
    assert found[1].keys_in_all == found[2].keys_in_all
    assert dict(found[3].versions)["2"] == pytest.approx(0.5, abs=0.02)


def test_a_budget_is_told_as_the_most_that_it_can_come_to(state: State) -> None:
    plan = replace(PLAN, steps=(Exposure(120, "late", 5000), SetWeight(BUCKETS)))
    found = moved(state, plan, events(*(f"N{i}" for i in range(5000))))
    assert [m.keys for m in found] == pytest.approx([0, 0.5, 0.5], abs=0.03)
    assert steps(plan, state)[1].told == "exposure 120 an hour, up to 50 %"


def test_a_key_with_many_events_counts_once_among_keys(state: State) -> None:
    found = moved(state, PLAN, events(*["busy"] * 99, "quiet"))
    assert {m.keys for m in found} <= {0.0, 0.5, 1.0}
    assert {round(m.events, 2) for m in found} <= {0.0, 0.01, 0.99, 1.0}


def test_the_field_of_the_split_is_the_key(state: State) -> None:
    seen = replace(events(*(f"N{i}" for i in range(500))), keys=["same"] * 500)
    by_field = replace(PLAN, split=Split(salt=ROUTE, field="tailnum"))
    assert moved(state, by_field, seen)[1].keys == pytest.approx(0.1, abs=0.05)
    assert moved(state, PLAN, seen)[1].keys in {0.0, 1.0}


def test_partitions_move_whole_and_the_rest_with_the_last_of_them(state: State) -> None:
    rolling = replace(
        PLAN,
        split=Split(SplitBy.PARTITION),
        steps=(MovePartitions((("flights", 0),)), MovePartitions((("flights", 1), ("flights", 2)))),
    )
    found = moved(state, rolling, events(*(f"N{i}" for i in range(400))))
    assert [m.events for m in found] == [0, 0.25, 0.75]


def test_a_new_route_gives_every_key_its_first_version(state: State) -> None:
    plan = replace(PLAN, route="later")
    found = list(moves(None, steps(plan, state), events("a", "b")))
    assert (found[0].keys, found[0].versions) == (1.0, (("1", 1.0),))


def test_a_whole_document_is_one_step(state: State) -> None:
    document = flip(state, ROUTE, "2").changes[0].document
    (step,) = document_steps(document, state)
    (found,) = moves(state.routes[ROUTE].head.document, [step], events("a"))
    assert (step.told, found.keys, found.versions) == ("apply", 1.0, (("2", 1.0),))


def test_what_the_fold_would_refuse_is_refused(state: State) -> None:
    with pytest.raises(Rejected) as refused:
        steps(replace(PLAN, candidate="9"), state)
    assert refused.value.code == "E_UNKNOWN_VERSION"


def test_what_waits_for_an_approval_can_be_planned(state: State) -> None:
    bound = replace(state, policy=PolicySet(state.lead, approvals=(Approvals((ROUTE,), 2),)))
    assert len(steps(PLAN, bound)) == 5


def lacking(state: State, *reports: FleetReport, heard: int = NOW) -> list[tuple[str, str, int]]:
    made: list[Step] = steps(PLAN, state)
    found = fetches([(r, heard) for r in reports], state, made, NOW)
    return [(f.instance, f.version, f.size) for f in found]


def on_route(instance: str, *held: VersionReport) -> FleetReport:
    return report(instance, *held, route=ROUTE)


def version(number: str, state: str, code: str = "") -> VersionReport:
    return VersionReport(ROUTE, number, "", state, code)


def test_who_lacks_a_version_fetches_its_bytes(state: State) -> None:
    one, both = version("1", "serving"), version("2", "warm")
    found = lacking(state, on_route("b", one), on_route("a", one, both), on_route("c"))
    assert found == [("b", "2", 100), ("c", "1", 100), ("c", "2", 100)]


def test_who_is_silent_gone_or_of_another_route_fetches_nothing(state: State) -> None:
    gone = replace(on_route("gone"), goodbye=True)
    assert lacking(state, gone, report("other", route="other")) == []
    assert lacking(state, on_route("silent"), heard=NOW - 60_000) == []


def test_memory_is_known_only_from_a_refusal(state: State) -> None:
    one = version("1", "serving")
    reports = [on_route("a", one), on_route("b", one, version("2", "failed", "E_BUDGET"))]
    found = fetches([(r, NOW) for r in reports], state, steps(PLAN, state), NOW)
    assert [(f.instance, f.fits) for f in found] == [("a", None), ("b", False)]
