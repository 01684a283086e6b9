"""A flip waits until the fleet has the version warm, and says who has not, and why."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import orjson
import pytest

from modelwire.control.commands import By, submit
from modelwire.control.reading import fold_log
from modelwire.door import connect
from modelwire.models import Models
from modelwire.serving.route import Route
from modelwire_log.envelope import seal
from modelwire_log.open import open_log
from modelwire_log.sqlite.log import SqliteLog
from modelwire_router.demo.bomb import bomb_release
from modelwire_router.demo.files import flights, model
from modelwire_router.feed import read_events
from modelwire_router.times import show_time
from modelwire_schemas.fleet import VersionReport
from modelwire_schemas.names import topic
from tests.router.cli.desk import Desk
from tests.router.test_readiness import report
from tests.waiting import eventually

ROUTE = "flights-late"
FLIGHT = orjson.loads(next(iter(read_events(flights()))).value)
LATER = (datetime.now(UTC) + timedelta(days=365)).isoformat()


@pytest.fixture
def live(route: Desk) -> Iterator[Models]:
    """Return an application that serves version 1 and is known to the fleet."""
    with connect(route.url, application="app", cache=route.folder / "cache") as models:
        models.route(ROUTE).wait_until_ready(20)
        eventually(lambda: route("why-not", ROUTE, "1").code == 0, within=20)
        yield models


def revisions(desk: Desk) -> list[str]:
    return [row["revision"] for row in desk.data("history", ROUTE)]


def answered_by(route: Route) -> str:
    """Return the version that answers; none does while one makes room for the other."""
    answer = route.predict(FLIGHT, default=None)
    return answer.served_by if answer else ""


def plant_bomb(desk: Desk) -> None:
    """Release version 6 past the publisher; a consumer's probe refuses it."""
    with open_log(desk.url) as log:
        terms = fold_log(log, "default").releases[ROUTE]["1"].contract
        submit(log, "default", bomb_release(model("bomb"), ROUTE, "6", terms), By("x"))


@pytest.mark.usefixtures("live")
def test_a_flip_names_a_cold_version_lets_the_fleet_warm_it_and_then_flips(route: Desk) -> None:
    said = route.ok("flip", ROUTE, "2")
    assert f"{ROUTE}@2 names 2, so that the fleet warms it" in said.err
    assert "2 is ready in 1 instances" in said.err
    assert f"revision {ROUTE}@3, for events from" in said.out
    assert revisions(route) == [f"{ROUTE}@1", f"{ROUTE}@2", f"{ROUTE}@3"]
    assert route.data("why-not", ROUTE, "2")[0]["state"] == "ready"
    route.ok("flip", ROUTE, "1")
    assert len(revisions(route)) == 4, "the version before is still warm"
    assert "back to revision 3, 2" in route.ok("undo", ROUTE).out


def test_a_flip_without_live_instances_is_one_record(route: Desk) -> None:
    route.ok("flip", ROUTE, "2")
    assert len(revisions(route)) == 2
    with connect(route.url, application="app", cache=route.folder / "cache") as models:
        models.route(ROUTE).wait_until_ready(20)
    route.ok("flip", ROUTE, "1")
    assert len(revisions(route)) == 3, "it said goodbye"


def test_a_version_that_instances_refuse_is_not_flipped_to_unless_forced(
    route: Desk, live: Models
) -> None:
    plant_bomb(route)
    said = route("flip", ROUTE, "6")
    assert (said.code, said.out) == (5, "")
    refusal = said.err.splitlines()[-1]
    assert refusal.startswith("E_NOT_READY: 6 is ready in 0 of 1 instances: ")
    assert f"{live.status().instance}: NACK E_PROBE" in refusal
    assert "--force" in refusal
    assert route.data("status", ROUTE)[0]["shares"] == "1 100 %, 6 0 %"
    asked = route("--json", "why-not", ROUTE, "6")
    (row,) = asked.rows
    assert (asked.code, row["state"], row["code"][:7]) == (8, "refused", "E_PROBE")
    route.ok("flip", ROUTE, "6", "--require-ready", "0%")
    route.ok("undo", ROUTE)
    route.ok("flip", ROUTE, "6", "--force")


@pytest.mark.parametrize("policy", ["resource", "availability"])
def test_with_room_for_one_a_resource_first_instance_is_ready_when_it_has_probed(
    route: Desk, policy: str
) -> None:
    room = max(model(name).stat().st_size for name in ("v1", "v2"))
    cache = route.folder / "cache"
    with connect(route.url, cache=cache, memory=room, memory_policy=policy) as models:
        answers = models.route(ROUTE)
        answers.wait_until_ready(20)
        eventually(lambda: route("why-not", ROUTE, "1").code == 0, within=20)
        said = route("flip", ROUTE, "2")
        if policy == "availability":
            assert (said.code, "NACK E_BUDGET" in said.err) == (5, True)
            return
        assert "2 is ready in 1 instances" in said.err
        eventually(lambda: answered_by(answers) == "2", within=20)
        assert ", 1" in route.ok("undo", ROUTE).out
        eventually(lambda: answered_by(answers) == "1", within=20)


@pytest.mark.usefixtures("live")
def test_without_waiting_nothing_is_written(route: Desk) -> None:
    end = route.end()
    said = route("flip", ROUTE, "2", "--wait-ready", 0)
    assert said.code == 5
    assert said.err.startswith("E_NOT_READY: 2 is ready in 0 of 1 instances: ")
    assert route("flip", ROUTE, "9").err.startswith("E_UNKNOWN_VERSION")
    assert route("flip", ROUTE, "2", "--require-ready", "most").err.startswith("E_SHARE")
    assert route.end() == end


@pytest.mark.usefixtures("live")
def test_an_undo_to_what_nobody_has_warm_needs_force(route: Desk) -> None:
    route.publish("3")
    for version in "23":
        route.ok("flip", ROUTE, version)
    eventually(lambda: route("why-not", ROUTE, "1").code == 8, what="1 to be let go")
    assert ", 2" in route.ok("undo", ROUTE).out
    said = route("undo", ROUTE)
    assert said.code == 5
    assert "E_NOT_READY: 1 is ready in 0 of 1 instances" in said.err
    assert f"modelwire flip {ROUTE} 1 warms it first" in said.err
    assert ", 1" in route.ok("undo", ROUTE, "--force").out


def test_why_not_knows_what_there_is(route: Desk) -> None:
    assert route("why-not", "nothing", "1").err.startswith("E_UNKNOWN_ROUTE")
    assert route("why-not", ROUTE, "9").err.startswith("E_UNKNOWN_VERSION")
    said = route.ok("why-not", ROUTE, "2")
    assert f"no instance has opened {ROUTE}" in said.err


def test_why_not_says_for_each_instance_what_it_waits_for(route: Desk) -> None:
    """Of these four one has it, one fetches it, one refused it, and one is silent for a minute."""
    route.ok("flip", ROUTE, "2", "--force")
    now, end = time.time_ns() // 1_000_000, route.end()
    states = {
        "gone": VersionReport(ROUTE, "2", "", "warm"),
        "has": VersionReport(ROUTE, "2", "", "warm"),
        "fetches": VersionReport(ROUTE, "2", "", "fetching", detail="62 %"),
        "refused": VersionReport(ROUTE, "2", "", "failed", "E_DIGEST", "the bytes differ"),
    }
    for name, state in states.items():
        heard = now if name == "gone" else now + 60_000
        with SqliteLog(route.folder / "flights.db", clock=partial(int, heard)) as log:
            reported = report(name, state, offset=end, route=ROUTE)
            log.append(topic("default", "fleet"), seal(reported, source="tests"))
    said = route("--json", "why-not", ROUTE, "2")
    assert {row["instance"]: row["why"] for row in said.rows} == {
        "has": "",
        "fetches": "fetching 62 %",
        "refused": "NACK E_DIGEST the bytes differ",
        "gone": f"not heard of since {show_time(now)}",
    }
    assert said.code == 8
    refusal = route("flip", ROUTE, "1", "--wait-ready", "0").err
    assert refusal.startswith("E_NOT_READY: 1 is ready in 0 of 3 instances: ")
    assert "gone" not in refusal


@pytest.mark.usefixtures("live")
def test_what_is_scheduled_is_warmed_until_then_and_can_be_cancelled(route: Desk) -> None:
    end = route.end()
    route.ok("flip", ROUTE, "2", "--at", LATER)
    assert route.end() == end + 1
    eventually(lambda: route("why-not", ROUTE, "2").code == 0, within=20)
    said = route("flip", ROUTE, "1")
    assert said.code == 5
    assert said.err.startswith("E_SCHEDULED: scheduled is revision 2")
    route.ok("flip", ROUTE, "1", "--cancel")
    assert route.data("status", ROUTE)[0]["scheduled"] == []


def test_several_routes_are_scheduled_and_cancelled_in_one_record(route: Desk) -> None:
    route.ok("flip", "second", "1", "--model", ROUTE)
    one = "- {{route: %s, model: flights-late, rules: [{{variants: [{{version: '{0}'}}]}}]}}\n"
    both = one % ROUTE + one % "second"
    end = route.end()
    later = route.write("2.yaml", both.format(2))
    (row,) = route.data("apply", "-f", later, "--at", LATER)
    assert row["routes"] == {ROUTE: 2, "second": 2}
    assert [len(r["scheduled"]) for r in route.data("status")] == [1, 1]
    now = route.write("1.yaml", both.format(1))
    assert route("apply", "-f", now).err.startswith("E_SCHEDULED")
    route.ok("apply", "-f", now, "--cancel")
    assert [len(r["scheduled"]) for r in route.data("status")] == [0, 0]
    assert route.end() == end + 2
