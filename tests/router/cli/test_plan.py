"""`modelwire plan` on the terminal: on real keys, on a real fleet, writing nothing."""

from pathlib import Path

import pytest

from modelwire.door import connect
from modelwire_router.demo.files import flights
from tests.router.cli.desk import Desk
from tests.router.rollouts import BY_PLANE
from tests.waiting import eventually

ROUTE = "flights-late"
FILE = (
    BY_PLANE
    + """\
  strategy:
    canary:
      steps:
        - setWeight: 10
        - pause: {}
        - setWeight: 100
"""
)
DOCUMENT = """
route: flights-late
rules: [{variants: [{version: "1", weight: 50}, {version: "2", weight: 50}]}]
"""


@pytest.fixture
def fed(route: Desk) -> Desk:
    route.ok("feed", "flights", flights(), "--key-field", "tailnum", "--limit", 3000)
    return route


def test_each_step_says_which_share_of_the_newest_keys_it_moves(fed: Desk) -> None:
    file, end = fed.write("canary.yaml", FILE), fed.end()
    rows = fed.data("plan", "-f", file, "--in", "flights", "--last", 2000)
    assert [row["step"] for row in rows] == ["begin", "weight 10 %", "pause", "weight 100 %"]
    assert rows[1]["keys"] == pytest.approx(0.1, abs=0.04)
    assert rows[1]["keys"] + rows[3]["keys"] == pytest.approx(1)
    assert rows[3]["versions"] == {"2": 1.0}
    assert fed.end() == end


def test_shares_of_weights_need_no_stream(route: Desk) -> None:
    rows = route.data("plan", "-f", route.write("canary.yaml", FILE))
    assert rows[1] == {"route": ROUTE, "step": "weight 10 %", "weights": "2 10 %, 1 90 %"}


def test_a_routing_document_is_planned_too(fed: Desk) -> None:
    said = fed.ok("plan", "-f", fed.write("half.yaml", DOCUMENT), "--in", "flights")
    header, row = said.out.splitlines()
    assert header.split() == [
        "ROUTE",
        "STEP",
        "WEIGHTS",
        "EVENTS",
        "KEYS",
        "KEYS_IN_ALL",
        "VERSIONS",
    ]
    assert row.split()[:2] == [ROUTE, "apply"]
    assert "has anything to fetch" in said.err


def test_a_live_instance_is_told_with_the_bytes_that_it_lacks(route: Desk) -> None:
    with connect(route.url, application="app", cache=route.folder / "cache") as models:
        models.route(ROUTE).wait_until_ready(20)
        eventually(lambda: route.data("fleet")[0]["versions"] == "1 serving")
        rows = route.data("plan", "-f", route.write("canary.yaml", FILE))
    (release,) = [r for r in route.data("releases") if r["version"] == "2"]
    (fetch,) = [row for row in rows if "instance" in row]
    assert (fetch["version"], fetch["bytes"], fetch["fits"]) == ("2", release["bytes"], None)


def test_records_that_are_no_events_are_left_out(fed: Desk) -> None:
    lines: Path = fed.write("more.jsonl", '{"tailnum": "N1"}\n')
    fed.ok("feed", "few", lines, "--key-field", "tailnum")
    rows = fed.data("plan", "-f", fed.write("canary.yaml", FILE), "--in", "few")
    assert {row["keys"] for row in rows} <= {0.0, 1.0}


BAD: dict[str, tuple[list[object], str, int]] = {
    "no stream": (["--in", "nothing"], "E_NO_STREAM", 3),
    "no events": (["--in", "flights", "--last", 0], "E_OPTION", 5),
    "too many events": (["--in", "flights", "--last", 10**9], "E_OPTION", 5),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line(route: Desk, name: str) -> None:
    words, code, exit_code = BAD[name]
    said = route("plan", "-f", route.write("canary.yaml", FILE), *words)
    assert (said.code, said.err.partition(":")[0]) == (exit_code, code)
    assert (said.out, said.err.count("\n")) == ("", 1)


def test_a_version_that_is_not_released_is_refused(route: Desk) -> None:
    file = route.write("canary.yaml", FILE.replace('candidate: "2"', 'candidate: "9"'))
    said = route("plan", "-f", file)
    assert (said.code, said.err.split()[1]) == (5, "E_UNKNOWN_VERSION:")
