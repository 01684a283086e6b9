"""Rollouts from the terminal: begin one from a file, look at it, promote, pause, abort, retry."""

import json
import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from modelwire.clock import SystemClock
from modelwire.door import connect
from modelwire.models import Models
from tests.processes import modelwire, running
from tests.router.cli.desk import Desk
from tests.router.rollouts import BY_PLANE
from tests.waiting import eventually

ROUTE = "flights-late"

CANARY = (
    BY_PLANE
    + """\
  strategy:
    canary:
      steps:
        - setWeight: 10
        - pause: {}
        - setWeight: 50
        - pause: {}
        - setWeight: 100
"""
)


@pytest.fixture
def file(route: Desk) -> Path:
    return route.write("canary.yaml", CANARY)


@pytest.fixture
def live(route: Desk) -> Iterator[Models]:
    with connect(route.url, application="app", cache=route.folder / "cache") as models:
        models.route(ROUTE).wait_until_ready(20)
        yield models


def standing(desk: Desk) -> tuple[str, str]:
    (row,) = desk.data("get", ROUTE)
    return row["phase"], row["step"]


def test_a_rollout_begins_with_a_candidate_that_gets_nothing(route: Desk, file: Path) -> None:
    said = route.ok("apply", "-f", file)
    assert f"{ROUTE}: canary 1 → 2, 5 steps" in said.out
    assert standing(route) == ("progressing", "0/5")
    assert "○ weight 50 %" in route.ok("get", ROUTE).out
    assert "waits for readiness" in route.ok("get", ROUTE).out


def test_a_rollout_may_be_written_as_json(route: Desk, file: Path) -> None:
    text = json.dumps(yaml.safe_load(file.read_text()))
    assert route("diff", "-f", route.write("canary.json", text)).code == 1
    route.ok("apply", "-f", route.write("canary.json", text))
    assert standing(route) == ("progressing", "0/5")
    assert route("diff", "-f", file).code == 0


def test_a_second_rollout_is_refused_while_one_is_under_way(route: Desk, file: Path) -> None:
    route.ok("apply", "-f", file)
    other = route.write("other.yaml", CANARY.replace("setWeight: 10\n", "setWeight: 20\n"))
    said = route("apply", "-f", other)
    assert (said.code, said.err.partition(":")[0]) == (4, "E_ROLLOUT")


def test_a_file_that_is_applied_again_changes_nothing_unless_it_was_taken_back(
    route: Desk, file: Path
) -> None:
    route.ok("apply", "-f", file)
    for words in (["promote", ROUTE], ["promote", ROUTE, "--full"]):
        route.ok(*words)
        end = route.end()
        assert route.ok("apply", "-f", file).out == f"{ROUTE}: unchanged\n"
        assert route.end() == end
    route.ok("flip", ROUTE, "1")
    route.ok("apply", "-f", file)
    route.ok("abort", ROUTE)
    route.ok("apply", "-f", file)
    assert standing(route) == ("progressing", "0/5")


def test_a_file_for_another_stable_version_is_refused(route: Desk, file: Path) -> None:
    route.ok("flip", ROUTE, "2")
    end = route.end()
    said = route("apply", "-f", file)
    assert (said.code, route.end()) == (5, end)
    assert said.err.startswith(f"{file}:6:11: E_STABLE: the route gives its events to 2, not to 1")


ELSEWHERE = CANARY.replace("flights-late}", "other}").replace("salt: late", "salt: other")


def test_what_does_not_fit_the_log_is_told_at_once_with_its_places(route: Desk) -> None:
    mirror = '  mirror: [{version: "7"}]\n  strategy:'
    text = CANARY.replace('candidate: "2"', 'candidate: "8"').replace("  strategy:", mirror)
    path = route.write("bad.yaml", f"{text}---{ELSEWHERE}")
    route.ok("flip", ROUTE, "2")
    end = route.end()
    wanted = [
        '6:11: E_STABLE: the route gives its events to 2, not to 1; expected stable: "2"',
        "7:14: E_UNKNOWN_VERSION: flights-late 8 is not released",
        "9:22: E_UNKNOWN_VERSION: flights-late 7 is not released",
        "21:18: E_UNKNOWN_MODEL: model other has no release; publish it first",
    ]
    for verb in ("apply", "plan"):
        said = route(verb, "-f", path)
        assert (said.code, said.out, route.end()) == (5, "", end)
        for line, start in zip(said.err.splitlines(), wanted, strict=True):
            assert line.startswith(f"{path}:{start}"), line


def test_a_budget_of_an_output_that_no_version_gives_is_refused(route: Desk) -> None:
    budget = CANARY.replace("setWeight: 50", "exposure: {changedPerHour: 9, output: delay}")
    path, end = route.write("budget.yaml", budget), route.end()
    for verb in ("apply", "plan"):
        said = route(verb, "-f", path)
        assert (said.code, route.end()) == (5, end)
        assert said.err == (
            f"{path}:14:49: E_OUTPUT: output delay is not compared between both versions; "
            "expected one of late\n"
        )
    route.ok("apply", "-f", route.write("budget.yaml", budget.replace("delay", "late")))


def test_a_file_for_another_namespace_is_refused(route: Desk) -> None:
    text = CANARY.replace("{name: flights-late}", "{name: flights-late, namespace: staging}")
    path = route.write("other.yaml", text)
    for verb in ("apply", "diff", "plan"):
        said = route(verb, "-f", path)
        assert said.err.startswith(f"{path}:4:43: E_NAMESPACE: the rollout of flights-late is for")
        assert said.code == 5


def test_a_rollout_is_promoted_by_hand_to_its_end(route: Desk, file: Path) -> None:
    route.ok("apply", "-f", file)
    for step in range(1, 5):
        route.ok("promote", ROUTE)
        assert standing(route) == ("progressing", f"{step}/5")
    route.ok("promote", ROUTE)
    assert standing(route) == ("completed", "5/5")
    assert route.data("status", ROUTE)[0]["shares"] == "2 100 %"
    assert route("promote", ROUTE).code == 5


def test_a_full_promotion_takes_all_steps_in_one_record(route: Desk, file: Path) -> None:
    route.ok("apply", "-f", file)
    route.ok("promote", ROUTE, "--full", "--reason", "it is Friday")
    assert standing(route) == ("completed", "5/5")


def test_an_aborted_rollout_is_back_at_once_and_may_be_retried(route: Desk, file: Path) -> None:
    route.ok("apply", "-f", file)
    route.ok("promote", ROUTE)
    assert route("retry", ROUTE).code == 5
    route.ok("abort", ROUTE, "--reason", "complaints")
    assert standing(route)[0] == "aborted"
    assert route.data("status", ROUTE)[0]["shares"] == "1 100 %"
    route.ok("retry", ROUTE)
    assert standing(route) == ("progressing", "0/5")


def test_a_step_begins_when_it_is_made_however_long_the_log_was_quiet(
    route: Desk, file: Path
) -> None:
    for words in (["apply", "-f", file], ["promote", ROUTE], ["abort", ROUTE], ["retry", ROUTE]):
        before = SystemClock().now()
        route.ok(*words)
        begun = route.data("history", ROUTE)[-1]["rollout"]
        assert before <= begun["since"] <= SystemClock().now(), words


def test_a_schedule_that_has_passed_since_the_last_record_is_refused(route: Desk) -> None:
    now = datetime.fromtimestamp(SystemClock().now() / 1000, UTC)
    text = (
        BY_PLANE.partition("  split")[0] + f"  schedule: {{at: {now.isoformat()}, clock: event}}\n"
    )
    said = route("apply", "-f", route.write("at.yaml", text + "  strategy: {basic: {}}\n"))
    assert (said.code, said.err.split()[1]) == (5, "E_SCHEDULE:")


def test_a_paused_rollout_says_so_and_is_resumed(route: Desk, file: Path) -> None:
    route.ok("apply", "-f", file)
    assert route("resume", ROUTE).code == 5
    route.ok("pause", ROUTE, "--reason", "lunch")
    (row,) = route.data("get", ROUTE)
    assert (row["phase"], row["note"]) == ("paused", "lunch")
    route.ok("resume", ROUTE)
    assert standing(route) == ("progressing", "0/5")


def test_what_keeps_a_rollout_from_going_by_itself_is_named(route: Desk, file: Path) -> None:
    said = route.ok("apply", "-f", file)
    assert "no controller is live" in said.err
    assert "also not back: no controller is live" in route.ok("get", ROUTE).out
    (told,) = [line for line in route("doctor").out.splitlines() if "controller " in line]
    assert told.startswith("BAD")
    with running(*modelwire("--log", route.url, "controller", "--every", "0.1")):
        eventually(lambda: route.data("get", ROUTE)[0]["hindrance"] == "")
        assert "nothing goes by itself" not in route.ok("get", ROUTE).out
        policy = "roles: [{may: route, routes: ['*'], roles: [operator]}]"
        route.ok("policy", "set", "-f", route.write("policy.yaml", policy))
        assert "no controller may route flights-late" in route.ok("get", ROUTE).out
        route.ok("freeze", ROUTE, "--reason", "incident 7")
        (row,) = route.data("get", ROUTE)
        assert row["hindrance"].endswith("incident 7; modelwire unfreeze flights-late")
    route.ok("abort", ROUTE)
    assert route.data("get", ROUTE)[0]["hindrance"] == ""
    assert "ok  controller" in route("doctor").out


def test_who_approves_a_rollout_sees_all_that_it_will_do(route: Desk, file: Path) -> None:
    policy = "approvals: [{routes: ['*'], needed: 1}]"
    route.ok("policy", "set", "-f", route.write("policy.yaml", policy))
    route.ok("apply", "-f", file, "--propose")
    (row,) = route.data("proposals")
    assert row["what"] == f"{ROUTE}: 2 0 %, 1 100 %; canary 1 → 2, 5 steps"
    assert route.data("history")[-1]["what"] == f"propose {row['what']}"


def test_a_wait_tells_how_rollouts_stand_and_where_to_look(route: Desk, file: Path) -> None:
    route.ok("apply", "-f", file)
    route.ok("pause", ROUTE, "--reason", "lunch")
    said = route("status", ROUTE, "--wait", "--timeout", "1")
    stands = f"{ROUTE} paused, step 0: lunch"
    assert said.code == 6
    assert said.err.splitlines() == [
        stands,
        f"E_TIMEOUT: 1 not over after 1 s, {stands}; modelwire get {ROUTE} says why",
    ]


def test_a_watch_into_a_pipe_repeats_nothing_for_seconds_that_pass(route: Desk) -> None:
    text = CANARY.replace("        - setWeight: 10\n        - pause: {}\n", "", 1).replace(
        "        - setWeight: 50\n        - pause: {}", "        - pause: {duration: 3s}"
    )
    route.ok("apply", "-f", route.write("short.yaml", text))
    with connect(route.url, application="app", cache=route.folder / "cache") as models:
        models.route(ROUTE).wait_until_ready(20)
        with running(*modelwire("--log", route.url, "controller", "--every", "0.1")):
            said = route.ok("get", ROUTE, "-w")
    assert "of pause" in said.out
    shown = re.split(r"^(?=flights-late  )", said.out, flags=re.MULTILINE)
    timeless = [re.sub(r"\d+ s of", "of", block) for block in shown]
    assert all(one != other for one, other in pairwise(timeless))
    assert "✓ weight 100 %" in said.out


def test_a_file_is_compared_with_what_runs(route: Desk, file: Path) -> None:
    assert route("diff", "-f", file).code == 1
    route.ok("apply", "-f", file)
    assert route("diff", "-f", file).code == 0
    other = route.write("other.yaml", CANARY.replace("setWeight: 50", "setWeight: 60"))
    said = route("--json", "diff", "-f", other)
    assert (said.code, [row["field"] for row in said.rows]) == (1, ["steps"])


def test_a_route_without_a_rollout_says_how_one_begins(route: Desk) -> None:
    said = route("get", ROUTE)
    assert said.code == 3
    assert "E_NO_ROLLOUT" in said.err
    assert "modelwire apply -f" in said.err


@pytest.mark.usefixtures("live")
def test_the_controller_takes_the_steps_and_ends_by_a_signal(route: Desk, file: Path) -> None:
    route.ok("apply", "-f", file)
    with running(*modelwire("--log", route.url, "controller", "--every", "0.1")) as controller:
        eventually(lambda: standing(route) == ("progressing", "1/5"), within=30)
        route.ok("promote", ROUTE)
        eventually(lambda: standing(route) == ("progressing", "3/5"), within=30)
        route.ok("promote", ROUTE)
        eventually(lambda: standing(route)[0] == "completed", within=30)
        controller.send(signal.SIGTERM)
        code, out, err = controller.end()
    assert (code, out) == (0, "3 changes\n")
    assert f"{ROUTE}: step 5 of 5" in err


@pytest.mark.usefixtures("live")
def test_status_waits_for_the_end_of_a_rollout_and_exits_by_what_became_of_it(
    route: Desk, file: Path
) -> None:
    route.ok("apply", "-f", file)
    assert route("status", ROUTE, "--wait", "--timeout", 0.5).code == 6
    route.ok("promote", ROUTE, "--full")
    assert route("status", ROUTE, "--wait", "--timeout", 20).code == 0
    route.ok("flip", ROUTE, "1")
    route.ok("apply", "-f", file)
    route.ok("abort", ROUTE)
    assert route("status", ROUTE, "--wait", "--timeout", 20).code == 7


@pytest.mark.usefixtures("live")
def test_status_exits_with_7_when_a_rollout_it_waits_for_was_taken_away(
    route: Desk, file: Path
) -> None:
    route.ok("apply", "-f", file)
    wait = ("--log", route.url, "status", ROUTE, "--wait", "--timeout", "20")
    with running(*modelwire(*wait)) as waiting:
        assert waiting.hear_error() == f"{ROUTE} progressing, step 0"
        route.ok("undo", ROUTE)
        code, out, _ = waiting.end()
    assert (code, "1 100 %" in out) == (7, True)


UNDER_WAY = {
    "abort of nothing": (["abort", ROUTE], "E_NO_ROLLOUT", 3),
    "promotion of nothing": (["promote", ROUTE], "E_NO_ROLLOUT", 3),
    "retry of nothing": (["retry", ROUTE], "E_NO_ROLLOUT", 3),
    "abort of no route": (["abort", "nobody"], "E_UNKNOWN_ROUTE", 3),
    "freeze of no route": (["freeze", "nobody", "--reason", "x"], "E_UNKNOWN_ROUTE", 3),
    "end of a freeze of no route": (["unfreeze", "nobody", "--reason", "x"], "E_UNKNOWN_ROUTE", 3),
    "confirmation of no route": (["confirm", "nobody"], "E_UNKNOWN_ROUTE", 3),
    "approval of nothing": (["approve", "99"], "E_NO_PROPOSAL", 3),
    "undo to nowhere": (["undo", ROUTE, "--to", "99"], "E_NO_EARLIER", 3),
}


@pytest.mark.parametrize(("words", "code", "exit_code"), UNDER_WAY.values(), ids=UNDER_WAY)
def test_what_is_not_there_is_not_found(
    route: Desk, words: list[str], code: str, exit_code: int
) -> None:
    end = route.end()
    said = route(*words)
    assert (said.code, said.err.partition(":")[0], route.end()) == (exit_code, code, end)
    assert "expected" in said.err or ";" in said.err


@pytest.mark.parametrize("verb", ["abort", "promote", "pause", "resume"])
def test_an_ended_rollout_ends_once(route: Desk, file: Path, verb: str) -> None:
    route.ok("apply", "-f", file)
    route.ok("abort", ROUTE)
    end = route.end()
    said = route(verb, ROUTE)
    told = "E_ROLLOUT_OVER: the rollout is aborted, route flights-late; modelwire retry"
    assert (said.code, said.err.startswith(told), route.end()) == (5, True, end), said.err


AB = (
    CANARY.partition("  split")[0]
    + """
  strategy: {ab: {endsAt: 2100-01-01T00:00:00Z}}
  routes:
    - name: long-haul
      match: {matchExpressions: [{key: event.distance, operator: Ge, values: [1000]}]}
      split: {salt: long-haul}
      to: [{version: "1", weight: 50}, {version: "2", weight: 50}]
"""
)


def test_an_end_that_is_scheduled_is_not_there_yet(route: Desk) -> None:
    route.ok("apply", "-f", route.write("ab.yaml", AB))
    route.ok("promote", ROUTE)
    route.ok("promote", ROUTE)
    (row,) = route.data("get", ROUTE)
    assert row["phase"] == "scheduled"
    assert row["waits_for"] == "events of 2100-01-01T00:00:00Z"
    assert [(s["step"], s["done"]) for s in row["steps"]] == [
        ("the experiment begins", True),
        ("the experiment ends", False),
    ]


ROLLING = (
    CANARY.partition("  split")[0]
    + """
  strategy: {rolling: {topic: flights, partitions: 3, batch: 2}}
"""
)


def test_a_rolling_release_tells_how_many_partitions_moved(route: Desk) -> None:
    route.ok("apply", "-f", route.write("rolling.yaml", ROLLING))
    route.ok("promote", ROUTE)
    eventually(lambda: route.data("status", ROUTE)[0]["revision"] == 3, what="the first batch")
    assert route.data("status", ROUTE)[0]["shares"] == "2 on 2 partitions, 1 on the rest"
