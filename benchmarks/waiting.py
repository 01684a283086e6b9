"""How long an event waits for its output at 500 a second: one version for all, and many rules.

Two scorers read the same stream at the same time. One route gives everything to one version; the
other splits by key, and is changed every second by a change that is scheduled a second ahead.
"""

import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import cycle, islice
from pathlib import Path

import orjson

from benchmarks import flights
from benchmarks.bed import BY, NAMESPACE, Bed, made
from benchmarks.measure import Figure, of, quantile, ratios
from modelwire.control.commands import submit
from modelwire.control.reading import fold_log
from modelwire_log.contract import Message
from modelwire_log.whole import all_records, size
from modelwire_router.changes import When, split
from modelwire_router.feed import read_events
from tests.waiting import eventually

PLAIN, RULED = "plain", "ruled"
MODEL, SOURCE = "four", "flights"
RATE, SECONDS, WINDOW_S = 500, 20, 2
PARTITIONS = 4
AHEAD_MS = 1000


def figures() -> list[Figure]:
    """Compare the two routes in windows of two seconds."""
    with made() as bed, ExitStack() as stack:
        for version in ("1", "2"):
            bed.publish(flights.EXAMPLE / "numeric.onnx", version, model=MODEL)
        for route in (PLAIN, RULED):
            bed.flip("1", route=route, model=MODEL)
        bed.log.create(SOURCE, PARTITIONS)
        for route in (PLAIN, RULED):
            _scorer(bed, route, stack)
        landing = read_events(flights.FILE, key_field="tailnum")
        messages = (Message(flight.value, flight.key) for flight in landing)
        _land(bed, messages, 2)  # until the scorers have joined
        eventually(lambda: _sizes(bed) == {2 * RATE}, within=60)
        _land(bed, messages, SECONDS)
        eventually(lambda: _sizes(bed) == {(2 + SECONDS) * RATE}, within=60)
        plain, ruled = (_waits(bed, route) for route in (PLAIN, RULED))
    return [
        figure
        for share, name in ((0.5, "p50"), (0.99, "p99"))
        for figure in _compared(name, _by_window(plain, share), _by_window(ruled, share))
    ]


def _scorer(bed: Bed, route: str, stack: ExitStack) -> None:
    words = ["--log", bed.url, "--namespace", NAMESPACE, "score", "--route", route]
    words += ["--in", SOURCE, "--out", route, "--group", route, "--cache", str(bed.folder / "c")]
    process = subprocess.Popen(
        [sys.executable, "-m", "modelwire_router", *words],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    stack.callback(process.wait)
    stack.callback(process.terminate)


def _land(bed: Bed, messages: Iterator[Message], seconds: int) -> None:
    """Append events at an even rate, and change the ruled route every second."""
    shares = cycle(({"1": "60", "2": "40"}, {"1": "70", "2": "30"}))
    began, landed, changed = time.monotonic(), 0, 0
    while landed < seconds * RATE:
        passed = time.monotonic() - began
        due = list(islice(messages, min(seconds * RATE, int(passed * RATE)) - landed))
        landed += len(due)
        if due:
            bed.log.append_batch(SOURCE, due)
        if passed > changed:
            changed += 1
            state = fold_log(bed.log, NAMESPACE)
            at = When(int(time.time() * 1000) + AHEAD_MS, cancel_scheduled=True)
            change = split(state, RULED, next(shares), when=at)
            submit(bed.log, NAMESPACE, change, BY, state=state).verdict.check()
        time.sleep(0.002)


def _sizes(bed: Bed) -> set[int]:
    return {size(bed.log, route) for route in (PLAIN, RULED)}


def _waits(bed: Bed, route: str) -> dict[int, list[float]]:
    """Return the ms from append to append by window, without the time in which scorers join."""
    came = {
        f"{r.stream}/{r.partition}/{r.offset}": r.appended for r in all_records(bed.log, SOURCE)
    }
    first = min(came.values()) + 2000
    found: dict[int, list[float]] = defaultdict(list)
    for record in all_records(bed.log, route):
        at = came[orjson.loads(record.value)["id"]]
        if at >= first:
            found[(at - first) // (WINDOW_S * 1000)].append(record.appended - at)
    return found


def _by_window(waits: dict[int, list[float]], share: float) -> list[float]:
    return [_quantile(waits[window], share) for window in sorted(waits)]


def _quantile(waits: list[float], share: float) -> float:
    """Return a quantile finer than the log's clock: the waits of a whole ms are spread over it.

    Both times are cut to a ms, at any point of it, so `n` ms lie as often below `n` as above it.
    """
    at = quantile(waits, share)
    below, same = sum(wait < at for wait in waits), waits.count(at)
    return at - 0.5 + (share * len(waits) - below) / same


def _compared(name: str, plain: list[float], ruled: list[float]) -> list[Figure]:
    what = f"an event waits with a split and scheduled changes over one version for all, {name}"
    return [
        of(what, "x", ratios(plain, ruled), 1.2),
        of(f"  {name}, one version for all", "ms", plain),
        of(f"  {name}, a split and scheduled changes", "ms", ruled),
    ]
