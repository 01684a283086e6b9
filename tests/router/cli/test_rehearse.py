"""`modelwire rehearse` on the terminal: on real flights, with real models, writing nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pytest

from modelwire.control.commands import By, submit
from modelwire.control.reading import fold_log
from modelwire.door import connect
from modelwire_log.contract import Message, Place
from modelwire_log.open import open_log
from modelwire_router.demo.bomb import bomb_release
from modelwire_router.demo.files import flights, model
from modelwire_router.retained import newest_events
from tests.router.cli.desk import Desk
from tests.router.rollouts import BY_PLANE, GUARDS

ROUTE = "flights-late"
LAST = 2_000
STEPS = """\
  strategy:
    canary:
      steps:
        - setWeight: 10
        - analysis: {templates: [guards]}
        - setWeight: 100
"""
METRICS = """\
    - {name: errors, query: error_rate, max: 0.05, minSamples: 500}
    - {name: quality, query: log_loss(late), compare: relative, max: 1.02, minSamples: 500}
    - {name: load, query: event_rate, min: 1}
    - {name: drift, query: psi(late), max: 0.2, dryRun: true}
"""
FILE = BY_PLANE + STEPS + GUARDS + METRICS
LABELS = (
    *("--labels", "landings", "--label-field", "arr_delay", "--at-least", 15),
    *("--label-id", "flight_id", "--event-id", "flight_id"),
)


@pytest.fixture(scope="module")
def fed(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Return a terminal with flights and landings, which nothing in this module changes."""
    desk = Desk(tmp_path_factory.mktemp("rehearse"))
    for version in ("1", "2", "3"):
        desk.ok("publish", ROUTE, model(f"v{version}"), "--version", version)
    desk.ok("flip", ROUTE, "1")
    desk.ok("feed", "flights", flights(), "--key-field", "tailnum", "--limit", 3000)
    desk.ok("feed", "landings", flights(), "--limit", 3000)
    with open_log(desk.url) as log:
        contract = fold_log(log, "default").releases[ROUTE]["1"].contract
        submit(log, "default", bomb_release(model("bomb"), ROUTE, "6", contract), By("x"))
        log.create("nothing", 2)
        log.create("prose", 1)
        log.append_batch("prose", [Message(b"hello"), Message(b"[1]")])
    return desk


def everything(desk: Desk) -> dict[str, int]:
    with open_log(desk.url) as log:
        return {
            name: sum(log.end(Place(name, p)) + 1 for p in range(count))
            for name, count in log.streams().items()
        }


def file(desk: Desk, candidate: str = "2", change: Callable[[str], str] = str) -> Path:
    text = change(FILE.replace('candidate: "2"', f'candidate: "{candidate}"'))
    return desk.write("rollout.yaml", text)


def rehearsed(fed: Desk, desk: Desk, candidate: str, *words: object) -> tuple[int, dict[str, Any]]:
    """Return the exit code, and the row."""
    path = file(desk, candidate)
    words = ("rehearse", "-f", path, "--in", "flights", "--last", LAST, *words)
    said = fed("--json", *words)
    (row,) = said.rows
    return said.code, row


def by_name(rows: list[dict[str, Any]], name: str) -> dict[str, dict[str, Any]]:
    return {row[name]: row for row in rows}


def test_a_better_version_passes_and_nothing_is_written(fed: Desk, desk: Desk) -> None:
    before = everything(fed)
    code, row = rehearsed(fed, desk, "2", *LABELS)
    assert (code, row["judgement"], row["events"]) == (0, "pass", LAST)
    found = by_name(row["findings"], "metric")
    assert {name: f["judgement"] for name, f in found.items()} == {
        "errors": "pass",
        "quality": "pass",
        "drift": "fail",
    }
    assert found["drift"]["dry_run"]
    assert row["unseen"] == ["load"]
    assert row["labels"]["matched"] > 1.9 * LAST
    words = ("rehearse", "-f", fed.write("f.yaml", FILE), "--in", "flights", "--last", 500)
    assert "of 1,000 predictions, of both, got a label\n" in fed(*words, *LABELS).err
    assert "label: none has both --label-field and --label-id" in fed(*words, *LABELS[:6]).err
    loss = by_name(row["compared"], "measure")["log_loss"]
    assert loss["candidate"] < 0.7 * loss["stable"]
    assert everything(fed) == before


def test_a_worse_version_fails_with_one(fed: Desk, desk: Desk) -> None:
    code, row = rehearsed(fed, desk, "3", *LABELS)
    assert (code, row["judgement"]) == (1, "fail")
    found = by_name(row["findings"], "metric")
    assert found["quality"]["judgement"] == "fail"
    assert found["quality"]["measured"] > found["quality"]["limit"]


def test_the_numbers_are_those_of_the_newest_events(fed: Desk, desk: Desk) -> None:
    with open_log(fed.url) as log:
        newest = newest_events(log, "flights", 500)
    answers: dict[str, npt.NDArray[np.float64]] = {}
    url = f"sqlite:///{desk.folder}/other.db"
    other = Desk(desk.folder, url)
    other.publish("1", "2")
    other.ok("flip", ROUTE, "1")
    other.ok("flip", "other", "2", "--model", ROUTE)
    with connect(url, application="app", cache=desk.folder / "cache") as models:
        for version, name in (("1", ROUTE), ("2", "other")):
            route = models.route(name)
            route.wait_until_ready(20)
            found = route.predict_batch(list(newest.fields)).outputs["late"]
            answers[version] = np.asarray(found, np.float64).ravel()
    words = ("rehearse", "-f", file(desk), "--in", "flights", "--last", 500)
    (row,) = fed.data(*words)
    mean = by_name(row["compared"], "measure")["mean_difference"]
    apart = float((answers["2"] - answers["1"]).mean())
    assert mean["samples"] == 500
    assert mean["candidate"] == pytest.approx(apart, abs=1e-6)
    assert mean["low"] < apart < mean["high"]
    assert mean["stable"] == pytest.approx(float(answers["1"].mean()), abs=1e-6)


def test_people_see_tables_and_bars(fed: Desk, desk: Desk) -> None:
    said = fed.ok("rehearse", "-f", file(desk), "--in", "flights", "--last", LAST)
    assert said.out.startswith("flights-late  1 → 2  on the newest 2,000 events of flights\n")
    assert "mean_difference(late)" in said.out
    assert "█" in said.out
    (quality,) = [line for line in said.out.splitlines() if line.startswith("quality ")]
    assert quality.split()[1] == "too_few"
    assert "load shows only while it is live" in said.err


@pytest.mark.parametrize(("name", "begin"), [("x.png", b"\x89PNG"), ("x.html", b"<!doctype html>")])
def test_it_draws_a_picture(fed: Desk, desk: Desk, name: str, begin: bytes) -> None:
    path = desk.folder / name
    fed.ok("rehearse", "-f", file(desk), "--in", "flights", "--last", 600, "--plot", path)
    assert path.read_bytes().startswith(begin)


def test_events_that_both_cannot_take_are_errors_by_code(desk: Desk) -> None:
    desk.publish("1", "2")
    good = orjson.loads(_first_flight(desk))
    lines = [orjson.dumps({**good, "distance": "far"} if n % 4 == 0 else good) for n in range(400)]
    desk.ok("feed", "odd", desk.write("odd.jsonl", b"\n".join([*lines, b""])))
    with open_log(desk.url) as log:
        log.append_batch("odd", [Message(b"no JSON")] * 3)
    said = desk("--json", "rehearse", "-f", file(desk), "--in", "odd")
    (row,) = said.rows
    assert said.code == 1  # a fourth of them, and the limit is a twentieth
    assert (row["events"], row["left_out"]) == (400, 3)
    assert list(row["errors"].values()) == [{"candidate": 100, "stable": 100}]
    shown = desk("rehearse", "-f", file(desk), "--in", "odd")
    assert f"errors {next(iter(row['errors']))}" in shown.out
    assert "3 of the newest records are no JSON objects" in shown.err


def _first_flight(desk: Desk) -> bytes:
    desk.ok("feed", "few", flights(), "--limit", 1, "--partitions", 1)
    with open_log(desk.url) as log:
        return log.read(Place("few", 0), -1, 1)[0].value


def test_every_rollout_of_a_file_is_rehearsed(fed: Desk, desk: Desk) -> None:
    rollout = FILE.partition("---")[0]
    second = rollout.replace("name: flights-late", "name: other").replace(
        'stable: "1"', 'model: flights-late\n  stable: "1"'
    )
    path = desk.write("two.yaml", f"{FILE}---\n{second}")
    rows = fed.data("rehearse", "-f", path, "--in", "flights", "--last", 300)
    assert [row["route"] for row in rows] == [ROUTE, "other"]


INPUTS = """    - {name: delays, query: input_drift(dep_delay), max: 0.2, minSamples: 500}
    - {name: odd, query: outliers, max: 0.02, minSamples: 500}
"""


def test_inputs_are_held_against_the_sample_of_the_release(desk: Desk) -> None:
    desk.publish("1")
    desk.ok("publish", ROUTE, model("v2"), "--version", "2", "--sample", flights())
    desk.ok("feed", "flights", flights(), "--limit", 2000)
    with open_log(desk.url) as log:
        events = newest_events(log, "flights", 2000).fields
    late = [orjson.dumps({**event, "dep_delay": 900.0}) for event in events]
    desk.ok("feed", "late", desk.write("late.jsonl", b"\n".join([*late, b""])))
    path = file(desk, change=lambda text: text + INPUTS)
    said = {s: desk("--json", "rehearse", "-f", path, "--in", s) for s in ("flights", "late")}
    found = {s: by_name(one.rows[0]["findings"], "metric") for s, one in said.items()}
    assert {s: f["delays"]["judgement"] for s, f in found.items()} == {
        "flights": "pass",
        "late": "fail",
    }
    assert found["flights"]["odd"]["judgement"] == "pass"
    assert (said["flights"].code, said["late"].code) == (0, 1)


def test_a_candidate_without_a_sample_is_refused_where_one_is_needed(fed: Desk, desk: Desk) -> None:
    path = file(desk, change=lambda text: text + INPUTS)
    said = fed("rehearse", "-f", path, "--in", "flights")
    assert (said.code, said.err.partition(":")[0], said.out) == (5, "E_NO_SAMPLE", "")


BAD: dict[str, tuple[str, list[object], str, int]] = {
    "no stream": ("2", ["--in", "nowhere"], "E_NO_STREAM", 3),
    "an empty stream": ("2", ["--in", "nothing"], "E_NO_EVENTS", 3),
    "no events in it": ("2", ["--in", "prose"], "E_NO_EVENTS", 3),
    "a candidate that nobody released": ("9", [], "E_UNKNOWN_VERSION", 3),
    "a candidate that fails its probe": ("6", [], "E_PROBE", 5),
    "none": ("2", ["--last", 0], "E_OPTION", 5),
    "less than none": ("2", ["--last", -5], "E_OPTION", 5),
    "too many": ("2", ["--last", 10**9], "E_OPTION", 5),
    "a picture of no known kind": ("2", ["--plot", "x.gif"], "E_OPTION", 5),
    "a picture in no folder": ("2", ["--plot", "/no/such/x.png"], "E_OPTION", 5),
    "labels without a field": ("2", ["--labels", "landings"], "E_OPTION", 5),
    "a field without labels": ("2", ["--label-field", "arr_delay"], "E_OPTION", 5),
    "no stream of labels": (
        "2",
        ["--labels", "nowhere", "--label-field", "late"],
        "E_NO_STREAM",
        3,
    ),
    "labels for no output": ("2", [*LABELS, "--output", "early"], "E_OPTION", 5),
    "a file that is not there": ("2", ["-f", "/no/such.yaml"], "E_NO_FILE", 3),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line(fed: Desk, desk: Desk, name: str) -> None:
    candidate, words, code, exit_code = BAD[name]
    before = everything(fed)
    said = fed("rehearse", "-f", file(desk, candidate), "--in", "flights", *words)
    assert said.err.startswith(code), said.err
    assert (said.code, said.out, said.err.count("\n")) == (exit_code, "", 1)
    assert "expected" in said.err or ";" in said.err, "it does not say what to do"
    assert everything(fed) == before


def test_a_withdrawn_candidate_is_refused(route: Desk) -> None:
    route.ok("feed", "flights", flights(), "--limit", 10)
    route.ok("withdraw", ROUTE, "2", "--reason", "x")
    said = route("rehearse", "-f", file(route), "--in", "flights")
    assert (said.code, said.err.partition(":")[0]) == (5, "E_WITHDRAWN")
