"""The demo, played short: it ends well, by what the log says, and what it tells to try works."""

import shlex
import sys
from pathlib import Path

import pytest

from modelwire_router.demo.files import model
from tests.processes import modelwire, running

pytestmark = pytest.mark.timeout(240)

SHORT = {"canary": 32_000, "shadow": 14_000, "ab": 10_000, "bluegreen": 26_000, "rolling": 18_000}
"""Stories, and how many flights each needs at 1,000 a second where machines are slow."""

SAID = {
    "canary": (
        "controller, 1 → 2: step 5 of 5, weight 100 %",
        "1 → 2, canary: completed",
        "2 → 3, canary: rolled back",
        "quality fail: ",
        "sure, at whichever look",
        "2 and 3 were released by one plan",
        "refused: E_FORMAT",
        "refused: E_PROBE_CRASH",
        "6 is to be kept warm",
    ),
    "shadow": (
        "2 → 3, shadow: rolled back",
        "3 had answered 0 flights",
        "difference fail: ",
        "each a pair of the same event; 0 differ",
        "beside 50 % planned",
    ),
    "ab": (
        "1 → 2, ab: completed",
        "long-haul: ",
        "beside 50 % planned",
        "2, treatment of long-haul",
    ),
    "bluegreen": (
        "1 → 2, blueGreen: completed",
        "2 → 3, blueGreen: rolled back",
        "3 had answered 0 flights",
        "each on 1 before one millisecond and on 2 from it on; 0 differ",
    ),
    "rolling": (
        "1 → 2, rolling: completed",
        "partitions 0, 1 on 2, the others on 1",
        "partitions 0, 1, 2, 3 on 2",
    ),
}


@pytest.mark.parametrize(
    ("story", "kind"),
    [
        *((story, "sqlite") for story in SHORT),
        pytest.param("canary", "kafka", marks=pytest.mark.system),
    ],
)
def test_a_story_ends_well_and_what_it_tells_to_try_works(
    request: pytest.FixtureRequest, story: str, kind: str, tmp_path: Path
) -> None:
    events = SHORT[story]
    words = ["--story", story, "--events", events, "--rate", 1000, "--folder", tmp_path]
    command = modelwire("demo", *words)
    if kind == "kafka":
        url = request.getfixturevalue("kafka_broker").url
        command = modelwire("--log", url, "demo", "--kafka", *words)
    with running(*command) as demo:
        code, out, errors = demo.end(timeout=200)
    assert code == 0, out + errors
    assert [said for said in SAID[story] if said not in out] == []
    assert f"{events:,} events, " in out
    assert "0 lost" in out
    if kind == "sqlite":
        assert f"{events:,} outputs, 0 dead letters: 0 lost, 0 doubled, 0 out of order" in out
    assert "every rule kept" in out
    assert "Traceback" not in out + errors
    tries = [line.strip() for line in out.partition("Try next:")[2].splitlines() if line.strip()]
    assert len(tries) == 3
    for line in tries if story == "canary" else ():
        verb = shlex.split(line)
        assert verb[0] == "modelwire"
        with running(sys.executable, "-m", "modelwire_router", *verb[1:]) as tried:
            code, said, errors = tried.end()
        assert (code, errors) == (0, ""), f"{line}: {errors}"
        assert said


def test_the_demo_on_kafka_wants_a_broker() -> None:
    with running(*modelwire("demo", "--kafka")) as demo:
        code, out, errors = demo.end()
    assert (code, out) == (5, "")
    assert errors.startswith("E_CONFIG: --kafka needs a broker; expected --log kafka://host:port")


def test_a_story_that_nobody_wrote_is_refused_with_those_that_are() -> None:
    with running(*modelwire("demo", "--story", "green")) as demo:
        code, out, errors = demo.end()
    assert (code, out) == (2, "")
    assert [story for story in SHORT if story not in errors] == []


def test_a_log_that_had_a_demo_gets_no_second_one(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/demo.db"
    release = ("publish", "flights-late", model("v1"), "--version", "1")
    with running(*modelwire("--log", url, "--namespace", "demo", *release)) as publishing:
        assert publishing.end()[0] == 0
    with running(*modelwire("demo", "--folder", tmp_path)) as demo:
        code, _, errors = demo.end()
    assert code == 4
    assert "E_DEMO: a demo was played on this log before" in errors
