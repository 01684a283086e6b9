"""The controller on a real log with real consumers: it goes on, it stops, and two do no harm."""

import logging
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from modelwire.clock import SystemClock
from modelwire.control.commands import By, request_of, submit
from modelwire.control.reading import control_place
from modelwire.models import Models
from modelwire_log.envelope import open_envelope
from modelwire_router.rollout import plan_text
from modelwire_router.rollout.machine import advance, begin, pause, resume
from modelwire_router.rollout.plan import (
    Analyse,
    Measure,
    Metric,
    Pause,
    Plan,
    Query,
    SetWeight,
    Step,
    Template,
)
from modelwire_schemas.control import ControlRecord
from modelwire_schemas.policy import Act, Blackout, PolicySet, Right
from modelwire_schemas.rollout import Phase, Rollout
from modelwire_schemas.routing import (
    BUCKETS,
    Change,
    RolloutAborted,
    RouteFrozen,
    RoutingChanged,
    Split,
)
from tests.consumer_sdk.control.making import LEAD
from tests.router.controlling import controllers
from tests.waiting import eventually
from tests.world import NAMESPACE, READY_S, ROUTE, World, listening, world_on


@pytest.fixture(params=["memory", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    url = f"memory:{tmp_path.name}" if request.param == "memory" else f"sqlite:///{tmp_path}/log.db"
    with world_on(url, tmp_path) as made:
        made.release("1", "2")
        made.flip("1")
        yield made


@pytest.fixture
def models(world: World) -> Iterator[Models]:
    with world.connect() as connected:
        connected.route(ROUTE).wait_until_ready(READY_S)
        yield connected


def canary(*steps: Step) -> Plan:
    return Plan(ROUTE, ROUTE, "1", "2", "canary", Split(salt=ROUTE), steps)


def start(world: World, plan: Plan) -> None:
    route = world.state().routes[ROUTE]
    world.send(begin(plan, route, "r1", world.state().now))


def rollout(world: World) -> Rollout:
    found = world.state().routes[ROUTE].head.document.rollout
    assert found
    return found


def asked(world: World) -> list[tuple[ControlRecord, Change]]:
    """Return what controllers have asked for, with or without success."""
    records = [open_envelope(record) for record in world.read(control_place(NAMESPACE).stream)]
    return [
        (record, record.body.changes[0])
        for record in records
        if isinstance(record, ControlRecord)
        and isinstance(record.body, RoutingChanged)
        and record.body.automatic
    ]


@pytest.mark.usefixtures("models")
def test_a_canary_goes_from_step_to_step_by_itself(world: World) -> None:
    start(world, canary(SetWeight(1000), Pause(100), SetWeight(BUCKETS)))
    with controllers(world):
        eventually(lambda: rollout(world).phase is Phase.COMPLETED)
    assert world.state().routes[ROUTE].head.document.sole_version() == "2"
    assert world.state().routes[ROUTE].head.automatic


def test_nothing_gets_weight_while_nobody_serves_the_route(world: World) -> None:
    start(world, canary(SetWeight(1000), Pause()))
    with controllers(world) as (controller,):
        eventually(lambda: controller.looks > 3)
        assert rollout(world).step == 0
        with world.connect() as models:
            models.route(ROUTE)
            eventually(lambda: rollout(world).step == 1)


@pytest.mark.usefixtures("models")
def test_two_controllers_take_each_step_once(world: World) -> None:
    plan = canary(*(SetWeight(n * 1000) for n in range(1, 11)))
    start(world, plan)
    with controllers(world, 2) as two:
        eventually(lambda: rollout(world).phase is Phase.COMPLETED)
    assert sum(c.sent for c in two) == len(plan.steps)
    assert len(asked(world)) >= len(plan.steps)
    for record, change in asked(world):
        now = change.document.rollout
        assert now
        of_step = request_of(ROUTE, now.id, f"step {now.step}", change.replaces)
        assert record.command.request_id == of_step, "two controllers have one id for one step"
    assert world.state().routes[ROUTE].head.revision == 2 + len(plan.steps)


@pytest.mark.usefixtures("models")
def test_another_controller_goes_on_where_one_stopped(world: World) -> None:
    start(world, canary(SetWeight(1000), Pause(), SetWeight(BUCKETS)))
    with controllers(world):
        eventually(lambda: rollout(world).step == 1)
    route = world.state().routes[ROUTE]
    world.send(advance(plan_text.load(rollout(world).plan), route, world.state().now).change)
    with controllers(world):
        eventually(lambda: rollout(world).phase is Phase.COMPLETED)


@pytest.mark.usefixtures("models")
def test_a_paused_rollout_waits_until_it_is_resumed(world: World) -> None:
    start(world, canary(SetWeight(1000), SetWeight(BUCKETS)))
    world.send(pause(world.state().routes[ROUTE], "lunch"))
    with controllers(world) as (controller,):
        before = controller.looks
        eventually(lambda: controller.looks > before + 3)
        assert rollout(world).step == 0
        world.send(resume(world.state().routes[ROUTE]))
        eventually(lambda: rollout(world).phase is Phase.COMPLETED)


@pytest.mark.usefixtures("models")
def test_a_frozen_route_is_left_alone_also_by_a_new_controller(world: World) -> None:
    start(world, canary(SetWeight(1000), Pause(50), SetWeight(BUCKETS)))
    world.send(RouteFrozen(ROUTE, frozen=True))
    for _ in range(2):
        with controllers(world) as (controller,):
            eventually(lambda: controller.looks > 3)
    assert asked(world) == [], "it does not even try"
    world.send(RouteFrozen(ROUTE, frozen=False))
    with controllers(world):
        eventually(lambda: rollout(world).phase is Phase.COMPLETED)


@pytest.mark.usefixtures("models")
def test_what_its_rights_forbid_is_told_once_and_never_written(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    start(world, canary(SetWeight(1000), SetWeight(BUCKETS)))
    world.send(PolicySet(LEAD, (Right(Act.ROUTE, ("*",), (), ("operator",)),)))
    with controllers(world) as (controller,), caplog.at_level("ERROR", "modelwire.controller"):
        eventually(lambda: controller.looks > 5 and len(caplog.messages) > 0)
        assert asked(world) == []
        (told,) = caplog.messages
        assert "E_ROLE" in told
        world.send(PolicySet(LEAD))
        eventually(lambda: rollout(world).phase is Phase.COMPLETED)


@pytest.mark.usefixtures("models")
def test_it_waits_for_the_end_of_a_blackout_and_goes_on_though_the_log_was_quiet(
    world: World,
) -> None:
    start(world, canary(SetWeight(1000), SetWeight(BUCKETS)))
    now = world.state().now
    end = now + 3000
    world.send(PolicySet(LEAD, blackouts=(Blackout(now - 1000, end),)))
    with controllers(world):
        eventually(lambda: rollout(world).phase is Phase.COMPLETED, within=30)
    made = [a for a in world.state().routes[ROUTE].timeline if a.automatic]
    assert len(made) == len(asked(world)) == 2, "nothing that is refused was written"
    assert all(accepted.effective >= end for accepted in made)


@pytest.mark.usefixtures("models")
def test_an_abort_wins_over_a_promotion_from_the_same_base(world: World) -> None:
    start(world, canary(SetWeight(1000), Pause()))
    with controllers(world):
        eventually(lambda: rollout(world).step == 1)
    state = world.state()
    late = advance(plan_text.load(rollout(world).plan), state.routes[ROUTE], state.now).change
    world.send(RolloutAborted(ROUTE, "r1"))
    lost = submit(world.log, NAMESPACE, late, By("promoter")).verdict
    assert not lost.accepted
    assert rollout(world).phase is Phase.ABORTED
    assert world.state().routes[ROUTE].head.document.sole_version() == "1"
    with controllers(world) as (controller,):
        eventually(lambda: controller.looks > 3)
    assert rollout(world).phase is Phase.ABORTED


def test_a_change_that_cannot_be_written_down_leaves_other_rollouts_alone(
    world: World, models: Models
) -> None:
    other = "a-late"  # it is looked at first
    metric = Metric("two\nlines", Query(Measure.ERROR_RATE), most=0.1)
    of_other = Plan(
        other,
        ROUTE,
        "1",
        "2",
        "canary",
        Split(salt=other),
        (Analyse(("guard",)),),
        templates=(Template("guard", (metric,)),),
        ready_deadline=0,
    )
    world.flip("1", other)
    models.route(other).wait_until_ready(READY_S)
    world.send(begin(of_other, world.state().routes[other], "r2", world.state().now))
    start(world, canary(SetWeight(1000), SetWeight(BUCKETS)))
    with listening() as heard, controllers(world) as (controller,):
        eventually(lambda: rollout(world).phase is Phase.COMPLETED)
        assert controller.sent == 2
    faults = [line for line in heard.lines(logging.ERROR) if other in line]
    assert len(faults) == 1, "it is said once"
    assert "E_WORD: metric 'two\\nlines' is no valid word" in faults[0]
    assert world.state().routes[other].head.revision == 2


class Slow(SystemClock):
    """A clock of a machine on which eleven seconds pass between two glances at it."""

    def __init__(self) -> None:
        self._glances = count()

    def monotonic_ns(self) -> int:
        """Return a time in ns that never falls."""
        return next(self._glances) * 11_000_000_000


@pytest.mark.usefixtures("models")
def test_a_controller_that_is_too_slow_asks_for_nothing_and_says_so(
    world: World,
) -> None:
    start(world, canary(SetWeight(BUCKETS)))
    with listening() as heard, controllers(world, clock=Slow()):
        eventually(lambda: "E_STALE_DECISION: a look took " in str(heard.lines(logging.WARNING)))
    assert asked(world) == []
    with controllers(world):
        eventually(lambda: rollout(world).phase is Phase.COMPLETED)
