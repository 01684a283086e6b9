"""`modelwire simulate` on the terminal: rows, seeds, recorded events, pictures, bad input."""

from pathlib import Path

import pytest

from modelwire_router.demo.files import flights
from tests.router.cli.desk import Desk
from tests.router.rollouts import BY_PLANE, GUARDS

STEPS = """\
  strategy:
    canary:
      steps:
        - setWeight: 20
        - analysis: {templates: [guards], duration: 3m}
        - setWeight: 100
      background: {templates: [guards]}
"""
METRICS = """\
    - {name: errors, query: error_rate, compare: relative, max: 3, minSamples: 500}
"""
FILE = BY_PLANE + STEPS + GUARDS + METRICS


@pytest.fixture
def file(desk: Desk) -> Path:
    return desk.write("canary.yaml", FILE)


def test_a_good_one_is_promoted_and_a_bad_one_rolled_back_without_a_log(
    desk: Desk, file: Path
) -> None:
    said = desk(
        "simulate", "-f", file, "--runs", 10, "--errors", 0.002, "--bad-errors", 0.05, log=""
    )
    assert said.code == 0, said.err
    assert said.err.splitlines()[:2] == ["good: errors 0.002", "bad: errors 0.05"]
    good, bad = said.out.splitlines()[1:]
    assert good.split()[:4] == ["good", "promoted", "100", "%"]
    assert bad.split()[:5] == ["bad", "rolled", "back", "100", "%"]
    assert "errors (10)" in bad


def test_rows_are_the_same_for_a_seed_in_one_process_or_two(desk: Desk, file: Path) -> None:
    words = ("simulate", "-f", file, "--runs", 20, "--bad", "--rate", 200)
    first, again = (desk.data(*words, "--processes", count) for count in (1, 2))
    other = desk.data(*words, "--processes", 1, "--seed", 2)
    assert first == again != other
    assert sum(row["runs"] for row in first) == 20
    assert {row["candidate"] for row in first} == {"bad"}


def test_recorded_events_bring_their_keys_and_fields(desk: Desk, file: Path) -> None:
    (row,) = desk.data(
        "simulate",
        "-f",
        file,
        "--good",
        "--runs",
        3,
        "--events",
        flights(),
        "--key-field",
        "tailnum",
    )
    assert row["outcome"] == "promoted"
    share = row["candidate_events"]["median"] / row["events"]["median"]
    assert 0.1 < share < 0.3
    assert share != pytest.approx(0.2, abs=0.001)


def test_a_budget_shows_how_the_share_adapts(desk: Desk, file: Path) -> None:
    budget = "exposure: {changedPerHour: 120, output: late, threshold: 0.5, duration: 1h}"
    text = FILE.replace("setWeight: 20", budget)
    words = ("simulate", "-f", desk.write("budget.yaml", text), "--bad", "--bad-changed", 0.2)
    said = desk.ok(*words, "--rate", 1.4, "--runs", 1).out
    assert said.splitlines()[0].endswith("WEIGHTS")
    assert said.splitlines()[1].endswith(" %")
    (row,) = desk.data(*words, "--rate", 1.4, "--runs", 1)
    shares = [weight["median"] for weight in row["weights"]]
    assert (len(shares), shares[0]) == (10, 0.0)
    assert 5 < shares[-1] < 15
    assert "WEIGHTS" not in desk.ok("simulate", "-f", file, "--good", "--runs", 1).out


@pytest.mark.parametrize(
    ("name", "begins"), [("runs.png", b"\x89PNG"), ("runs.html", b"<!doctype")]
)
def test_runs_are_drawn(desk: Desk, file: Path, name: str, begins: bytes) -> None:
    path = desk.folder / name
    desk.ok("simulate", "-f", file, "--runs", 2, "--plot", path)
    assert path.read_bytes().startswith(begins)


BAD = {
    "no file": (["-f", "none.yaml"], "E_NO_FILE"),
    "no events": (["--events", "none.csv"], "E_NO_FILE"),
    "no rate": (["--rate", "0"], "E_OPTION"),
    "a rate that is none": (["--rate", "nan"], "E_OPTION"),
    "more errors than events": (["--errors", "2"], "E_OPTION"),
    "no runs": (["--runs", "0"], "E_OPTION"),
    "a picture of a kind that there is not": (["--plot", "runs.gif"], "E_OPTION"),
    "a folder that is not there": (["--plot", "/nowhere/runs.png"], "E_OPTION"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line(desk: Desk, file: Path, name: str) -> None:
    words, code = BAD[name]
    said = desk("simulate", "-f", file, *words)
    assert said.err.startswith(code), said.err
    assert said.err.count("\n") == 1
    assert (said.out, said.code in {3, 5}) == ("", True)


def test_a_file_without_a_rollout_is_refused(desk: Desk) -> None:
    templates = desk.write("templates.yaml", FILE.partition("---\n")[2])
    said = desk("simulate", "-f", templates)
    assert (said.code, said.err.partition(":")[0]) == (5, "E_EMPTY")
