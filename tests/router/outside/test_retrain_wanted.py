"""A pipeline is told when a rollout ends for quality: from telemetry on a log to a real server."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from modelwire.models import Models
from modelwire_log.envelope import seal
from modelwire_router.changes import together
from modelwire_router.rollout.machine import begin
from modelwire_router.rollout.plan import (
    Analyse,
    Hook,
    HookKind,
    Measure,
    Metric,
    OnFailure,
    Plan,
    Query,
    SetWeight,
    Template,
)
from modelwire_schemas.names import topic
from modelwire_schemas.rollout import Phase, Rollout
from modelwire_schemas.routing import BUCKETS, Split
from modelwire_schemas.telemetry import Outcome, Window
from tests.router.analysis.made import report, sketch, window
from tests.router.controlling import controllers
from tests.router.outside.asked import SECRET
from tests.router.outside.servers import Server, send
from tests.router.outside.verifying import verified
from tests.waiting import eventually
from tests.world import NAMESPACE, READY_S, ROUTE, World, world_on

SPAN = 100
EVENTS = 3000
QUALITY = Metric("brier", Query(Measure.BRIER), most=0.2, interval=SPAN)
ERRORS = Metric("errors", Query(Measure.ERROR_RATE), most=0.2, interval=SPAN)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with world_on(f"memory:{tmp_path.name}", tmp_path) as made:
        made.release("1", "2")
        made.flip("1")
        yield made


@pytest.fixture(autouse=True)
def models(world: World) -> Iterator[Models]:
    with world.connect() as connected:
        connected.route(ROUTE).wait_until_ready(READY_S)
        yield connected


def plan(
    metric: Metric, *hooks: Hook, on_failure: OnFailure = OnFailure.ROLLBACK, route: str = ROUTE
) -> Plan:
    return Plan(
        route,
        ROUTE,
        "1",
        "2",
        "canary",
        Split(salt=ROUTE),
        (SetWeight(BUCKETS // 2), Analyse(("judged",)), SetWeight(BUCKETS)),
        templates=(Template("judged", (metric,)),),
        on_failure=on_failure,
        hooks=hooks,
    )


def start(world: World, *plans: Plan) -> None:
    state = world.state()
    world.send(together([begin(p, state.routes[p.route], "r1", state.now) for p in plans]))


def rollout(world: World) -> Rollout:
    found = world.state().routes[ROUTE].head.document.rollout
    assert found
    return found


def judge(world: World, *, errors: int = 0, brier: float = 0.1) -> None:
    """Report a window of both versions; stable makes no errors, and fits."""
    eventually(lambda: rollout(world).step == 1)
    begun = rollout(world).since // SPAN * SPAN + SPAN
    revision = world.state().routes[ROUTE].head.revision

    def of(version: str, variant: str, errors: int, brier: float) -> Window:
        squared = sketch([brier] * EVENTS).moments
        return replace(
            window(version, events=EVENTS, errors=errors, revision=revision),
            route=ROUTE,
            model=ROUTE,
            variant=variant,
            start=begun,
            span=SPAN,
            outcomes=(Outcome("late", EVENTS, squared_error=squared),),
        )

    told = report(of("2", "candidate", errors, brier), of("1", "stable", 0, 0.1))
    message = seal(told, source="modelwire", time=time.time_ns() // 1_000_000)
    world.log.append(topic(NAMESPACE, "telemetry"), message)


def heard(server: Server) -> list[str]:
    return [request.path for request in server.asked]


@pytest.mark.parametrize(
    ("on_failure", "phase"),
    [(OnFailure.ROLLBACK, Phase.ROLLED_BACK), (OnFailure.PAUSE, Phase.PAUSED)],
)
def test_a_failed_quality_gate_asks_for_training_once_with_its_evidence(
    world: World, server: Server, on_failure: OnFailure, phase: Phase
) -> None:
    hook = Hook(HookKind.RETRAIN_WANTED, f"{server.url}/train")
    start(world, plan(QUALITY, hook, on_failure=on_failure))
    server.answering = lambda handler: send(500 if len(server.asked) < 2 else 200)(handler)
    with controllers(world, 2, secret=SECRET):
        judge(world, brier=0.4)
        eventually(lambda: rollout(world).phase is phase)
        eventually(lambda: len(server.asked) == 2)  # it was busy at first
    assert len(server.asked) == 2
    first, again = server.asked
    assert first.json == again.json
    verified(SECRET, again.headers["X-Modelwire-Signature"], again.body)
    said = again.json
    assert said["type"] == "retrain-wanted"
    assert (said["route"], said["model"], said["candidate"], said["rollout"]) == (
        ROUTE,
        ROUTE,
        "2",
        "r1",
    )
    (found,) = said["findings"]
    assert (found["metric"], found["judgement"], found["samples"]) == ("brier", "fail", EVENTS)
    assert found["measured"] == pytest.approx(0.4)
    assert found["limit"] == 0.2


def test_who_hears_of_everything_tells_the_two_notices_of_a_rollback_apart(
    world: World, server: Server
) -> None:
    start(world, plan(QUALITY, Hook(HookKind.EVENT, server.url)))
    with controllers(world):
        judge(world, brier=0.4)
        eventually(lambda: rollout(world).phase is Phase.ROLLED_BACK)
    last = [request.json for request in server.asked][-2:]
    assert [said["type"] for said in last] == ["rollback", "retrain-wanted"]
    assert last[0]["id"] != last[1]["id"]


def test_errors_ask_for_no_training(world: World, server: Server) -> None:
    hooks = (
        Hook(HookKind.RETRAIN_WANTED, f"{server.url}/train"),
        Hook(HookKind.ROLLBACK, f"{server.url}/back"),
    )
    start(world, plan(ERRORS, *hooks))
    with controllers(world):
        judge(world, errors=EVENTS // 2)
        eventually(lambda: rollout(world).phase is Phase.ROLLED_BACK)
        eventually(lambda: heard(server))
    assert heard(server) == ["/back"]


def test_of_routes_that_go_back_together_only_the_one_that_failed_asks_for_training(
    world: World, server: Server, models: Models
) -> None:
    before, other = f"a-{ROUTE}", f"z-{ROUTE}"
    for route in (before, other):
        world.flip("1", route)
        models.route(route).wait_until_ready(READY_S)
    start(
        world,
        *(
            plan(QUALITY, Hook(HookKind.RETRAIN_WANTED, f"{server.url}/{route}"), route=route)
            for route in (before, ROUTE, other)
        ),
    )
    with controllers(world):
        judge(world, brier=0.4)
        eventually(lambda: rollout(world).phase is Phase.ROLLED_BACK)
    assert world.state().routes[before].head.document.sole_version() == "1"
    assert heard(server) == [f"/{ROUTE}"]
