"""`modelwire lint`: what is fine, what is not, for people and for machines; and its schema."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.router.cli.desk import Desk

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples/flights/rollouts").iterdir())
WRONG = """\
apiVersion: modelwire.io/v1
kind: Rollout
metadata: {name: late}
spec:
  stable: 7
  candidate: "8"
  strategy: {blueGreen: {setWeight: 5}}
"""


def test_a_file_that_is_fine_is_told_in_a_line(desk: Desk) -> None:
    said = desk("lint", *EXAMPLES[:1], log="")
    assert (said.code, said.out, said.err) == (0, "flights-late: ab 1 → 2, 2 steps\n", "")
    (row,) = desk.data("lint", ROOT / "examples/flights/rollouts/canary.yaml")
    assert row == {
        "route": "flights-late",
        "namespace": "",
        "strategy": "canary",
        "stable": "1",
        "candidate": "2",
        "steps": 9,
        "layers": [],
        "holdout": 0.0,
    }


def test_a_file_that_is_wrong_is_told_with_every_fault(desk: Desk) -> None:
    path = desk.write("late.yaml", WRONG)
    said = desk("lint", path, log="")
    assert (said.code, said.out) == (5, "")
    assert [line.removeprefix(f"{path}:").split(": ")[:2] for line in said.err.splitlines()] == [
        ["5:11", "E_VERSION"],
        ["7:26", "E_UNKNOWN_FIELD"],
    ]


def test_machines_get_every_fault_as_an_object(desk: Desk) -> None:
    path = desk.write("late.yaml", WRONG)
    said = desk("--json", "lint", path)
    assert (said.code, said.err) == (5, desk("lint", path).err)
    assert said.rows[0] == {
        "file": str(path),
        "line": 5,
        "column": 11,
        "code": "E_VERSION",
        "what": "7 is a number",
        "expected": '"7"',
        "todo": "put it in quotes",
    }
    assert [row["code"] for row in said.rows] == ["E_VERSION", "E_UNKNOWN_FIELD"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ([], 2, "name a file, or --schema"),
        (["/no/file.yaml"], 3, "E_NO_FILE"),
        (["/"], 5, "E_"),
        ([*EXAMPLES[:2]], 5, "E_TWICE: Rollout flights-late twice"),
    ],
)
def test_what_cannot_be_checked_is_told(
    desk: Desk, words: list[object], code: int, told: str
) -> None:
    said = desk("lint", *words)
    assert said.code == code
    assert told in said.err


def test_the_schema_is_printed_for_editors(desk: Desk) -> None:
    published = json.loads((ROOT / "docs/rollout.schema.json").read_text(encoding="utf-8"))
    assert json.loads(desk.ok("lint", "--schema").out) == published


def test_verbs_that_read_do_not_wait_for_what_checks_files(route: Desk) -> None:
    explain = ["explain", "flights-late", "--key", "N14228"]
    for words in (["status", "flights-late"], ["history", "flights-late"], ["fleet"], explain):
        assert not loaded(route, *words) & {"numpy", "pydantic", "yaml"}, words
    assert "pydantic" in loaded(route, "lint", EXAMPLES[0])


def loaded(desk: Desk, *words: object) -> set[str]:
    """Return the packages that a verb loads, in a process of its own."""
    code = (
        "import sys; from modelwire_router.cli.main import run; assert run(sys.argv[1:]) == 0; "
        "print(*{name.partition('.')[0] for name in sys.modules}, sep='\\n', file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--log", desk.url, *map(str, words)],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.splitlines())


def test_the_face_of_the_sdk_does_not_load_it() -> None:
    code = "import sys, modelwire; sys.exit(bool({'pydantic', 'yaml'} & sys.modules.keys()))"
    subprocess.run([sys.executable, "-c", code], check=True)
