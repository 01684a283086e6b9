"""A start behind a long control log: a verb that reads, and an application."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from benchmarks.bed import made
from benchmarks.fold import ROUTES, history
from benchmarks.imports import COMMAND
from benchmarks.measure import Figure, of
from benchmarks.predict import NUMERIC
from modelwire.clock import ManualClock
from modelwire.control.fold import fold
from modelwire.control.reading import control_place
from modelwire.control.snapshots import EVERY
from modelwire.control.state import Entry, State
from modelwire_log.contract import START, Place
from modelwire_log.envelope import seal
from modelwire_log.sqlite.log import SqliteLog
from modelwire_router.snapshots import Snapshots
from modelwire_schemas.control import ControlRecord
from modelwire_schemas.names import topic
from modelwire_schemas.release import ReleasePublished

RECORDS, ROUNDS = 100_000, 7
NAMESPACE, ROUTE = "long", "flights-0"
GOAL = 1000
APPLICATION = """
import sys, time
from modelwire import connect
url, namespace, cache, route, end = sys.argv[1:]
with connect(url, namespace=namespace, cache=cache) as models:
    opened = models.route(route)
    while models.live.snapshot.offset < int(end):
        time.sleep(0.001)
    print(time.monotonic_ns())
    opened.wait_until_ready(600)
    print(time.monotonic_ns())
"""


def figures() -> list[Figure]:
    """Start with no snapshot, then with one that lies as far behind the end as one ever does."""
    with made() as bed:
        bed.publish(NUMERIC, "0", model="flights")
        log = Long(bed.folder, bed.releases()["0"])
        whole = log.spans(1)
        log.keep()
        (packed,) = [len(r.value) for r in log.log.read(log.snapshots, START)]
        quick = log.spans(ROUNDS)
        log.log.close()
    return [
        of(f"modelwire status, {RECORDS:,} control records", "ms", quick[1], GOAL),
        of("  Python's own start", "ms", quick[0]),
        of("  without a snapshot", "ms", whole[1]),
        of("application until it knows the same log to its end", "ms", quick[2], GOAL),
        of("  without a snapshot", "ms", whole[2]),
        of("  until it has loaded and is ready", "ms", quick[3]),
        Figure(f"  the snapshot of {ROUTES} routes", "kB", packed / 1000),
    ]


class Long:
    """A log of many commands over a month, and processes that start on it."""

    def __init__(self, folder: Path, release: ReleasePublished) -> None:
        clock = ManualClock(0)
        path = folder / "long.db"
        self.log = SqliteLog(path, clock=clock.now)
        self.snapshots = Place(topic(NAMESPACE, "snapshots"))
        self._before_tail = State()
        for entries in _bursts(release):
            clock.advance(entries[0].appended - clock.now())
            commands = [e.record for e in entries if isinstance(e.record, ControlRecord)]
            messages = [seal(command, source="bench") for command in commands]
            self.log.append_batch(control_place(NAMESPACE).stream, messages)
            early = [e for e in entries if e.offset < RECORDS - EVERY]
            self._before_tail, _ = fold(self._before_tail, early)
        cache, end = str(folder / "starts"), str(RECORDS - 1)
        self._environment = {
            **os.environ,
            "MODELWIRE_LOG": self.log.url,
            "MODELWIRE_NAMESPACE": NAMESPACE,
            "PYTHONPYCACHEPREFIX": str(folder / "compiled"),  # as an installer leaves it
        }
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self._commands = [
            [sys.executable, "-c", "pass"],
            [COMMAND, "status", ROUTE],
            [sys.executable, "-c", APPLICATION, self.log.url, NAMESPACE, cache, ROUTE, end],
        ]

    def keep(self) -> None:
        """Leave the snapshot that a controller leaves."""
        Snapshots(self.log, NAMESPACE, "bench").keep(self._before_tail)

    def spans(self, rounds: int) -> list[list[float]]:
        """Return ms of Python alone, of the verb, and of the application at both its marks."""
        found: list[list[float]] = [[], [], [], []]
        for _ in range(rounds):
            bare, verb, (knows, ready) = (self._marks(command) for command in self._commands)
            for spans, end in zip(found, (*bare[:1], *verb[:1], knows, ready), strict=True):
                spans.append(end)
        return found

    def _marks(self, command: Sequence[str]) -> list[float]:
        """Return the ms after which a process told a time, or after which it ended."""
        started = time.monotonic_ns()
        environment = self._environment
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        told = [int(line) for line in done.stdout.split() if command[2:3] == [APPLICATION]]
        return [(at - started) / 1e6 for at in told or [time.monotonic_ns()]]


def _bursts(release: ReleasePublished) -> Iterator[list[Entry]]:
    """Yield the entries in turns of all routes: what came at one time is one transaction."""
    entries = islice(history(release, ROUTES), RECORDS)
    while burst := list(islice(entries, ROUTES)):
        yield burst
