"""The SQLite log: batches beside sqlite3 by hand, notices to another process, turns, reading."""

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic_ns, perf_counter_ns, sleep, time_ns

from benchmarks.measure import Figure, in_turns, of, quantile, ratios
from modelwire_log.contract import START, Message, Place
from modelwire_log.sqlite.headers import packed
from modelwire_log.sqlite.log import SqliteLog
from modelwire_log.sqlite.schema import RECORDS

BATCH, ROUNDS = 500, 150
APPENDS, PAUSE_S = 600, 0.01
SINGLES, THREADS, WRITERS, WRITE_S = 800, 8, 4, 3.0
OWN, USERS = "modelwire.bench.control", "flights"
LEVELS = {OWN: "FULL", USERS: "NORMAL"}
"""How far each stream's appends are forced out, as the log does it."""

TIMES = "\N{MULTIPLICATION SIGN}"
RATIO_GOAL, NOTICE_GOAL, CPU_GOAL = 0.8, 1.0, 3.0

Headers = tuple[tuple[str, bytes], ...]
CLOUD_EVENT: Headers = (
    ("ce_id", b"0123456789abcdef"),
    ("ce_source", b"/modelwire/flights"),
    ("ce_specversion", b"1.0"),
    ("ce_type", b"io.modelwire.prediction"),
    ("content-type", b"application/avro"),
)


def figures() -> list[Figure]:
    """Measure everything once, in half a minute."""
    return [
        *_batches((), RATIO_GOAL),
        *_batches(CLOUD_EVENT, None),
        _reading(),
        *_notices(OWN, NOTICE_GOAL, CPU_GOAL),
        *_notices(USERS, None, None),
        _group_commit(),
        _turns(),
    ]


@contextmanager
def _made() -> Generator[tuple[SqliteLog, Path]]:
    with TemporaryDirectory() as folder, SqliteLog(Path(folder, "log.db")) as log:
        log.create(OWN)
        log.create(USERS)
        yield log, Path(folder)


def _batches(headers: Headers, goal: float | None) -> Generator[Figure]:
    """Append the same batch by hand, its rows ready, and by the log."""
    messages = [Message(os.urandom(200), b"key%d" % n, headers) for n in range(BATCH)]
    how = ", CloudEvents headers" if headers else ""
    for stream, level in LEVELS.items():
        with _made() as (log, folder):
            hand = _ByHand(folder / "hand.db", level, messages)

            append = partial(log.append_batch, stream, messages)
            ours, raw = in_turns((append, hand.write), 1, ROUNDS)
            hand.connection.close()
        what = f"batches of {BATCH} at {level}{how}, speed over sqlite3's with the same columns"
        yield of(what, TIMES, ratios(ours, raw), goal, at_least=True)
        yield of("  rows by the log", "rows/s", [BATCH / span * 1e9 for span in ours])


class _ByHand:
    """What one would write without a log: a table with the same columns, `executemany`."""

    INSERT = """
    INSERT INTO records (id, timestamp, appended, high, crc, key, headers, value)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    """

    def __init__(self, path: Path, level: str, messages: Sequence[Message]) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute(f"PRAGMA synchronous={level}")
        self.connection.execute(RECORDS)
        now, crc = time_ns() // 1_000_000, 1 << 31
        texts = [packed(m.headers).decode() if m.headers else None for m in messages]
        self._ready = [
            [
                (BATCH * turn + n, now, now, now, crc, m.key, text, m.value)
                for n, (m, text) in enumerate(zip(messages, texts, strict=True))
            ]
            for turn in reversed(range(ROUNDS + 1))
        ]

    def write(self) -> None:
        rows = self._ready.pop()
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.executemany(self.INSERT, rows)
        self.connection.execute("COMMIT")


def _reading() -> Figure:
    """Read everything in order, each record verified, and by a bare SELECT."""
    count = 20 * BATCH
    select = "SELECT id, timestamp, appended, key, headers, value FROM records"
    with _made() as (log, folder):
        for _ in range(20):
            log.append_batch(USERS, [Message(os.urandom(200), b"key")] * BATCH)
        hand = sqlite3.connect(folder / "log.db")
        ways = (
            lambda: log.read(Place(USERS), START, count),
            lambda: hand.execute(select).fetchall(),
        )
        ours, raw = in_turns(ways, 1, 30)
        hand.close()
    return of("reading in order, verified, speed over a bare SELECT's", TIMES, ratios(ours, raw))


READER = """
import resource, sys, time
from pathlib import Path
from modelwire_log.contract import START, Place
from modelwire_log.sqlite.log import SqliteLog

log, place, after, late = SqliteLog(Path(sys.argv[1])), Place(sys.argv[2]), START, []
log.wait(place, after, 0.01)
print("ready", flush=True)
before, begun = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
while len(late) < int(sys.argv[3]):
    if log.wait(place, after, 10):
        for record in log.read(place, after):
            late.append((time.monotonic_ns() - int(record.value)) / 1e6)
            after = record.offset
spent = resource.getrusage(resource.RUSAGE_SELF)
cpu = spent.ru_utime + spent.ru_stime - before.ru_utime - before.ru_stime
print(100 * cpu / (time.monotonic() - begun), *late)
"""


def _notices(stream: str, goal: float | None, cpu_goal: float | None) -> Generator[Figure]:
    """Append here, and see when another process has it, from before the append on."""
    with _made() as (log, folder):
        command = [sys.executable, "-c", READER, str(folder / "log.db"), stream, str(APPENDS)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
            next(iter(reader.stdout or []))
            for _ in range(APPENDS):
                log.append(stream, Message(b"%d" % monotonic_ns()))
                sleep(PAUSE_S)
            cpu, *late = map(float, reader.communicate()[0].split())
    what = f"append at {LEVELS[stream]} → other process has it, p50"
    yield of(what, "ms", late, goal)
    yield Figure("  p99", "ms", quantile(late, 0.99))
    yield Figure(f"  processor for {1 / PAUSE_S:.0f} a second", "%", cpu, cpu_goal)


def _group_commit() -> Figure:
    """Append single records at FULL by one thread, and by several."""
    one, many = _rate(1), _rate(THREADS)
    what = f"single appends at FULL by {THREADS} threads, speed over 1 thread's"
    return Figure(what, TIMES, many / one)


def _rate(threads: int) -> float:
    with _made() as (log, _):

        def append() -> None:
            for _ in range(SINGLES // threads):
                log.append(OWN, Message(bytes(200)))

        began = perf_counter_ns()
        _together([append] * threads)
        return SINGLES / (perf_counter_ns() - began)


def _together(calls: Sequence[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


WRITER = """
import sys, time
from pathlib import Path
from modelwire_log.contract import Message
from modelwire_log.sqlite.log import SqliteLog

log, end = SqliteLog(Path(sys.argv[1])), time.monotonic() + float(sys.argv[2])
longest = 0.0
while time.monotonic() < end:
    begun = time.monotonic()
    log.append_batch("flights", [Message(bytes(200))] * 500)
    longest = max(longest, time.monotonic() - begun)
print(longest)
"""


def _turns() -> Figure:
    """Let several processes write as fast as they can."""
    with _made() as (_, folder):
        command = [sys.executable, "-c", WRITER, str(folder / "log.db"), str(WRITE_S)]
        writers = [
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(WRITERS)
        ]
        longest = [float(writer.communicate()[0]) for writer in writers]
    what = f"{WRITERS} processes that write without a pause: longest wait of a batch"
    return Figure(what, "s", max(longest))
