"""`modelwire explain` and `history` within rollouts: the right document, its step, its evidence."""

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import pytest

from modelwire.control.commands import By, submit
from modelwire.control.reading import fold_log
from modelwire.control.state import RouteState
from modelwire_log.open import open_log
from modelwire_router.rollout import machine
from modelwire_router.rollout.plan import Plan
from modelwire_router.rollout.plan_text import load
from modelwire_schemas.rollout import Finding, Judgement
from modelwire_schemas.routing import RoutingChanged
from tests.router.cli.desk import Desk
from tests.router.rollouts import BY_PLANE, HALF
from tests.waiting import eventually

ROUTE = "flights-late"
FILE = f"{BY_PLANE}{HALF}    - {{name: errors, query: error_rate, max: 0.01}}\n"
GOOD = Finding("errors", Judgement.PASS, 7, 0.002, 0.001, 0.01, 4_000, 4_100)
BAD = Finding("errors", Judgement.FAIL, 9, 0.25, 0.001, 0.01, 5_000, 5_100, "99 % sure")
MACHINE = By("controller-1", "step", role="controller", cause="controller")
EVENT = ("--event", '{"tailnum": "%s"}')


def head(desk: Desk) -> RouteState:
    with open_log(desk.url) as log:
        return fold_log(log, desk.namespace).routes[ROUTE]


def holds(desk: Desk) -> bool:
    return time.time() * 1000 > head(desk).head.effective


def now(desk: Desk) -> int:
    """Return the present, once the newest document holds."""
    eventually(partial(holds, desk))
    return int(time.time() * 1000)


def made(desk: Desk, make: Callable[[Plan, RouteState, int], RoutingChanged]) -> int:
    """Append a change as a controller would; return a time at which it holds."""
    with open_log(desk.url) as log:
        state = fold_log(log, desk.namespace)
        route = state.routes[ROUTE]
        rollout = route.head.document.rollout
        assert rollout is not None
        change = make(load(rollout.plan), route, state.now)
        submit(log, desk.namespace, change, MACHINE, state=state).verdict.check()
    return now(desk)


def stepped(found: Finding) -> Callable[[Plan, RouteState, int], RoutingChanged]:
    def make(plan: Plan, route: RouteState, at: int) -> RoutingChanged:
        looked = machine.Look(at + 60_000, findings={"guards": (found,)})
        step = machine.next_step(plan, route, looked)
        assert step is not None
        return step.change

    return make


def asked(plane: str, *more: object) -> list[object]:
    return ["explain", ROUTE, EVENT[0], EVENT[1] % plane, *more]


@pytest.fixture
def began(route: Desk) -> tuple[Desk, int]:
    """Return a terminal with a rollout whose first step holds, and a time before it."""
    before = now(route)
    eventually(lambda: time.time() * 1000 > before + 2)
    route.ok("apply", "-f", route.write("canary.yaml", FILE), "--reason", "winter")
    now(route)
    made(route, lambda plan, state, at: machine.advance(plan, state, at).change)
    return route, before


def moved(desk: Desk) -> str:
    """Return a plane that the candidate has."""
    planes = (f"N{number}" for number in range(40))
    return next(p for p in planes if desk.data(*asked(p))[0]["version"] == "2")


def test_a_step_is_named_with_its_rollout_and_who_made_it(began: tuple[Desk, int]) -> None:
    desk, before = began
    (row,) = desk.data(*asked(moved(desk)))
    assert (row["variant"], row["by"], row["cause"]) == ("candidate", "controller-1", "controller")
    rollout = row["rollout"]
    told = {name: rollout[name] for name in ("strategy", "stable", "candidate", "step", "steps")}
    assert told == {"strategy": "canary", "stable": "1", "candidate": "2", "step": 1, "steps": 3}
    assert (rollout["phase"], rollout["done"]) == ("progressing", "weight 50 %")
    assert rollout["next"] == "analysis guards"
    text = desk.ok(*asked(moved(desk))).out
    assert ": canary 1 → 2, step 1 of 3 (weight 50 %), progressing, then analysis guards" in text
    assert "by controller-1 (controller) at control offset" in text
    (then,) = desk.data(*asked(moved(desk), "--at", before))
    assert (then["version"], then["rollout"], then["scored_now"]) == ("1", None, None)


def test_the_numbers_behind_a_step_are_told(began: tuple[Desk, int]) -> None:
    desk, _ = began
    made(desk, stepped(GOOD))
    (row,) = desk.data(*asked("N1"))
    (found,) = row["rollout"]["findings"]
    assert (found["metric"], found["judgement"], found["at"]) == ("errors", "pass", 7)
    assert (found["measured"], found["reference"], found["limit"]) == (0.002, 0.001, 0.01)
    assert (found["samples"], found["reference_samples"]) == (4_000, 4_100)
    text = desk.ok(*asked("N1")).out
    assert "  errors: pass  0.002, against 0.001, limit 0.01, n=4,000\n" in text
    assert "step 2 of 3 (analysis guards)" in text


def test_a_time_within_a_rollout_that_was_taken_back_keeps_its_document(
    began: tuple[Desk, int],
) -> None:
    desk, _ = began
    plane, within = moved(desk), int(time.time() * 1000)
    eventually(lambda: time.time() * 1000 > within + 2)
    after = made(desk, stepped(BAD))
    (then,) = desk.data(*asked(plane, "--at", within))
    assert (then["version"], then["rollout"]["phase"]) == ("2", "progressing")
    assert then["scored_now"]["version"] == "1"
    assert "scored only now it would get 1" in desk.ok(*asked(plane, "--at", within)).out
    (last,) = desk.data(*asked(plane, "--at", after))
    assert (last["version"], last["rollout"]["phase"]) == ("1", "rolled_back")
    assert last["rollout"]["findings"][0]["judgement"] == "fail"
    assert (last["scored_now"], last["rollout"]["next"]) == (None, "")
    known = then["known"]
    (again,) = desk.data(*asked(plane, "--at", after, "--offset", known))
    assert again["version"] == "2"


def test_history_shows_steps_and_findings_briefly(began: tuple[Desk, int]) -> None:
    desk, _ = began
    made(desk, stepped(BAD))
    rows = desk.data("history", ROUTE)
    steps = [row["rollout"] and (row["rollout"]["step"], row["rollout"]["phase"]) for row in rows]
    assert steps == [None, (0, "progressing"), (1, "progressing"), (1, "rolled_back")]
    text = desk.ok("history", ROUTE).out.splitlines()
    assert text[0].endswith("ROLLOUT")
    name = rows[-1]["rollout"]["id"]
    assert text[2].endswith(f"{name} step 0/3 begin")
    assert text[-1].endswith(f"{name} step 1/3 weight 50 % rolled_back: errors fail")
    desk.ok("flip", ROUTE, "1")
    assert desk.data("history", ROUTE)[-1]["rollout"] is None


def test_a_change_to_come_is_said(route: Desk) -> None:
    assert route.data("history")[0]["rollout"] is None
    assert "ROLLOUT" not in route.ok("history", ROUTE).out
    route.ok("flip", ROUTE, "2", "--at", "2100-01-01T00:00:00Z")
    (row,) = route.data("explain", ROUTE, "--key", "N1")
    assert (row["version"], row["to_come"]) == ("1", False)
    (later,) = row["scheduled"]
    assert (later["version"], later["revision"], later["from"]) == ("2", 2, 4_102_444_800_000)
    text = route.ok("explain", ROUTE, "--key", "N1").out
    assert "from 2100-01-01T00:00:00Z on revision 2: 2 100 %, this one gets 2, by " in text
    (then,) = route.data("explain", ROUTE, "--key", "N1", "--at", "2100-01-02T00:00:00Z")
    assert (then["version"], then["to_come"], then["scheduled"]) == ("2", True, [])
    text = route.ok("explain", ROUTE, "--key", "N1", "--at", "2100-01-02T00:00:00Z").out
    assert "2 100 %, to come, from 2100-01-01T00:00:00Z" in text


def test_events_older_than_the_log_are_explained_by_all_it_has(route: Desk) -> None:
    route.ok("flip", ROUTE, "2", "--at-once")
    (row,) = route.data("explain", ROUTE, "--key", "N1", "--at", "2013-01-05T00:00:00Z")
    assert (row["version"], row["scored_now"]) == ("2", None)


def test_it_does_without_what_only_controllers_need(began: tuple[Desk, int]) -> None:
    desk, _ = began
    code = (
        "import sys; from modelwire_router.cli.main import run; assert run(sys.argv[1:]) == 0; "
        "assert not {'numpy', 'pydantic', 'yaml'} & sys.modules.keys()"
    )
    for words in (asked("N1"), ["history", ROUTE]):
        subprocess.run(
            [sys.executable, "-c", code, "--log", desk.url, *map(str, words)],
            check=True,
            stdout=subprocess.DEVNULL,
        )


FORCED = """
route: flights-late
force_header: x-version
rules:
  - name: flights
    split: {by: partition}
    variants:
      - {version: "2", partitions: [[flights, 1]]}
      - {version: "1"}
"""


def test_partitions_and_headers_are_asked_for_as_events_have_them(route: Desk) -> None:
    now(route)
    route.ok("apply", "-f", route.write("doc.yaml", FORCED))
    now(route)
    words: dict[str, list[object]] = {
        "partition": ["--source", "flights/1/77"],
        "default": ["--source", "flights/0/77"],
        "forced": ["--header", "x-version=2"],
    }
    found = {name: route.data("explain", ROUTE, *more)[0] for name, more in words.items()}
    assert [row["version"] for row in found.values()] == ["2", "1", "2"]
    assert found["forced"]["reason"] == "forced"
    assert found["partition"]["shares"] == "2 on 1 partitions, 1 on the rest"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--header", "x-version"), "--header x-version"),
        (("--header", "=2"), "--header =2"),
        (("--source", "flights/1"), "--source flights/1"),
        (("--source", "flights/one/2"), "--source flights/one/2"),
    ],
)
def test_what_is_no_header_or_place_is_refused(
    route: Desk, words: tuple[str, ...], what: str
) -> None:
    said = route("explain", ROUTE, *words)
    assert (said.code, said.out) == (5, "")
    assert said.err.startswith(f"E_OPTION: {what}; expected ")
