"""Every bad input of the command line: its code, its exit code, and nothing written."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import pytest

from modelwire_log.contract import Place
from modelwire_log.open import open_log
from modelwire_router.demo.files import model
from modelwire_schemas.names import topic
from tests.models import hostile
from tests.processes import python, running
from tests.router.cli.desk import Desk
from tests.router.cli.racer import as_nobody

ROUTE = "flights-late"
Words: TypeAlias = Sequence[object]
Make: TypeAlias = Callable[[Desk], Words]


def file(content: bytes, *more: object) -> Make:
    """Publish these bytes."""
    return lambda desk: [
        *("publish", ROUTE, desk.write("model.onnx", content), "--version", "7"),
        *more,
    ]


def yaml(text: str, *more: object) -> Make:
    """Apply this document."""
    return lambda desk: ["apply", "-f", desk.write("doc.yaml", text), *more]


def words(*given: object) -> Make:
    return lambda _: given


def pipe(desk: Desk) -> Path:
    os.mkfifo(desk.folder / "doc.yaml")
    return desk.folder / "doc.yaml"


ROW = '{"a": 1, "b": 2, "c": 3, "d": 4}\n'
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
DOC = "{route: flights-late, rules: [{variants: [{version: %s}]}]}"

SHADOWED = DOC[:-1] % '"1"' + ", shadows: [{version: '2', thresholds: %s}]}"

BAD: dict[str, tuple[Make, str, int]] = {
    "thresholds that are no mapping": (yaml(SHADOWED % "[0.5]"), "E_", 5),
    "a threshold that is no number": (yaml(SHADOWED % "{late: high}"), "E_", 5),
    "a threshold that is infinite": (yaml(SHADOWED % "{late: 1.0e+400}"), "E_RANGE", 5),
    "no model": (file(b"hello"), "E_FORMAT", 5),
    "an empty file": (file(b""), "E_EMPTY", 5),
    "a truncated file": (file(hostile.truncated(), "--fields", "a,b,c,d"), "E_", 5),
    "a git-lfs pointer": (file(hostile.lfs_pointer()), "E_FORMAT", 5),
    "a pickle": (file(hostile.pickled()), "E_FORMAT", 5),
    "a zip": (file(hostile.zipped()), "E_FORMAT", 5),
    "a web page": (file(hostile.web_page()), "E_FORMAT", 5),
    "a bomb": (file(hostile.bomb(), "--fields", "a,b,c,d"), "E_PROBE_CRASH", 5),
    "a model that answers NaN": (
        lambda d: [
            *("publish", "other", d.write("nan.onnx", hostile.nan()), "--version", "7"),
            *("--fields", "a,b,c,d", "--sample", d.write("s.jsonl", ROW * 20)),
        ],
        "E_NAN",
        5,
    ),
    "an unknown operator": (file(hostile.unknown_operator(), "--fields", "a,b,c,d"), "E_", 5),
    "a file that is not there": (words("publish", ROUTE, "/no/x.onnx", "--version", "7"), "E_", 3),
    "a folder": (lambda d: ["publish", ROUTE, d.folder, "--version", "7"], "E_", 5),
    "a version used before": (
        lambda _: ["publish", ROUTE, model("v2"), "--version", "1"],
        "E_CONFLICT",
        4,
    ),
    "a contract that breaks the old one": (
        lambda _: ["publish", ROUTE, model("numeric"), "--version", "7"],
        "E_CONTRACT",
        5,
    ),
    "a package that is not there": (
        lambda _: ["publish", ROUTE, model("v1"), "--version", "7", "--requires", "nonesuch>=9"],
        "E_REQUIREMENT",
        5,
    ),
    "a metric below its threshold": (
        lambda _: [
            *("publish", ROUTE, model("v1"), "--version", "7"),
            *("--metric", "auc=0.6", "--require", "auc>=0.7"),
        ],
        "E_METRIC",
        5,
    ),
    "a metric that is no number": (
        lambda _: ["publish", ROUTE, model("v1"), "--version", "7", "--metric", "auc=good"],
        "E_OPTION",
        5,
    ),
    "a name with a slash": (
        lambda _: ["publish", "a/b", model("v1"), "--version", "1"],
        "E_NAME",
        5,
    ),
    "a name with a NUL": (
        lambda _: ["publish", "a\0b", model("v1"), "--version", "1"],
        "E_NAME",
        5,
    ),
    "a version with a slash": (
        lambda _: ["publish", ROUTE, model("v1"), "--version", "../1"],
        "E_",
        5,
    ),
    "a route with a slash": (words("flip", "a/b", "1"), "E_NAME", 5),
    "a version as a YAML number": (yaml(DOC % "1.10"), "E_VERSION", 5),
    "a YAML alias bomb": (yaml(BOMB), "E_YAML", 5),
    "a YAML tag": (yaml("!!python/object/apply:os.system ['true']"), "E_YAML", 5),
    "no YAML": (yaml("{route: ["), "E_YAML", 5),
    "an unknown word in a document": (yaml("{route: r, rulez: []}"), "E_DOCUMENT", 5),
    "a document without rules": (yaml("{route: flights-late}"), "E_", 5),
    "a document that says nothing": (yaml("---\n"), "E_EMPTY", 5),
    "a pipe of documents": (lambda d: ["apply", "-f", pipe(d)], "E_NOT_REGULAR", 5),
    "a file of documents that is not there": (words("apply", "-f", "/no/doc.yaml"), "E_", 3),
    "an unknown route": (words("status", "nobody"), "E_UNKNOWN_ROUTE", 3),
    "undo of an unknown route": (words("undo", "nobody"), "E_UNKNOWN_ROUTE", 3),
    "history of an unknown route": (words("history", "nobody"), "E_UNKNOWN_ROUTE", 3),
    "explain of an unknown route": (words("explain", "nobody"), "E_UNKNOWN_ROUTE", 3),
    "nothing to undo": (words("undo", ROUTE), "E_NO_EARLIER", 3),
    "weights that miss the whole": (words("split", ROUTE, "1=50", "2=40"), "E_WEIGHTS", 5),
    "weights beyond the whole": (words("split", ROUTE, "1=90", "2=40"), "E_WEIGHTS", 5),
    "a negative weight": (words("split", ROUTE, "1=110", "2=-10"), "E_WEIGHTS", 5),
    "a weight that is no number": (words("split", ROUTE, "1=all"), "E_WEIGHTS", 5),
    "a weight without a version": (words("split", ROUTE, "50"), "E_WEIGHTS", 5),
    "a version twice": (words("split", ROUTE, "1=50", "1=50"), "E_WEIGHTS", 5),
    "an unknown version in a flip": (words("flip", ROUTE, "9"), "E_UNKNOWN_VERSION", 5),
    "an unknown version in a document": (yaml(DOC % "'9'"), "E_UNKNOWN_VERSION", 5),
    "a document from an old revision": (
        yaml(DOC % "'2'", "--expect-revision", 0),
        "E_CONFLICT",
        4,
    ),
    "withdrawal of a live version": (
        words("withdraw", ROUTE, "1", "--reason", "x"),
        "E_IN_USE",
        5,
    ),
    "withdrawal of nothing": (words("withdraw", ROUTE, "9", "--reason", "x"), "E_UNKNOWN", 3),
    "an unknown release": (words("show", ROUTE, "9"), "E_UNKNOWN_VERSION", 3),
    "releases of an unknown model": (words("releases", "nobody"), "E_UNKNOWN_MODEL", 3),
    "a time in the past": (words("flip", ROUTE, "2", "--at", "2013-01-01T00:00:00Z"), "E_", 5),
    "no time": (words("flip", ROUTE, "2", "--at", "noon"), "E_TIME", 5),
    "a time without a zone": (words("flip", ROUTE, "2", "--at", "2030-01-01"), "E_TIME", 5),
    "an event that is no JSON": (words("explain", ROUTE, "--event", "{"), "E_JSON", 5),
    "an unknown stream": (words("read", "nothing"), "E_NO_STREAM", 3),
    "scoring of an unknown stream": (
        words("score", "--route", ROUTE, "--in", "no", "--out", "o", "--until-end"),
        "E_NO_STREAM",
        3,
    ),
    "a file to feed that is not there": (words("feed", "e", "/no/such.csv"), "E_NO_FILE", 3),
    "rows that are no JSON": (
        lambda d: ["feed", "e", d.write("x.jsonl", "{}\nnope\n")],
        "E_ROW",
        5,
    ),
    "rows without their key": (
        lambda d: ["feed", "e", d.write("x.jsonl", "{}\n"), "--key-field", "id"],
        "E_ROW",
        5,
    ),
    "a cell that is no time": (
        lambda d: ["feed", "e", d.write("x.csv", "t\nsoon\n"), "--time-field", "t"],
        "E_ROW",
        5,
    ),
    "bytes that are no text": (lambda d: ["feed", "e", d.write("x.jsonl", b"\xff\xfe{")], "E_", 5),
    "a compressed file that is cut off": (
        lambda d: ["feed", "e", d.write("x.csv.gz", b"\x1f\x8b\x08\x00\x00")],
        "E_",
        5,
    ),
    "a size that is none": (words("cache", "prune", "--max-size", "huge"), "E_OPTION", 5),
    "a folder to watch that is not there": (words("watch", "/no/such/folder"), "E_", 3),
}


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Return a terminal with a route, which nothing in this module changes."""
    desk = Desk(tmp_path_factory.mktemp("bad-input"))
    desk.publish("1", "2")
    desk.ok("flip", ROUTE, "1")
    return desk


def everything(desk: Desk) -> dict[str, int]:
    with open_log(desk.url) as log:
        return {
            name: sum(log.end(Place(name, p)) + 1 for p in range(count))
            for name, count in log.streams().items()
        }


@pytest.mark.parametrize(("make", "code", "exit_code"), BAD.values(), ids=BAD)
def test_a_bad_input_is_one_line_with_its_code_and_writes_nothing(
    released: Desk, desk: Desk, make: Make, code: str, exit_code: int
) -> None:
    before = everything(released)
    given = make(desk)
    said = released(*given)
    assert said.err.startswith(code), said.err
    assert len(said.err.splitlines()) == 1
    assert (said.code, said.out) == (exit_code, "")
    assert "expected" in said.err or ";" in said.err, "it does not say what to do"
    assert {k: v for k, v in everything(released).items() if v} == before


def test_what_yaml_reads_as_something_else_is_said_of_each_place(released: Desk) -> None:
    rule = "{match: {field: origin, op: In, values: [NO]}, variants: [{version: '1', weight: 010}]}"
    path = released.write("doc.yaml", f"{{route: flights-late, rules: [{rule}]}}")
    said = released("apply", "-f", path)
    assert [line.split(": ")[1:3] for line in said.err.splitlines()] == [
        ["E_YAML", 'NO is read as false; expected "NO" for text, or false; put it in quotes'],
        ["E_YAML", '010 is read as 8; expected "010" for text, or 8; put it in quotes'],
    ]
    assert said.code == 5


NUMBERS = {
    "--every": ["controller"],
    "--rate": ["feed", "events", "/no/such.csv"],
    "--span": [
        "join-labels",
        "--route",
        "r",
        "--outputs",
        "o",
        "--labels",
        "l",
        "--label-field",
        "late",
    ],
    "--timeout": ["status", "--wait"],
}


@pytest.mark.parametrize("number", ["nan", "inf", "-1", "soon"])
@pytest.mark.parametrize("option", NUMBERS)
def test_a_number_that_is_none_is_refused_at_the_door(
    released: Desk, option: str, number: str
) -> None:
    said = released(*NUMBERS[option], option, number)
    assert (said.code, said.out) == (2, "")
    assert f"Error: Invalid value for '{option}': " in said.err


def test_with_json_an_error_is_data_too(released: Desk) -> None:
    keys = ["code", "what", "where", "expected", "todo"]
    (row,) = (said := released("--json", "status", "nobody")).rows
    assert ([*row], row["code"], said.code) == (keys, "E_UNKNOWN_ROUTE", 3)
    assert said.err.startswith("E_UNKNOWN_ROUTE: there is no route nobody; expected one of")
    (row,) = (said := released("promote", "--json")).rows
    assert (row, said.code) == ({"code": "E_USAGE", "what": "Missing argument 'ROUTE'."}, 2)


@pytest.mark.parametrize("verb", ["lint", "apply -f", "diff -f", "plan -f", "simulate -f"])
def test_with_json_each_fault_of_a_file_is_an_object(released: Desk, verb: str) -> None:
    path = released.write("bad.yaml", "kind: Rollout\nspec: {stable: 1}\n")
    said = released("--json", *verb.split(), path)
    lines = [f"{r['file']}:{r['line']}:{r['column']}: {r['code']}" for r in said.rows]
    assert lines == [line[: line.index(": ", line.index("E_"))] for line in said.err.splitlines()]
    assert (len(lines), said.code) == (5, 5)


LOGS: dict[str, tuple[Callable[[Desk], str], str, int]] = {
    "an unknown kind": (lambda _: "redis://localhost", "E_LOG_URL", 5),
    "no file": (lambda _: "sqlite://", "E_LOG_URL", 5),
    "no database": (lambda d: f"sqlite:///{d.write('x.db', 'hello ' * 900)}", "E_", 5),
    "another database": (lambda d: f"sqlite:///{_foreign(d)}", "E_", 5),
    "a folder": (lambda d: f"sqlite:///{d.folder}", "E_LOG_UNAVAILABLE", 1),
    "no folder": (lambda d: f"sqlite:///{d.folder}/no/x.db", "E_LOG_UNAVAILABLE", 1),
    "a Kafka that is away": (lambda _: "kafka://127.0.0.1:9", "E_LOG_UNAVAILABLE", 1),
    "a secret in the URL": (lambda _: "kafka://u:hunter2@h:9092", "E_LOG_URL", 5),
}


def _foreign(desk: Desk) -> Path:
    import sqlite3

    path = desk.folder / "foreign.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE flights (id INTEGER)")
    connection.commit()
    connection.close()
    return path


@pytest.mark.parametrize(("url", "code", "exit_code"), LOGS.values(), ids=LOGS)
def test_a_log_that_is_none_is_one_line_with_its_code(
    desk: Desk, url: Callable[[Desk], str], code: str, exit_code: int
) -> None:
    said = desk("status", log=url(desk))
    assert said.err.startswith(code), said.err
    assert len(said.err.splitlines()) == 1
    assert (said.code, said.out) == (exit_code, "")
    assert "hunter2" not in said.err


def test_a_damaged_record_is_said_with_its_place(desk: Desk) -> None:
    import sqlite3

    desk.ok("feed", "events", desk.write("x.jsonl", '{"n": 1}\n{"n": 2}\n'), "--partitions", 1)
    connection = sqlite3.connect(desk.url.removeprefix("sqlite:///"))
    connection.execute("UPDATE records SET value = 'oops' WHERE CAST(value AS TEXT) LIKE '%2%'")
    connection.commit()
    connection.close()
    said = desk("read", "events")
    assert said.code == 1
    assert said.err.startswith("E_CORRUPT")
    assert "events" in said.err


def test_a_folder_without_rights_is_said(desk: Desk) -> None:
    locked = desk.folder / "locked"
    locked.mkdir(mode=0o700)
    open_to_all(desk.folder)
    words = [f"sqlite:///{locked}/flights.db", "feed", "events", desk.write("e.jsonl", "{}")]
    with running(*python(as_nobody, *words)) as process:
        code, out, err = process.end()
    assert (code, out) == (1, "")
    assert err.startswith("E_LOG_UNAVAILABLE"), err
    assert len(err.splitlines()) == 1
    assert list(locked.iterdir()) == []


def test_a_file_out_of_reach_is_said(desk: Desk) -> None:
    open_to_all(desk.folder)
    desk.folder.chmod(0o777)
    locked = desk.folder / "locked"
    locked.mkdir(mode=0o700)
    events = desk.write("locked/e.jsonl", "{}")
    words = [f"sqlite:///{desk.folder}/flights.db", "feed", "events", events]
    with running(*python(as_nobody, *words)) as process:
        code, out, err = process.end()
    assert (code, out) == (5, "")
    assert err.startswith("E_DENIED: the file may not be read: Permission denied"), err


def open_to_all(folder: Path) -> None:
    """Let anybody into a folder of the tests."""
    for each in (folder, *folder.parents):
        if each == Path(tempfile.gettempdir()):
            return
        each.chmod(0o755)


def test_a_full_disk_is_said_and_nothing_is_half_written(desk: Desk) -> None:
    """The log lies on a small disk of its own."""
    disk = desk.folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)], check=True)
    try:
        full = Desk(desk.folder, f"sqlite:///{disk}/flights.db")
        full.publish("1")
        end = full.end()
        rest = os.statvfs(disk)
        (disk / "ballast").write_bytes(b"x" * max(0, rest.f_bavail * rest.f_frsize - 8192))
        said = full("publish", ROUTE, model("v2"), "--version", "2")
        assert said.code == 1, said
        assert said.err.startswith(("E_NO_SPACE", "E_LOG_UNAVAILABLE"))
        (disk / "ballast").unlink()
        assert full.end() == end
        full.publish("2")
        assert full.end() == end + 1
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_the_control_log_is_named_by_its_namespace(desk: Desk) -> None:
    desk.publish("1")
    assert desk.data("read", "--list")[0]["stream"] == topic("default", "control")
