"""A controller that is killed at every append of a rollout; another one ends it all the same."""

import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from modelwire_log.kafka.log import KafkaLog
from modelwire_log.kafka.setup import create_topics
from modelwire_router.rollout.plan import Pause, SetWeight
from modelwire_schemas.rollout import Phase
from modelwire_schemas.routing import BUCKETS, RoutingDocument
from tests.system.begun import begun, canary, controlled
from tests.system.broker import Broker
from tests.waiting import eventually
from tests.world import ROUTE, World

PLAN = canary(SetWeight(100), Pause(200), SetWeight(2500), SetWeight(5000), SetWeight(BUCKETS))
pytestmark = pytest.mark.timeout(180)

BEGUN = 2
"""The revision at which the rollout begins: the first one gives version 1 everything."""


def revision(world: World) -> int:
    return world.state().routes[ROUTE].head.revision


def carry_on(world: World, upto: int) -> None:
    """Run a controller of its own until it has appended a revision, and kill it there."""
    with controlled(world) as controller:
        eventually(lambda: revision(world) >= upto, within=30, what=f"revision {upto}")
        controller.kill()


def end(world: World) -> RoutingDocument:
    """Return the last document; when its step began differs from run to run."""
    document = world.state().routes[ROUTE].head.document
    assert document.rollout
    rollout = replace(document.rollout, started=0, since=0)
    return replace(document, rollout=rollout)


def killed_and_not(killed: World, whole: World) -> None:
    last = BEGUN + len(PLAN.steps)
    carry_on(whole, last)
    for upto in range(BEGUN + 1, last + 1):
        carry_on(killed, upto)
    found = end(killed)
    assert found.rollout
    assert found.rollout.phase is Phase.COMPLETED
    assert (found, revision(killed)) == (end(whole), last)


def test_a_controller_killed_at_every_append_ends_like_one_that_was_not(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/log.db"
    with (
        begun(url, tmp_path / "killed", PLAN, "killed") as (killed, _),
        begun(url, tmp_path / "whole", PLAN, "whole") as (whole, _),
    ):
        killed_and_not(killed, whole)


@pytest.mark.system
def test_on_kafka_too_it_ends_like_one_that_was_not(kafka_broker: Broker, tmp_path: Path) -> None:
    spaces = [f"{name}-{uuid.uuid4().hex[:8]}" for name in ("killed", "whole")]
    with KafkaLog(kafka_broker.url) as log:
        for space in spaces:
            create_topics(log, space, 1)
    with (
        begun(kafka_broker.url, tmp_path / "killed", PLAN, spaces[0]) as (killed, _),
        begun(kafka_broker.url, tmp_path / "whole", PLAN, spaces[1]) as (whole, _),
    ):
        killed_and_not(killed, whole)
