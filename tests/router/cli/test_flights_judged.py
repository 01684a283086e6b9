"""Real flights, whose delays come later: the better version goes on, the worse ones go back."""

import time
from contextlib import ExitStack

import pytest

from modelwire.control.reading import fold_log
from modelwire.control.state import Accepted
from modelwire_log.open import open_log
from modelwire_router.demo.files import flights, model
from tests.processes import modelwire, running
from tests.router.cli.desk import Desk
from tests.router.rollouts import BY_PLANE, HALF
from tests.waiting import eventually

pytestmark = pytest.mark.timeout(180)

ROUTE = "flights-late"
FLIGHTS = 12_000

BESIDE = (
    ("score", "--route", ROUTE, "--in", "flights", "--out", "scores"),
    ("controller", "--every", "0.1"),
    (
        *("join-labels", "--route", ROUTE, "--outputs", "scores", "--labels", "landings"),
        *("--label-field", "arr_delay", "--at-least", 15, "--label-id", "flight_id"),
        *("--events", "flights", "--event-id", "flight_id", "--span", 1),
    ),
)
"""What runs beside the terminal: a scorer, a controller, a join of late labels."""

METRICS = """\
    - {name: errors, query: error_rate, max: 0.01, minSamples: 1000, interval: 1s}
    - {name: quality, query: log_loss(late), compare: relative, max: 1.05, minSamples: 1000,
       interval: 1s}
"""


def outcome(desk: Desk) -> tuple[str, list[str]]:
    """Return how the rollout stands, and which metrics have failed."""
    (row,) = desk.data("get", ROUTE)
    return row["phase"], [f["metric"] for f in row["findings"] if f["judgement"] == "fail"]


def head(desk: Desk) -> Accepted:
    with open_log(desk.url) as log:
        return fold_log(log, desk.namespace).routes[ROUTE].head


@pytest.mark.parametrize(
    ("stable", "candidate", "phase", "failed"),
    [
        ("1", "2", "completed", []),
        ("2", "3", "rolled_back", ["quality"]),
        ("2", "1", "rolled_back", ["quality"]),
    ],
    ids=["better", "broken-in-the-stream", "worse-in-quality-only"],
)
def test_delays_that_come_later_decide_about_a_version(
    desk: Desk, stable: str, candidate: str, phase: str, failed: list[str]
) -> None:
    for version in (stable, candidate):
        desk.ok("publish", ROUTE, model(f"v{version}"), "--version", version)
    with open_log(desk.url) as log:
        for stream in ("flights", "landings", "scores"):
            log.create(stream, 4)
    desk.ok("flip", ROUTE, stable)
    sides = f'stable: "{stable}"\n  candidate: "{candidate}"'
    begin = BY_PLANE.replace('stable: "1"\n  candidate: "2"', sides)
    desk.ok("apply", "-f", desk.write("rollout.yaml", begin + HALF + METRICS))
    with ExitStack() as held:
        for verb in BESIDE:
            held.enter_context(running(*modelwire("--log", desk.url, *verb)))
        eventually(lambda: desk.data("get", ROUTE)[0]["step"] == "1/3", within=40)
        eventually(
            lambda: head(desk).effective < time.time() * 1000,
            what="the first step to hold for events of now",
        )
        desk.ok("feed", "flights", flights(), "--key-field", "tailnum", "--limit", FLIGHTS)
        desk.ok("feed", "landings", flights(), "--limit", FLIGHTS)
        eventually(lambda: outcome(desk)[0] != "progressing", within=60)
    assert outcome(desk) == (phase, failed)
    assert head(desk).at_once == (phase == "rolled_back")
    left = candidate if phase == "completed" else stable
    assert desk.data("status", ROUTE)[0]["shares"] == f"{left} 100 %"
