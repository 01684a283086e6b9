"""What answers although its release has run out is seen by whoever is on call."""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelwire.clock import ManualClock
from modelwire.config import read_config
from modelwire.control.commands import By, submit
from modelwire.hooks import Hooks
from modelwire.models import Models
from modelwire_log.memory.log import MemoryLog
from modelwire_router.changes import flip
from modelwire_router.fleet import newest_reports
from modelwire_router.readiness import readiness
from modelwire_router.reports import Reports
from modelwire_router.rollout.machine import advance, begin
from modelwire_router.rollout.plan import Hook, HookKind, Plan, SetWeight
from modelwire_router.views import fleet_rows, route_rows
from modelwire_schemas.fleet import RUN_OUT, FleetReport
from modelwire_schemas.routing import BUCKETS, Split
from tests.models.good import with_version_id
from tests.router.cli.desk import Desk
from tests.router.controlling import controllers
from tests.router.outside.servers import Server
from tests.waiting import eventually
from tests.world import (
    AT_ONCE,
    NAMESPACE,
    READY_S,
    ROUTE,
    World,
    event,
    listening,
    release_of,
    world_on,
)

DAY = timedelta(days=1) // timedelta(milliseconds=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(int(time.time() * 1000))


@pytest.fixture
def world(clock: ManualClock, tmp_path: Path) -> Iterator[World]:
    with MemoryLog(clock=clock.now) as log:
        made = World(log.url, tmp_path, log, NAMESPACE)
        made.release("1")
        until = clock.now() + DAY
        made.send(replace(release_of(with_version_id(2), "2"), valid_until=until))
        made.flip("1")
        yield made


@pytest.fixture
def models(world: World, clock: ManualClock) -> Iterator[Models]:
    """Return an application that lives by the log's clock, as all do, but a turned one."""
    config = read_config({}, log=world.url, namespace=NAMESPACE, cache=world.folder / "cache")
    with Models(config, world.log, clock=clock, hooks=Hooks()) as connected:
        connected.route(ROUTE).wait_until_ready(READY_S)
        yield connected


def codes(report: FleetReport) -> dict[str, str]:
    return {v.version: v.code for v in report.versions if v.code}


def checks(desk: Desk) -> dict[str, Any]:
    return {row["check"]: row for row in desk("--json", "doctor").rows}


def warned(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith(RUN_OUT)]


def test_an_application_warns_once_and_tells_the_fleet(
    world: World, models: Models, clock: ManualClock
) -> None:
    with listening() as heard:
        world.flip("2")
        eventually(lambda: models.route(ROUTE).predict(event()).served_by == "2")
        clock.advance(DAY - 1)
        assert codes(models.status()) == {}
        clock.advance(1)
        assert [codes(models.status()) for _ in range(3)] == [{"2": RUN_OUT}] * 3
        (warning,) = warned(heard.lines(logging.WARNING))
    assert f"late 2 answers although its release ran out, route {ROUTE}, valid until 2" in warning

    def reports() -> list[tuple[FleetReport, int]]:
        return newest_reports(world.log, NAMESPACE)

    eventually(lambda: codes(reports()[0][0]) == {"2": RUN_OUT})
    (row,) = fleet_rows(reports(), clock.now())
    assert (row["expired"], row["refused"]) == ("2", "")
    (row,) = route_rows(world.state(), [], ROUTE, clock.now())
    assert row["expired"] == ["2"]
    users = Reports(reports()).of(ROUTE)
    assert readiness(users, ROUTE, "2", 0, clock.now()).share == 1.0, "it is no refusal"
    back = flip(world.state(), ROUTE, "1", model=ROUTE, when=AT_ONCE)
    submit(world.log, NAMESPACE, back, By("ada"), clock=clock).verdict.check()
    eventually(lambda: codes(models.status()) == {})


@pytest.mark.usefixtures("models")
def test_the_controller_warns_once_and_tells_who_hears_of_events(
    world: World, clock: ManualClock, server: Server
) -> None:
    hook = Hook(HookKind.EVENT, server.url)
    whole = Plan(
        ROUTE, ROUTE, "1", "2", "basic", Split(salt=ROUTE), (SetWeight(BUCKETS),), hooks=(hook,)
    )
    world.send(begin(whole, world.state().routes[ROUTE], "r1", clock.now()))
    world.send(advance(whole, world.state().routes[ROUTE], clock.now(), full=True).change)
    clock.advance(DAY)
    with listening() as heard, controllers(world, clock=clock) as (controller,):
        eventually(lambda: len(server.asked) == 1)
        looks = controller.looks
        eventually(lambda: controller.looks > looks + 3)
    assert warned(heard.lines(logging.WARNING))
    (said,) = [request.json for request in server.asked]
    assert (said["type"], said["route"], said["at"]) == ("event", ROUTE, clock.now())
    assert said["text"].startswith(RUN_OUT)


def test_the_doctor_and_the_table_of_the_fleet_name_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    with world_on(desk.url, tmp_path, desk.namespace) as world:
        world.release("1")
        world.flip("1")
        soon = int(time.time() * 1000) + 1500
        world.send(replace(release_of(with_version_id(2), "2"), valid_until=soon))
        world.flip("2")
        assert [r["ok"] for r in desk("--json", "doctor").rows if r["check"] == "releases"] == [
            True
        ]
        eventually(lambda: time.time() * 1000 > soon)
        with world.connect() as models:
            models.route(ROUTE).wait_until_ready(READY_S)
            eventually(lambda: desk.data("fleet")[0]["expired"] == "2")
            assert "serves 2, whose release has run out" in desk.ok("fleet").err
            rows = checks(desk)
        assert not rows["releases"]["ok"]
        assert rows["releases"]["found"].startswith(RUN_OUT)
        assert rows["fleet"]["ok"]
        assert "serves 2, whose release has run out" in desk.ok("status").err
