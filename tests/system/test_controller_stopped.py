"""A controller that is stopped in the middle: by its machine for a while, or by an operator."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from modelwire.control.reading import control_place, read_past
from modelwire.control.state import RouteState, Verdict
from modelwire_log.kafka.log import KafkaLog
from modelwire_log.kafka.setup import create_topics
from modelwire_router.controller import FRESH_MS
from modelwire_router.rollout.plan import Pause, SetWeight
from modelwire_schemas.rollout import Phase, Rollout
from modelwire_schemas.routing import BUCKETS, RolloutAborted, RouteFrozen
from tests.system.begun import (
    ROLLOUT,
    begun,
    canary,
    controlled,
    go_on,
    held,
    log_time,
    passed,
    read_up_to,
    stop,
)
from tests.system.broker import Broker
from tests.waiting import eventually
from tests.world import ROUTE, World

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

LONG_MS = 30_000
A_WHILE_MS = FRESH_MS + 500
"""How long a controller is stopped: longer than what it has decided counts."""


@pytest.fixture
def kafka(kafka_broker: Broker) -> tuple[str, str]:
    namespace = f"stopped-{uuid.uuid4().hex[:8]}"
    with KafkaLog(kafka_broker.url) as log:
        create_topics(log, namespace, 1)
    return kafka_broker.url, namespace


@pytest.fixture
def sqlite(tmp_path: Path) -> tuple[str, str]:
    return f"sqlite:///{tmp_path}/log.db", "prod"


@pytest.fixture(params=["sqlite", "kafka"])
def place(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Return the URL of a log and a namespace on it."""
    found: tuple[str, str] = request.getfixturevalue(request.param)
    return found


def route(world: World) -> RouteState:
    return world.state().routes[ROUTE]


def rollout(world: World) -> Rollout:
    found = route(world).head.document.rollout
    assert found
    return found


def completed(world: World) -> bool:
    return rollout(world).phase is Phase.COMPLETED


def end(world: World) -> int:
    return world.log.end(control_place(world.namespace))


def verdicts(world: World, after: int) -> Iterator[Verdict]:
    """Yield what became of the commands behind an offset."""
    for step in read_past(world.log, world.namespace):
        if step.verdict.offset > after:
            yield step.verdict


def test_a_controller_that_was_stopped_during_an_abort_appends_nothing(
    place: tuple[str, str], tmp_path: Path
) -> None:
    url, namespace = place
    plan = canary(SetWeight(1000), Pause(1000), SetWeight(BUCKETS))
    with (
        begun(url, tmp_path / "begun", plan, namespace) as (world, _),
        controlled(world) as controller,
    ):
        eventually(lambda: rollout(world).step == 1, within=30)
        stop(controller)
        over = rollout(world).since + 1000
        world.send(RolloutAborted(ROUTE, ROLLOUT))
        aborted = end(world)
        eventually(partial(passed, world, over), what="the pause to be over")
        go_on(controller)
        eventually(lambda: read_up_to(world, aborted), within=20)
        assert end(world) == aborted
        assert rollout(world).phase is Phase.ABORTED
        assert route(world).head.document.sole_version() == "1"


@pytest.mark.soak
def test_what_was_decided_before_a_controller_was_stopped_has_no_effect_behind_it(
    sqlite: tuple[str, str], kafka: tuple[str, str], tmp_path: Path, *, soak: bool
) -> None:
    """Nobody changes the route meanwhile, but who was ready has gone: only time forbids it."""
    for_ms = LONG_MS if soak else A_WHILE_MS
    with ExitStack() as stack:
        found = [
            stack.enter_context(begun(url, tmp_path / name, canary(SetWeight(BUCKETS)), space))
            for name, (url, space) in {"sqlite": sqlite, "kafka": kafka}.items()
        ]
        controllers = [stack.enter_context(held(world)) for world, _ in found]
        ends = [end(world) for world, _ in found]
        for (world, models), controller in zip(found, controllers, strict=True):
            stack.enter_context(world.connect("onlooker"))
            assert controller.hear() == "decided"
            stop(controller)
            controller.tell("append it")
            models.close()
        for world, _ in found:
            until = log_time(world) + for_ms
            eventually(partial(passed, world, until), within=for_ms / 1000 + 10)
        for (world, _), controller, before in zip(found, controllers, ends, strict=True):
            go_on(controller)
            eventually(partial(read_up_to, world, before + 1), within=20)
            assert [v.code for v in verdicts(world, before)] == ["E_EXPIRED"]
            assert rollout(world).step == 0
            models = stack.enter_context(world.connect())
            models.route(ROUTE)
            assert controller.hear() == "decided", "it looks at what there is now"
            controller.tell("append it")
            eventually(partial(completed, world))


def test_a_freeze_in_the_middle_of_a_step_stops_all_at_once_and_outlives_the_controller(
    place: tuple[str, str], tmp_path: Path
) -> None:
    url, namespace = place
    steps = [SetWeight(weight) for weight in range(400, BUCKETS + 1, 400)]
    with begun(url, tmp_path / "begun", canary(*steps), namespace) as (world, models):
        with controlled(world) as controller:
            eventually(lambda: rollout(world).step >= 3, within=30)
            frozen = world.send(RouteFrozen(ROUTE, frozen=True)).offset
            stood = route(world).head
            eventually(lambda: read_up_to(world, frozen), within=20)
            controller.kill()
        late = [verdict.code for verdict in verdicts(world, frozen)]
        assert late in ([], ["E_FROZEN"]), "one may have been on its way, and had no effect"
        assert stood.automatic
        assert stood.offset < frozen
        with controlled(world) as another:
            name = another.hear_error().split()[0]
            eventually(lambda: read_up_to(world, frozen, name), within=20)
            eventually(lambda: models.status().offset >= frozen)
            assert [verdict.code for verdict in verdicts(world, frozen)] == late
            assert route(world).head == stood
            world.send(RouteFrozen(ROUTE, frozen=False))
            eventually(partial(completed, world), within=60)
