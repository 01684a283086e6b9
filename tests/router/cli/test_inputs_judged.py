"""Real flights against a sample of January: shifted ones take a candidate back, others do not."""

import csv
import gzip
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from modelwire.control.reading import fold_log
from modelwire_log.open import open_log
from modelwire_router.demo.files import flights, model
from tests.processes import modelwire, running
from tests.router.cli.desk import Desk
from tests.router.outside.servers import Server, send, serving
from tests.router.rollouts import BY_PLANE, HALF
from tests.waiting import eventually

pytestmark = pytest.mark.timeout(180)

ROUTE = "flights-late"
FLIGHTS = 6_000

Changed = Callable[[Mapping[str, str]], dict[str, str]]

BESIDE = (
    (
        *("score", "--route", ROUTE, "--in", "flights", "--out", "scores"),
        *("--watch", "dep_delay", "--watch", "visib"),
    ),
    ("controller", "--every", "0.1"),
)

METRICS = """\
    - {name: delays, query: input_drift(dep_delay), max: 0.2, minSamples: 1000, interval: 1s}
    - {name: outliers, query: outliers, max: 0.02, minSamples: 1000, interval: 1s}
"""


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(send(200, b"{}")) as made:
        yield made


def january() -> list[dict[str, str]]:
    with gzip.open(flights(), "rt", encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["month"] == "1"]


def written(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def published(desk: Desk) -> None:
    rows = january()
    random.Random(1).shuffle(rows)  # noqa: S311 - what is drawn is no secret
    sample = written(desk.folder / "january.csv", rows)
    for version in ("1", "2"):
        words = ("--sample", sample) if version == "2" else ()
        desk.ok("publish", ROUTE, model(f"v{version}"), "--version", version, *words)
    desk.ok("flip", ROUTE, "1")


def outcome(desk: Desk) -> tuple[str, dict[str, str]]:
    """Return how the rollout stands, and the fields in which metrics have failed."""
    (row,) = desk.data("get", ROUTE)
    failed = [f for f in row["findings"] if f["judgement"] == "fail"]
    return row["phase"], {f["metric"]: f["detail"].partition(":")[0] for f in failed}


def holds(desk: Desk) -> bool:
    with open_log(desk.url) as log:
        head = fold_log(log, desk.namespace).routes[ROUTE].head
    return head.effective < time.time() * 1000


def delayed(row: Mapping[str, str]) -> dict[str, str]:
    return {**row, "dep_delay": str(float(row["dep_delay"] or 0) + 30)}


def in_kilometres(row: Mapping[str, str]) -> dict[str, str]:
    return {**row, "visib": f"{float(row['visib']) * 1.609:.2f}" if row["visib"] else ""}


@pytest.mark.parametrize(
    ("changed", "phase", "failed"),
    [
        (dict, "completed", {}),
        (delayed, "rolled_back", {"delays": "dep_delay"}),
        (in_kilometres, "rolled_back", {"outliers": "visib"}),
    ],
    ids=["as-in-january", "half-an-hour-later", "another-unit"],
)
def test_flights_unlike_the_sample_of_the_release_take_a_candidate_back(
    desk: Desk, server: Server, changed: Changed, phase: str, failed: dict[str, str]
) -> None:
    published(desk)
    events = written(desk.folder / "events.csv", [changed(row) for row in january()[:FLIGHTS]])
    with open_log(desk.url) as log:
        for stream in ("flights", "scores"):
            log.create(stream, 4)
    hooks = f'  hooks: [{{type: retrain-wanted, url: "{server.url}"}}]\n'
    desk.ok("apply", "-f", desk.write("rollout.yaml", BY_PLANE + hooks + HALF + METRICS))
    with ExitStack() as held:
        for verb in BESIDE:
            held.enter_context(running(*modelwire("--log", desk.url, *verb)))
        eventually(lambda: desk.data("get", ROUTE)[0]["step"] == "1/3", within=40)
        eventually(lambda: holds(desk), what="the first step to hold for events of now")
        desk.ok("feed", "flights", events, "--key-field", "tailnum")
        eventually(lambda: outcome(desk)[0] != "progressing", within=60)
        eventually(lambda: len(server.asked) == len(failed))
    assert outcome(desk) == (phase, failed)
    for request in server.asked:
        assert request.json["type"] == "retrain-wanted"
        assert [found["metric"] for found in request.json["findings"]] == list(failed)


@pytest.mark.parametrize(
    ("query", "published_with", "told"),
    [
        ("input_drift", False, "has no sample for inputs"),
        ("outliers(dep_delay)", False, "has no sample for inputs"),
        ("outliers(speed)", True, "visib, not of speed for inputs"),
        ("input_drift", True, "has a sample of 500 events, inputs needs 1000"),
    ],
)
def test_a_rollout_that_needs_a_sample_is_refused_without_one(
    desk: Desk, query: str, *, published_with: bool, told: str
) -> None:
    sample = written(desk.folder / "few.csv", january()[:500])
    words = ("--sample", sample) if published_with else ()
    for version in ("1", "2"):
        desk.ok("publish", ROUTE, model(f"v{version}"), "--version", version, *words)
    desk.ok("flip", ROUTE, "1")
    metric = f"    - {{name: inputs, query: {query}, max: 0.2}}\n"
    file = desk.write("rollout.yaml", BY_PLANE + HALF + metric)
    desk.ok("lint", file)
    end = desk.end()
    said = desk("apply", "-f", file)
    assert (said.code, desk.end()) == (5, end)
    assert said.err.startswith(f"{file}:7:14: E_NO_SAMPLE: ")
    assert told in said.err
    assert "--sample EVENTS" in said.err
