"""Swapping versions under a loop that scores: what the loop feels, and whether versions mix."""

import gc
import threading
from collections.abc import Callable
from time import perf_counter_ns

import numpy as np
import numpy.typing as npt
import orjson

from benchmarks import flights
from benchmarks.bed import ROUTE, Bed, Family, inline, made
from benchmarks.measure import Figure, of, quantile
from benchmarks.predict import NUMERIC
from modelwire import Models
from modelwire.hooks import Hooks
from tests.models.good import with_version_id

LARGE, SWAPS = 100, 20
SMALL = 1000
EVENTS_A_TURN = 16
STEADY_S = 0.3
CALM_S = 0.1
"""Seconds after a swap in which the old version is still on its way out."""

Spans = npt.NDArray[np.int64]


class Told(Hooks):
    """Remembers when a version began to answer on a route."""

    def __init__(self) -> None:
        self._served: dict[tuple[str, str], threading.Event] = {}

    def served(self, route: str, version: str) -> threading.Event:
        """Return the event that is set once the version answers."""
        return self._served.setdefault((route, version), threading.Event())

    def after_swap(self, route: str, before: str | None, after: str) -> None:
        """Take note."""
        del before
        self.served(route, after).set()


def figures() -> list[Figure]:
    """Swap 100 MB models that nobody knows yet, then a thousand small ones."""
    return [*_large(), *_small()]


def _large() -> list[Figure]:
    with made() as bed:
        family = Family(bed, LARGE, model="large")
        bed.release([family.make(str(number)) for number in range(1, SWAPS + 1)])
        bed.publish(NUMERIC, "1", model="four")
        bed.flip("1", route=ROUTE, model="four")
        bed.flip("0", route="large")
        told = Told()
        with bed.connect(hooks=told) as models:
            models.route(ROUTE).wait_until_ready()
            models.route("large").wait_until_ready(60)
            collection = _set_aside()
            return [*_felt(*_windows(bed, models, told)), collection]


def _set_aside() -> Figure:
    """Take what is loaded out of Python's full collections, and tell what one of them takes.

    One comes to any process now and then, stops every thread, and hides what a swap does.
    """
    start = perf_counter_ns()
    gc.collect()
    took = perf_counter_ns() - start
    gc.freeze()
    return Figure("  Python's full collection in this process", "ms", took / 1e6)


def _windows(bed: Bed, models: Models, told: Told) -> tuple[list[Spans], list[Spans]]:
    """Return the spans of the loop's turns, in windows without a swap and in those with one."""
    lines = flights.lines(EVENTS_A_TURN)
    route = models.route(ROUTE)

    def turn() -> object:
        answers = route.predict_batch([orjson.loads(line) for line in lines])
        return orjson.dumps(answers.value.tolist())

    steady: list[Spans] = []
    during: list[Spans] = []
    for number in range(1, SWAPS + 1):
        steady.append(_loop(turn, _after(STEADY_S)))
        swapped = told.served("large", str(number))
        bed.flip(str(number), route="large")
        end = threading.Event()
        threading.Thread(target=_set_after, args=(swapped, end), daemon=True).start()
        during.append(_loop(turn, end.is_set))
    return steady, during


def _set_after(swapped: threading.Event, end: threading.Event) -> None:
    if not swapped.wait(60):
        raise SystemExit("a version was not served within a minute")
    end.wait(CALM_S)
    end.set()


def _after(seconds: float) -> Callable[[], bool]:
    until = perf_counter_ns() + int(seconds * 1e9)
    return lambda: perf_counter_ns() >= until


def _loop(turn: Callable[[], object], done: Callable[[], bool]) -> Spans:
    spans: list[int] = []
    last = perf_counter_ns()
    while not done():
        turn()
        now = perf_counter_ns()
        spans.append(now - last)
        last = now
    return np.array(spans, np.int64)


def _felt(steady: list[Spans], during: list[Spans]) -> list[Figure]:
    calm, busy = np.concatenate(steady).tolist(), np.concatenate(during).tolist()
    tails = quantile(busy, 0.999) / quantile(calm, 0.999)
    gaps = [b.max() / 1e6 for b in during]
    return [
        Figure(f"p99.9 during over steady, {SWAPS} swaps of {LARGE} MB", "x", tails, 1.3),
        Figure(
            "longest gap in a swap beyond the steady one",
            "ms",
            (max(busy) - max(calm)) / 1e6,
            5.0,
        ),
        Figure("  steady: median of a turn of 16 flights", "µs", quantile(calm, 0.5) / 1e3),
        Figure("  steady: p99.9", "µs", quantile(calm, 0.999) / 1e3),
        Figure("  during: median", "µs", quantile(busy, 0.5) / 1e3),
        Figure("  during: p99.9", "µs", quantile(busy, 0.999) / 1e3),
        Figure("  steady: longest of all", "ms", max(calm) / 1e6),
        of("  during: longest of a swap", "ms", gaps),
        of("  from flip to served, while scoring", "ms", [w.sum() / 1e6 - 100 for w in during]),
    ]


def _small() -> list[Figure]:
    """Swap versions that answer with their own id, and compare it with what the answer says."""
    with made() as bed:
        file = bed.folder / "small.onnx"
        file.write_bytes(with_version_id(0))
        bed.publish(file, "0")
        first = bed.releases()["0"]
        bed.release(
            inline(first, str(number), with_version_id(number)) for number in range(1, SMALL + 1)
        )
        bed.flip("0")
        told = Told()
        with bed.connect(hooks=told) as models:
            models.route(ROUTE).wait_until_ready()
            ended = threading.Event()
            flips = threading.Thread(target=_flip_all, args=(bed, told, ended), daemon=True)
            flips.start()
            wrong, seen = _watched(models, ended)
            flips.join()
    return [
        Figure(f"failed or mixed predictions in {SMALL} swaps", "", wrong, 0),
        Figure("  different versions that answered", "", seen),
    ]


def _flip_all(bed: Bed, told: Told, ended: threading.Event) -> None:
    try:
        for number in range(1, SMALL + 1):
            bed.flip(str(number))
            if not told.served(ROUTE, str(number)).wait(30):
                return
    finally:
        ended.set()


def _watched(models: Models, ended: threading.Event) -> tuple[int, int]:
    """Return how many answers were wrong, and how many versions answered."""
    route, events = models.route(ROUTE), flights.events(64)
    wrong, seen = 0, set[str]()
    while not ended.wait(0.0002):  # an application waits for events now and then
        try:
            one = route.predict(events[0])
            ids = set(route.predict_batch(events).outputs["version_id"].tolist())
        except Exception:
            wrong += 1
            continue
        wrong += str(one.outputs["version_id"]) != one.version or len(ids) != 1
        seen.add(one.version)
    return wrong, len(seen)
