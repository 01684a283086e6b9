"""Processes that share a log file with a test: each runs one of these functions.

They print a line when something has happened, and go on when they read one.
"""

import itertools
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from modelwire_log.contract import START, Group, Message, Place, Position
from modelwire_log.sqlite.log import SqliteLog
from modelwire_schemas.errors import ModelwireError

ROOT = Path(__file__).parents[2]
NOBODY = 65534


@dataclass(slots=True)
class Actor:
    """A running process: tell it to go on, hear what it says, end it."""

    process: subprocess.Popen[str]

    def hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tell(self, line: str = "") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> list[str]:
        """Wait until it has ended, and return what it still said."""
        output, _ = self.process.communicate(timeout=50)
        assert self.process.returncode == 0, output
        return output.splitlines()


@contextmanager
def actor(what: Callable[..., None], *arguments: object) -> Generator[Actor]:
    """Run one of the functions below in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, what.__name__, *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Actor(process)
    finally:
        process.kill()
        process.communicate()


def say(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201 - it is what the test hears


def write(path: str, stream: str, who: str, count: str, batch: str) -> None:
    """Append `count` batches once told to."""
    log = SqliteLog(Path(path))
    say("ready")
    sys.stdin.readline()
    for n in range(int(count)):
        texts = [f"{who}:{n}:{m}:{batch}" for m in range(int(batch))]
        log.append_batch(stream, [Message(text.encode()) for text in texts])
        if n == 0:
            say("writing")
    log.close()


def wait(path: str, stream: str) -> None:
    """Wait for each record and say its offset."""
    log, after = SqliteLog(Path(path)), START
    say("ready")
    while True:
        if log.wait(Place(stream), after, timeout=30):
            for record in log.read(Place(stream), after):
                after = record.offset
                say(after)


def wait_without_inotify(path: str, stream: str) -> None:
    """Wait as `wait` does, in a process that may open no more files."""
    log = SqliteLog(Path(path))
    log.end(Place(stream))
    open_now = sum(1 for _ in Path("/proc/self/fd").iterdir()) - 1  # but for the look itself
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_now, open_now))
    say("ready")
    after = START
    while log.wait(Place(stream), after, timeout=30):
        after += len(log.read(Place(stream), after))
        say(after)


def score(path: str, source: str, sink: str, group: str, session: str) -> None:
    """Copy a stream into another one, each batch in one transaction; says what it has."""
    log = SqliteLog(Path(path), session=float(session))
    member = log.consumer(
        Group(
            group,
            (source,),
            on_assigned=lambda positions: say("assigned", *(p.place.partition for p in positions)),
            on_revoked=lambda places: say("revoked", *(p.partition for p in places)),
        )
    )
    while True:
        try:
            records = member.poll(20, 0.05)
            last = {r.partition: r.offset for r in records}
            member.commit(
                [Position(Place(source, p), offset) for p, offset in last.items()],
                [(sink, Message(r.value)) for r in records],
            )
        except ModelwireError as error:
            say("error", error.code)


def sleep_on_a_batch(path: str, source: str, group: str, session: str) -> None:
    """Take a batch, work on it until told to commit."""
    log = SqliteLog(Path(path), session=float(session))
    member = log.consumer(Group(group, (source,)))
    while not (records := member.poll(1, 1)):
        pass
    say("has", len(records))
    sys.stdin.readline()
    try:
        member.commit([Position(Place(source), records[-1].offset)])
        say("committed")
    except ModelwireError as error:
        say("error", error.code)
    log.close()


def as_nobody(path: str) -> None:
    """Append without the rights of the superuser, and say how that went."""
    log = SqliteLog(Path(path))
    if os.geteuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    attempt(log, "s", b"x")


def attempt(log: SqliteLog, stream: str, value: bytes) -> bool:
    """Append ten records and say the code of the error, if there is one."""
    try:
        log.append_batch(stream, [Message(value)] * 10)
    except ModelwireError as error:
        say("error", error)
        return False
    return True


def hold_the_lock(path: str) -> None:
    """Hold the write lock, once the file is there, until told to let go."""
    while not Path(path).exists():
        pass
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    connection.execute("BEGIN IMMEDIATE")
    say("locked")
    sys.stdin.readline()


def fork(path: str) -> None:
    """Fork while other threads wait and write; parent and child both go on."""
    log = SqliteLog(Path(path))
    member = log.consumer(Group("g", ("forked",)))
    log.append("forked", Message(b"before"))
    member.poll(10, 1)
    stop = threading.Event()
    number = itertools.count()

    def busy() -> None:
        while not stop.is_set():
            log.append("noise", Message(str(next(number)).encode()))
            log.wait(Place("forked"), 10**6, 0.001)

    threads = [threading.Thread(target=busy) for _ in range(6)]
    for thread in threads:
        thread.start()
    for n in range(10):
        child = os.fork()
        if child == 0:
            log.append("forked", Message(f"child {n}".encode()))
            os._exit(0 if log.wait(Place("forked"), n, 5) and not member.poll(1, 0) else 1)
        log.append("forked", Message(f"parent {n}".encode()))
        _, status = os.waitpid(child, 0)
        say("child", os.waitstatus_to_exitcode(status))
    stop.set()
    for thread in threads:
        thread.join()
    log.close()


def outlive(path: str) -> None:
    """Fork; the parent closes its log and ends, the child goes on when told to."""
    log = SqliteLog(Path(path))
    log.append("forked", Message(b"before"))
    if os.fork():
        log.close()
        say("closed")
        os._exit(0)
    log.append("forked", Message(b"child"))
    say("child", sys.stdin.readline().strip())
    for n in range(50):
        log.append("forked", Message(f"child {n}".encode()))
    log.close()
    say("done")


def main(name: str, *arguments: str) -> None:
    what: Callable[..., None] = globals()[name]
    what(*arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
