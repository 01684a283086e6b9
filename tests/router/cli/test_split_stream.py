"""A stream is split from a terminal: what it says, how it ends, what it refuses."""

import os
import random
import signal
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import orjson
import pytest

from modelwire_log.open import open_log
from modelwire_router.demo.files import flights
from tests.processes import modelwire, running
from tests.router.cli.desk import Desk
from tests.waiting import eventually

ROUTE = "flights-late"
WORDS = ("split-stream", "--route", ROUTE, "--in", "flights")
KILLS = 8


def feed(desk: Desk, count: int) -> None:
    desk.ok("feed", "flights", flights(), "--key-field", "tailnum", "--limit", count)


def ids(desk: Desk, *streams: str) -> Counter[str]:
    rows = [row for stream in streams for row in desk.data("read", stream)]
    return Counter(row["headers"]["modelwire-id"] for row in rows)


def all_ids(desk: Desk) -> set[str]:
    return {f"flights/{row['partition']}/{row['offset']}" for row in desk.data("read", "flights")}


def test_a_splitter_says_how_many_events_went_where(route: Desk) -> None:
    feed(route, 300)
    said = route.ok(*WORDS, "--until-end")
    assert said.out == "300 events: 300 to flights.1\n"
    assert "splitting flights by route flights-late as group split-flights-late" in said.err
    assert route.data(*WORDS, "--until-end") == [{"events": 0, "dead": 0, "streams": {}}]
    row = route.data("read", "flights.1", "--last", 1)[0]
    why = orjson.loads(row["headers"]["modelwire"])
    assert (why["version"], why["reason"], row["value"]["tailnum"]) == ("1", "sole", row["key"])


def test_versions_go_to_the_streams_that_are_named(route: Desk) -> None:
    feed(route, 50)
    named = ("--out", "colour-{version}", "--to", "1=blue", "--group", "another")
    assert route.data(*WORDS, *named, "--until-end")[0]["streams"] == {"blue": 50}


BAD = {
    "a stream that is not there": (("--in", "none"), "E_NO_STREAM", 3),
    "a pattern without versions": (("--out", "flights.blue"), "E_PATTERN", 5),
    "a pattern with another word": (("--out", "flights.{variant}"), "E_PATTERN", 5),
    "a version without a stream": (("--to", "1"), "expected VERSION=STREAM", 2),
    "a stream without a version": (("--to", "=blue"), "expected VERSION=STREAM", 2),
    "a version that is none": (("--to", "a b=blue"), "E_VERSION", 5),
    "a version twice": (("--to", "1=a", "--to", "1=b"), "names a version twice", 2),
    "fields of what is not looked at": (("--opaque", "--key-field", "x"), "E_FIELD", 5),
    "a beginning that is none": (("--from", "monday"), "--from monday", 2),
    "a route that is none": (("--route", "a b"), "E_NAME", 5),
    "a route without rules": (("--route", "new", "--ready-timeout", 0.1), "E_NOT_READY", 6),
    "a stream that is split into itself": (
        ("--to", "1=flights", "--ready-timeout", 0.5),
        "E_STREAM",
        6,
    ),
}


@pytest.mark.parametrize(("words", "said", "code"), BAD.values(), ids=BAD)
def test_bad_input_is_told_and_nothing_is_handed_on(
    route: Desk, words: tuple[object, ...], said: str, code: int
) -> None:
    feed(route, 5)
    answer = route(*WORDS, *words, "--until-end")
    assert (answer.code, said in answer.err) == (code, True), answer.err
    with open_log(route.url) as log:
        assert not log.positions(f"split-{ROUTE}")
    assert route.size("flights") == 5
    assert sum(route.size(stream) for stream in ("flights.1", "blue", "a", "b")) == 0


def test_splitters_killed_at_random_moments_lose_and_double_nothing(
    route: Desk, tmp_path: Path
) -> None:
    chance = random.Random(4)  # noqa: S311 - the same moments in every run
    command = modelwire("--log", route.url, *WORDS)
    cache = {**os.environ, "MODELWIRE_CACHE": str(tmp_path / "cache")}
    feed(route, 1000)
    for killed in range(KILLS):
        before = route.size("flights.1") + route.size("flights.2")
        with running(*command, **cache) as splitter:
            more = before + chance.randint(1, 400)
            enough = partial(_handed_on, route, more)
            feed(route, 500)
            eventually(enough, within=20)
            splitter.kill()
        route.ok("split", ROUTE, f"1={10 * killed}", f"2={100 - 10 * killed}")
    with ExitStack() as both:
        splitters = [both.enter_context(running(*command, **cache)) for _ in range(2)]
        for splitter in splitters:
            while not splitter.hear_error().startswith("splitting"):
                pass
        whole = route.size("flights")
        eventually(partial(_handed_on, route, whole), within=30)
        for splitter in splitters:
            splitter.send(signal.SIGTERM)
            code, out, errors = splitter.end()
            assert code == 0, errors
            assert "events" in out
    got = ids(route, "flights.1", "flights.2")
    assert got == Counter(all_ids(route))
    assert min(route.size("flights.1"), route.size("flights.2")) > 0


def _handed_on(desk: Desk, count: int) -> bool:
    return desk.size("flights.1") + desk.size("flights.2") >= count
