"""`flip --confirm-within` and `confirm`: what a person types and reads, and what an answer does."""

import time

import pytest

from modelwire.door import connect
from tests.router.cli.desk import Desk
from tests.waiting import eventually

ROUTE = "flights-late"
HOW = f"unless confirmed: modelwire confirm {ROUTE}"
FLIGHT = {
    "carrier": "UA",
    "origin": "EWR",
    "dest": "IAH",
    "distance": 1400.0,
    "sched_hour": 5.0,
    "dep_delay": 2.0,
    "wind_speed": 12.0,
    "precip": 0.0,
    "visib": 10.0,
}


def test_every_look_says_when_it_goes_back_and_a_confirmed_flip_stays(route: Desk) -> None:
    said = route.ok("flip", ROUTE, "2", "--confirm-within", "15m", "--reason", "better")
    assert f"revision {ROUTE}@2, for events from" in said.out
    assert HOW in said.err
    for verb in (["status"], ["status", ROUTE], ["history"], ["explain", ROUTE, "--key", "a"]):
        assert HOW in route.ok(*verb).err
    (row,) = route.data("status")
    assert row["goes_back"] > time.time() * 1000 + 14 * 60_000
    said = route.ok("confirm", ROUTE, "--reason", "looks well")
    assert f"{ROUTE}: revision 2 confirmed, it stays\nrevision {ROUTE}@4" in said.out
    assert HOW not in route.ok("status").err
    again = route("confirm", ROUTE)
    assert (again.code, again.err.split(":")[0]) == (5, "E_NOTHING_TO_CONFIRM")


def test_an_application_goes_back_with_nobody_alive_but_itself(route: Desk) -> None:
    with connect(route.url, application="app", cache=route.folder / "cache") as models:
        late = models.route(ROUTE)
        late.wait_until_ready(20)
        route.ok("flip", ROUTE, "2", "--force", "--confirm-within", "3s")
        eventually(lambda: late.predict(FLIGHT, key="a").routed_to == "2", within=20)
        records = route.end()
        eventually(lambda: late.predict(FLIGHT, key="a").routed_to == "1", within=20)
        assert route.end() == records, "no record was needed"
    said = route("confirm", ROUTE)
    assert (said.code, said.err.split(":")[0]) == (5, "E_WENT_BACK")
    assert "because nobody confirmed revision 2" in route.ok("explain", ROUTE, "--key", "a").out
    assert "1 100 %" in route.ok("status").out


def test_somebody_elses_change_wins_and_is_not_taken_back(route: Desk) -> None:
    route.ok("flip", ROUTE, "2", "--confirm-within", "15m")
    refused = route("split", ROUTE, "1=50", "2=50")
    assert (refused.code, refused.err.split(":")[0]) == (5, "E_SCHEDULED")
    assert "revision 3, which takes 2 back" in refused.err
    route.ok("split", ROUTE, "1=50", "2=50", "--cancel")
    assert HOW not in route.ok("status").err
    assert route.data("status")[0]["scheduled"] == []


def test_an_undo_goes_back_now(route: Desk) -> None:
    route.ok("flip", ROUTE, "2", "--confirm-within", "15m")
    assert "back to revision 1, 1" in route.ok("undo", ROUTE).out
    assert HOW not in route.ok("status").err


def test_a_proposed_flip_waits_from_its_approval_on(
    route: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    said = route.data("flip", ROUTE, "2", "--confirm-within", "15m", "--propose")
    assert HOW not in route.ok("status").err
    monkeypatch.setenv("LOGNAME", "bob")
    route.ok("approve", said[0]["proposal"])
    assert HOW in route.ok("status").err


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ((ROUTE, "2", "--confirm-within", "0s"), "E_DURATION: 0s is no time at all"),
        ((ROUTE, "2", "--confirm-within", "15"), "E_DURATION: '15' is no duration; expected 10m"),
        ((ROUTE, "2", "--confirm-within", "m15"), "E_DURATION: 'm15' is no duration"),
        ((ROUTE, "2", "--confirm-within", "-5m"), "E_DURATION: '-5m' is no duration"),
        ((ROUTE, "2", "--confirm-within", "8d"), "E_CONFIRM_WITHIN: 691200000 ms are more than 7"),
        (("new", "2", "--model", ROUTE, "--confirm-within", "5m"), "E_CONFIRM_WITHIN: a first"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(
    route: Desk, words: tuple[str, ...], fault: str
) -> None:
    end = route.end()
    said = route("flip", *words)
    assert (said.code, said.out, said.err[: len(fault)]) == (5, "", fault)
    assert route.end() == end


def test_a_route_that_is_not_there_cannot_be_confirmed(route: Desk) -> None:
    said = route("confirm", "nobody")
    assert (said.code, said.err.split(":")[0]) == (3, "E_UNKNOWN_ROUTE")
