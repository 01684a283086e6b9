"""Several processes on one log file: no gap, no torn batch, quick notices, nothing left undone."""

import collections
import os
import resource
import subprocess
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from modelwire_log.clock import wall_ms
from modelwire_log.contract import START, Message, Place, Record
from modelwire_log.sqlite.file import LogFile
from modelwire_log.sqlite.log import SqliteLog
from modelwire_log.sqlite.notice import Ear, notice_file
from modelwire_log.sqlite.writer import Writer
from modelwire_schemas.errors import Rejected, Unavailable
from tests.eventlog.actors import actor, hold_the_lock, wait, wait_without_inotify, write
from tests.waiting import eventually

PLACE = Place("events")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


def read_all(log: SqliteLog, place: Place = PLACE) -> list[Record]:
    return log.read(place, START, 10**9)


def batches(records: list[Record]) -> list[tuple[str, int, int]]:
    """Return the runs of records that came in one batch: who wrote which, and how many."""
    runs: list[tuple[str, int, int]] = []
    for record in records:
        who, batch, _, _ = record.value.decode().split(":")
        if runs and runs[-1][:2] == (who, int(batch)):
            runs[-1] = (who, int(batch), runs[-1][2] + 1)
        else:
            runs.append((who, int(batch), 1))
    return runs


@pytest.mark.parametrize("stream", ["events", "modelwire.prod.control"])
def test_processes_that_append_together_leave_no_gap_and_mix_no_batches(
    path: Path, stream: str
) -> None:
    with ExitStack() as stack:
        writers = [
            stack.enter_context(actor(write, path, stream, who, 30, 7)) for who in ("a", "b", "c")
        ]
        for writer in writers:
            assert writer.hear() == "ready"
        for writer in writers:
            writer.tell()
        for writer in writers:
            writer.end()
    with SqliteLog(path) as log:
        records = read_all(log, Place(stream))
    assert [r.offset for r in records] == list(range(3 * 30 * 7))
    times = [r.appended for r in records]
    assert times == sorted(times)
    runs = batches(records)
    assert {size for _, _, size in runs} == {7}
    for who in ("a", "b", "c"):
        assert [n for writer, n, _ in runs if writer == who] == list(range(30))


def test_a_process_killed_while_it_writes_leaves_whole_batches_only(path: Path) -> None:
    for n in range(5):
        with actor(write, path, "events", f"w{n}", 100_000, 40) as writer:
            writer.hear()
            writer.tell()
            assert writer.hear() == "writing"
            writer.kill()
    with SqliteLog(path) as log:
        records = read_all(log)
        assert [r.offset for r in records] == list(range(len(records)))
        assert {size for _, _, size in batches(records)} == {40}
        assert {r.value[:2] for r in records} == {f"w{n}".encode() for n in range(5)}
        assert log.append("events", Message(b"after:0:0:0")).offset == len(records)


@pytest.mark.parametrize("waiting", [wait, wait_without_inotify])
def test_an_append_wakes_a_process_that_waits(path: Path, waiting: Callable[..., None]) -> None:
    with SqliteLog(path) as log, actor(waiting, path, "events") as waiter:
        assert waiter.hear() == "ready"
        for offset in range(50):
            log.append("events", Message(b"x"))
            assert waiter.hear() == str(offset)


def test_a_notice_reaches_another_process_without_its_looking(path: Path) -> None:
    with SqliteLog(path) as log, actor(write, path, "events", "w", 1, 1) as writer:
        log.append("events", Message(b"x"))
        assert writer.hear() == "ready"
        ear = Ear(notice_file(path))
        before = ear.mark()
        writer.tell()
        ear.listen(before, timeout=30)
        assert ear.mark() > before
        ear.close()


def test_the_time_of_appending_never_falls_whatever_the_clocks_of_processes_do(
    path: Path,
) -> None:
    with SqliteLog(path, clock=lambda: 2000) as ahead, SqliteLog(path, clock=lambda: 1000) as late:
        times = [log.append("events", Message(b"x")).appended for log in (late, ahead, late)]
        assert times == [1000, 2000, 2000]
        assert [r.appended for r in late.read(PLACE, START)] == times


def test_what_threads_append_while_the_log_is_busy_becomes_one_transaction(path: Path) -> None:
    file = LogFile(path)
    writer = Writer(file, wall_ms)
    with actor(hold_the_lock, path) as holder, SqliteLog(path) as log:
        writer.append("events", [Message(b"0")], 10)
        assert holder.hear() == "locked"
        threads = [
            threading.Thread(target=writer.append, args=("events", [Message(b"x")], 30))
            for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        eventually(lambda: writer.queue.waiting == 19, what="one to write and the others to wait")
        holder.tell()
        for thread in threads:
            thread.join()
        times = collections.Counter(r.appended for r in read_all(log)[1:])
        assert max(times.values()) >= 19
        assert sum(times.values()) == 20
    file.close()


def test_a_batch_that_is_refused_half_way_leaves_nothing(path: Path) -> None:
    with SqliteLog(path) as log:
        log.create("events", 2)
        batch = [Message(b"good", partition=0), Message(b"bad", partition=1, timestamp=1 << 63)]
        with pytest.raises(Rejected, match="E_TIMESTAMP"):
            log.append_batch("events", batch)
        assert log.end(Place("events", 0)) == START
        log.append("events", Message(b"next", partition=0))
        assert [r.value for r in log.read(Place("events", 0), START)] == [b"next"]


def test_a_batch_that_is_refused_does_not_take_its_neighbours_with_it(path: Path) -> None:
    with SqliteLog(path) as log:
        good = [Message(b"x")] * 3
        bad = [Message(b"x"), Message(b"x", timestamp=1 << 63)]
        outcomes: list[str] = []

        def append(messages: list[Message]) -> None:
            try:
                log.append_batch("events", messages)
                outcomes.append("done")
            except Exception as error:
                outcomes.append(str(error).split(":")[0])

        threads = [threading.Thread(target=append, args=(m,)) for m in (good, bad) * 10]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert collections.Counter(outcomes) == {"done": 10, "E_TIMESTAMP": 10}
        assert log.end(PLACE) == 29


def may_mount() -> bool:
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return (
        os.geteuid() == 0 and not subprocess.run(probe, check=False, capture_output=True).returncode
    )


@contextmanager
def small_disk(folder: Path) -> Generator[Callable[[], None]]:
    """Make a disk of 1 MB; what is yielded makes room three times."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    subprocess.run(mount, check=True, capture_output=True)
    ballast = [folder / f"ballast-{n}" for n in range(3)]
    for file in ballast:
        file.write_bytes(bytes(150_000))
    try:
        yield lambda: ballast.pop().unlink()
    finally:
        subprocess.run(["umount", str(folder)], check=True, capture_output=True)


@contextmanager
def small_files(folder: Path) -> Generator[Callable[[], None]]:
    """Let no file of this process grow beyond 300 KB; what is yielded allows 300 KB more."""
    folder.mkdir()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    allowed = iter(range(300_000, 10**9, 300_000))

    def allow() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (next(allowed), before[1]))

    allow()
    try:
        yield allow
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def fill_up(log: SqliteLog, stream: str) -> int:
    """Append batches until there is no space left, and return how many were taken."""
    batches = 0
    try:
        while True:
            log.append_batch(stream, [Message(bytes(1000))] * 10)
            batches += 1
    except Unavailable as error:
        assert error.code == "E_NO_SPACE"  # noqa: PT017 - whatever comes, it comes in the end
    return batches


DISKS = [small_disk, small_files] if may_mount() else [small_files]


@pytest.mark.parametrize("disk", DISKS)
@pytest.mark.parametrize("stream", ["events", "modelwire.prod.control"])
def test_a_full_disk_loses_nothing_and_needs_no_restart(
    tmp_path: Path,
    stream: str,
    disk: Callable[[Path], AbstractContextManager[Callable[[], None]]],
) -> None:
    place = Place(stream)
    folder = tmp_path / "disk"
    with disk(folder) as make_room, SqliteLog(folder / "log.db") as log:
        batches = 0
        for _ in range(3):
            batches += fill_up(log, stream)
            assert log.end(place) == batches * 10 - 1
            assert len(read_all(log, place)) == batches * 10
            make_room()
            log.append_batch(stream, [Message(bytes(1000))] * 10)
            batches += 1
