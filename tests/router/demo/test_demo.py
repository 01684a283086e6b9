"""The demo, played short: it ends well, by what the log says, and what it tells to try works."""

import shlex
import sys
from pathlib import Path

import pytest

from tests.processes import modelwire, running

ACTS = ("publish", "split", "flip", "undo", "not_a_model.onnx", "bomb.onnx")


@pytest.mark.timeout(150)
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("kafka", marks=pytest.mark.system)])
def test_the_demo_ends_well_and_what_it_tells_to_try_works(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path
) -> None:
    words = ["--events", "6000", "--rate", "3000", "--folder", str(tmp_path)]
    command = modelwire("demo", *words)
    if kind == "kafka":
        url = request.getfixturevalue("kafka_broker").url
        command = modelwire("--log", url, "demo", "--kafka", *words)
    with running(*command) as demo:
        code, out, errors = demo.end(timeout=120)
    assert code == 0, out + errors
    assert [act for act in ACTS if act not in out] == []
    assert "refused: E_FORMAT" in out
    assert "refused: E_PROBE_CRASH" in out
    assert "6,000 events, " in out
    assert "0 lost" in out
    if kind == "sqlite":
        assert "6,000 outputs, 0 dead letters: 0 lost, 0 doubled, 0 out of order" in out
    assert "every rule kept" in out
    assert "Traceback" not in out + errors
    tries = [line.strip() for line in out.partition("Try next:")[2].splitlines() if line.strip()]
    assert len(tries) == 3
    for line in tries:
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
