"""A log file that is missing, moved, replaced, locked or foreign says so, and recovers."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from modelwire_log.clock import wall_ms
from modelwire_log.contract import START, Message, Place
from modelwire_log.sqlite.file import LogFile
from modelwire_log.sqlite.log import SqliteLog
from modelwire_log.sqlite.schema import FORMAT
from modelwire_log.sqlite.writer import Writer
from modelwire_schemas.errors import ModelwireError, Rejected, TooNew, Unavailable
from tests.eventlog.actors import actor, as_nobody, fork, hold_the_lock, outlive

PLACE = Place("events")
NORMAL, FULL = 1, 2
"""What SQLite calls its levels of `synchronous`."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def log(path: Path) -> Iterator[SqliteLog]:
    with SqliteLog(path) as opened:
        yield opened


def code_of(error: pytest.ExceptionInfo[ModelwireError]) -> str:
    return error.value.code


def is_away(log: SqliteLog) -> bool:
    try:
        log.end(PLACE)
    except Unavailable as error:
        return error.code == "E_LOG_UNAVAILABLE"
    return False


def test_a_missing_file_is_made(path: Path, log: SqliteLog) -> None:
    assert not path.exists()
    assert log.end(PLACE) == START
    assert path.exists()


def test_a_log_that_is_not_to_be_made_is_away_until_somebody_else_makes_it(path: Path) -> None:
    with SqliteLog(path, make=False) as reader, SqliteLog(path) as maker:
        uses: list[Callable[[], int]] = [
            lambda: reader.end(PLACE),
            lambda: reader.wait(PLACE, START, 1),
        ]
        for use in uses:
            with pytest.raises(Unavailable) as error:
                use()
            assert code_of(error) == "E_LOG_UNAVAILABLE"
        assert list(path.parent.iterdir()) == []
        maker.append("events", Message(b"x"))
        assert reader.wait(PLACE, START, 1)
        assert [r.value for r in reader.read(PLACE, START)] == [b"x"]


def test_a_missing_folder_is_an_error_until_it_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "missing"
    with SqliteLog(folder / "log.db") as log:
        with pytest.raises(Unavailable, match="make the folder") as error:
            log.append("events", Message(b"x"))
        assert code_of(error) == "E_LOG_UNAVAILABLE"
        folder.mkdir()
        assert log.append("events", Message(b"x")).offset == 0


@pytest.mark.parametrize(
    "content", [b"no database at all\n" * 100, b"x", b"\x00" * 5000], ids=["text", "x", "zeros"]
)
def test_a_file_that_is_no_database_is_refused_and_left_alone(
    path: Path, log: SqliteLog, content: bytes
) -> None:
    path.write_bytes(content)
    for attempt in (lambda: log.end(PLACE), lambda: log.append("events", Message(b"x"))):
        with pytest.raises(Rejected) as error:
            attempt()
        assert code_of(error) == "E_LOG_FORMAT"
    assert path.read_bytes() == content


def test_a_database_of_something_else_is_refused_and_left_alone(path: Path, log: SqliteLog) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE records (id INTEGER)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(Rejected, match="something else") as error:
        log.append("events", Message(b"x"))
    assert code_of(error) == "E_LOG_FORMAT"
    assert path.read_bytes() == before


def test_a_log_of_a_later_modelwire_is_not_touched(path: Path) -> None:
    with SqliteLog(path) as log:
        log.append("events", Message(b"x"))
    with sqlite3.connect(path) as other:
        other.execute(f"PRAGMA user_version = {FORMAT + 1}")
    other.close()
    with SqliteLog(path) as log, pytest.raises(TooNew, match="upgrade modelwire"):
        log.append("events", Message(b"x"))


def test_an_empty_file_becomes_a_log(path: Path, log: SqliteLog) -> None:
    path.touch()
    assert log.append("events", Message(b"x")).offset == 0


def test_several_threads_and_logs_may_make_the_file_at_the_same_time(path: Path) -> None:
    logs = [SqliteLog(path) for _ in range(8)]
    threads = [threading.Thread(target=log.append, args=("events", Message(b"x"))) for log in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [log.end(PLACE) for log in logs] == [7] * 8
    for log in logs:
        log.close()


def test_a_file_that_is_moved_away_is_missed_and_found_again(path: Path, log: SqliteLog) -> None:
    log.append("events", Message(b"first"))
    away = path.with_name("elsewhere.db")
    path.rename(away)
    assert is_away(log)
    for attempt in (
        lambda: log.append("events", Message(b"x")),
        lambda: log.read(PLACE, START),
        lambda: log.wait(PLACE, 0, 1),
    ):
        with pytest.raises(Unavailable, match="put it back"):
            attempt()
    assert not path.exists()
    away.rename(path)
    assert log.append("events", Message(b"second")).offset == 1
    assert [r.value for r in log.read(PLACE, START)] == [b"first", b"second"]


def test_a_waiting_reader_notices_that_the_file_is_gone(path: Path, log: SqliteLog) -> None:
    log.append("events", Message(b"x"))
    raised: list[str] = []

    def wait() -> None:
        try:
            log.wait(PLACE, 0, 30)
        except Unavailable as error:
            raised.append(error.code)

    waiter = threading.Thread(target=wait)
    waiter.start()
    path.rename(path.with_name("elsewhere.db"))
    waiter.join(10)
    assert raised == ["E_LOG_UNAVAILABLE"]


def test_a_file_that_is_removed_is_never_made_anew_by_those_who_had_it_open(
    path: Path, log: SqliteLog
) -> None:
    log.append("events", Message(b"x"))
    for file in path.parent.glob("log.db*"):
        file.unlink()
    assert is_away(log)
    assert is_away(log)
    assert not path.exists()


def test_another_log_in_its_place_is_not_taken_for_the_old_one(path: Path, log: SqliteLog) -> None:
    log.append("events", Message(b"old"))
    kept = path.parent / "kept"
    kept.mkdir()
    for file in path.parent.glob("log.db*"):
        file.rename(kept / file.name)
    assert is_away(log)
    with SqliteLog(path) as new:
        new.append("events", Message(b"new"))
        with pytest.raises(Unavailable, match="another log") as error:
            log.read(PLACE, START)
        assert code_of(error) == "E_LOG_REPLACED"
        with pytest.raises(Unavailable, match="another log"):
            log.append("events", Message(b"x"))
        assert [r.value for r in new.read(PLACE, START)] == [b"new"]
    for file in path.parent.glob("log.db*"):
        file.unlink()
    for file in kept.iterdir():
        file.rename(path.parent / file.name)
    assert [r.value for r in log.read(PLACE, START)] == [b"old"]


def test_nothing_is_made_beside_the_newest_records_of_a_log_that_is_gone(
    path: Path, log: SqliteLog
) -> None:
    log.append("events", Message(b"x"))
    path.rename(path.with_name("elsewhere.db"))
    with SqliteLog(path) as new, pytest.raises(Unavailable, match="-wal"):
        new.append("events", Message(b"x"))
    path.with_name("elsewhere.db").rename(path)
    assert [r.value for r in log.read(PLACE, START)] == [b"x"]


@pytest.fixture
def shown() -> Iterator[Path]:
    """A folder that everybody may look into; pytest's own may not be."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_folder_without_rights_is_named(shown: Path) -> None:
    shown.chmod(0o555)
    path = shown / "log.db"
    with actor(as_nobody, path) as nobody:
        (said,) = nobody.end()
    shown.chmod(0o755)
    assert said.startswith("error E_LOG_UNAVAILABLE")
    assert str(path) in said
    assert "writable" in said


@pytest.mark.parametrize("rights", [0o444, 0o000])
def test_a_file_without_rights_is_named(shown: Path, rights: int) -> None:
    path = shown / "log.db"
    with SqliteLog(path) as log:
        log.append("events", Message(b"x"))
        path.chmod(rights)
        with actor(as_nobody, path) as nobody:
            (said,) = nobody.end()
    assert said.startswith("error E_LOG_UNAVAILABLE")
    assert "writable" in said


def test_who_finds_the_log_locked_gives_up_in_time_and_reads_meanwhile(
    path: Path, log: SqliteLog
) -> None:
    log.append("events", Message(b"first"))
    with actor(hold_the_lock, path) as holder:
        assert holder.hear() == "locked"
        with pytest.raises(Unavailable, match="locked") as error:
            log.append("events", Message(b"x"), timeout=0.1)
        assert code_of(error) == "E_LOG_UNAVAILABLE"
        assert [r.value for r in log.read(PLACE, START)] == [b"first"]
        holder.tell()
        holder.end()
    assert log.append("events", Message(b"second"), timeout=10).offset == 1


def test_what_is_modelwires_own_is_forced_to_the_disk_and_what_passes_or_is_the_users_is_not(
    path: Path,
) -> None:
    file = LogFile(path)
    writer = Writer(file, wall_ms)
    levels: list[int] = []
    for stream in ("events", "modelwire.prod.control", "modelwire.prod.fleet", "events"):
        writer.append(stream, [Message(b"x")], 10)
        connection = file.links[1].raw
        assert connection is not None
        levels += connection.execute("PRAGMA synchronous").fetchone()
    file.close()
    assert levels == [NORMAL, FULL, NORMAL, NORMAL]


def test_a_log_stays_where_it_is_when_the_process_moves(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    with SqliteLog(Path("log.db")) as log:
        log.append("events", Message(b"x"))
        monkeypatch.chdir("/")
        assert log.end(PLACE) == 0
        assert log.url == f"sqlite:///{path}"


def test_a_closed_log_stays_closed(log: SqliteLog) -> None:
    log.append("events", Message(b"x"))
    log.close()
    with pytest.raises(Unavailable) as error:
        log.read(PLACE, START)
    assert code_of(error) == "E_LOG_CLOSED"


def test_parent_and_child_go_on_after_a_fork(path: Path, log: SqliteLog) -> None:
    with actor(fork, path) as forking:
        assert forking.end() == ["child 0"] * 10
    records = log.read(Place("forked"), START)
    assert [r.offset for r in records] == list(range(21))
    assert len({r.value for r in records}) == 21
    noise = [r.value for r in log.read(Place("noise"), START, 10**6)]
    assert len(noise) == len(set(noise)), "a child appended what its parent had to"


def test_a_child_keeps_the_log_when_its_parent_closes_it(path: Path, log: SqliteLog) -> None:
    with actor(outlive, path) as child:
        said = {child.hear()}
        log.append("forked", Message(b"other"))
        child.tell("go on")
        said |= {child.hear(), child.hear()}
        assert said == {"closed", "child go on", "done"}
    values = [r.value for r in log.read(Place("forked"), START)]
    assert sorted(values) == sorted(
        [b"before", b"child", b"other", *(f"child {n}".encode() for n in range(50))]
    )
