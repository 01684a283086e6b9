"""A drill from a terminal: a bad version is taken back, and the real log stays as it was."""

import sqlite3
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager

import pytest

from modelwire_log.contract import Message
from modelwire_log.open import open_log
from modelwire_router.demo.files import flights
from modelwire_router.feed import read_events
from tests.router.cli.desk import Desk
from tests.router.drill.files import BY_KEY, CANARY, ERRORS
from tests.router.rollouts import PLAIN

ROUTE = "flights-late"
UNWATCHED = f"{BY_KEY}    canary: {{steps: [{{setWeight: 30}}, {{setWeight: 100}}]}}\n"
BY_HAND = f"""{PLAIN}
  strategy:
    blueGreen:
      autoPromotion: false
      postPromotionAnalysis: {{templates: [guards], duration: 20s}}
{ERRORS}"""
WAITING = (
    f"{BY_KEY}    canary: {{steps: [{{setWeight: 30}}, {{pause: {{}}}}, {{setWeight: 100}}]}}\n"
)
OUTSIDE = f"""{CANARY.partition("metrics:")[0]}metrics:
    - name: cpu
      max: 1
      provider: {{prometheus: {{address: "http://localhost:1", query: up}}}}
"""


@pytest.fixture
def fed(route: Desk) -> Desk:
    """Return a terminal whose stream `flights` has some."""
    route.ok("feed", "flights", flights(), "--key-field", "tailnum", "--limit", 1500)
    return route


def drill(desk: Desk, text: str, *more: object) -> list[object]:
    path = desk.write("rollout.yaml", text)
    return ["drill", "-f", path, "--in", "flights", "--timeout", "40s", *more]


def content(desk: Desk) -> list[str]:
    """Return all that the file of the real log has."""
    with closing(sqlite3.connect(f"{desk.folder}/flights.db")) as file:
        return list(file.iterdump())


@pytest.mark.parametrize("bad", ["shifted", "failing"])
def test_a_bad_version_is_taken_back_and_nothing_of_it_reaches_the_real_log(
    fed: Desk, bad: str
) -> None:
    before = content(fed)
    words = drill(fed, CANARY, "--last", 1500, "--bad", bad)
    said = fed("--json", *words)
    assert said.code == 0, said.err
    (row,) = said.rows
    assert (row["taken_back"], row["phase"], row["route"]) == (True, "rolled_back", ROUTE)
    assert 0 < row["seconds"] < 40
    assert 0 < row["routed"] < row["events"]
    assert row["served"] + row["failed"] == row["routed"]
    failing = {"shifted": "outputs", "failing": "errors"}[bad]
    assert failing in {f["metric"] for f in row["findings"] if f["judgement"] == "fail"}
    assert (row["failed"] > 0) is (bad == "failing")
    assert "step 1 of 3" in said.err
    assert content(fed) == before


def test_a_file_that_watches_nothing_lets_it_be_promoted(fed: Desk) -> None:
    said = fed(*drill(fed, UNWATCHED, "--last", 100))
    assert said.code == 1
    assert said.out.startswith("not taken back, but promoted: ")


def test_a_person_who_promotes_blindly_is_played_but_not_one_who_would_see_it(fed: Desk) -> None:
    """Before it has any event a pause ends; while it has some, nobody promotes or aborts."""
    flip = fed(*drill(fed, BY_HAND, "--last", 1500, "--bad", "failing"))
    assert flip.code == 0, flip.out
    assert flip.out.startswith("taken back after ")
    waiting = fed(*drill(fed, WAITING, "--last", 100, "--timeout", "3s"))
    assert waiting.code == 1
    assert waiting.out.startswith("not taken back, but still under way: ")


def test_a_drill_goes_by_the_events_that_land(fed: Desk) -> None:
    before = fed.size("flights")
    with _landing(fed):
        said = fed("--json", *drill(fed, CANARY))
    assert said.code == 0, said.err
    assert said.rows[0]["taken_back"]
    assert said.rows[0]["events"] <= fed.size("flights") - before


@contextmanager
def _landing(desk: Desk) -> Generator[None]:
    """Let flights land, a few hundred a second."""
    told = threading.Event()

    def land() -> None:
        again = read_events(flights(), key_field="tailnum")
        with open_log(desk.url) as log:
            while not told.wait(0.02):
                flight = [next(again) for _ in range(8)]
                log.append_batch("flights", [Message(f.value, f.key) for f in flight])

    thread = threading.Thread(target=land)
    thread.start()
    try:
        yield
    finally:
        told.set()
        thread.join()


def test_without_events_it_says_how_to_have_some(fed: Desk) -> None:
    said = fed(*drill(fed, CANARY, "--timeout", "2s"))
    assert said.code == 1
    assert "no event was scored: --last N takes what the stream has" in said.err


BAD: dict[str, tuple[str, tuple[object, ...], str, int]] = {
    "a stream that is not there": (CANARY, ("--in", "none"), "E_NO_STREAM", 3),
    "a way to be bad that is none": (CANARY, ("--bad", "ugly"), "ugly", 2),
    "no events": (CANARY, ("--last", 0), "E_OPTION: --last 0", 5),
    "no rate": (CANARY, ("--last", 5, "--rate", 0), "E_OPTION: --rate 0", 5),
    "a rate that is none": (CANARY, ("--last", 5, "--rate", "nan"), "E_OPTION: --rate nan", 5),
    "no time": (CANARY, ("--timeout", "0s"), "E_DURATION", 5),
    "another route": (CANARY, ("--route", "x"), "E_NO_ROLLOUT", 3),
    "two rollouts": (
        f"{CANARY}---{UNWATCHED.replace('name: flights-late', 'name: b')}",
        (),
        "E_OPTION: the file has rollouts of flights-late, b",
        5,
    ),
    "a file with faults": (CANARY.replace("setWeight: 30", "setWeight: 300"), (), "E_", 5),
    "metrics of others only": (OUTSIDE, (), "E_DRILL", 5),
    "a stable version that nobody released": (
        CANARY.replace('stable: "1"', 'stable: "9"'),
        (),
        "E_UNKNOWN_VERSION",
        3,
    ),
}


@pytest.mark.parametrize(("text", "words", "said", "code"), BAD.values(), ids=BAD)
def test_bad_input_is_told_and_nothing_is_written(
    fed: Desk, text: str, words: tuple[object, ...], said: str, code: int
) -> None:
    before = content(fed)
    answer = fed(*drill(fed, text, *words))
    assert (answer.code, said in answer.err) == (code, True), answer.err
    assert content(fed) == before
