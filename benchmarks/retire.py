"""Giving the memory of an old version back, beside a loop that scores: its longest pause."""

import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns

from benchmarks import flights
from benchmarks.bed import Family, folder_of, made
from benchmarks.measure import Figure, of
from benchmarks.predict import NUMERIC, session
from modelwire.loading.formats import LoadOptions
from modelwire.loading.onnx import OnnxFormat
from modelwire.serving.features import compile_features
from modelwire.serving.servable import Servable
from modelwire.serving.shelf import Shelf
from modelwire_schemas.release import ReleasePublished
from modelwire_schemas.routing import ModelVersion

MEGABYTES, ROUNDS = 500, 9


def figures() -> list[Figure]:
    """Retire a mapped model of 500 MB again and again, and look at the gaps of a loop."""
    with made() as bed:
        body = Family(bed, MEGABYTES).first
        folder = folder_of(body)
        steady, during, took = [], [], []
        for _ in range(ROUNDS):
            shelf = Shelf()
            shelf.put(_loaded(folder, body))
            idle = threading.Event()
            threading.Timer(0.1, idle.set).start()
            steady.append(_longest_gap(idle.is_set) / 1e6)
            gone = _retire(shelf)
            started = perf_counter_ns()
            during.append(_longest_gap(gone) / 1e6)
            took.append((perf_counter_ns() - started) / 1e6)
            shelf.close(5.0)
    return [
        of("longest gap while 500 MB are released", "ms", during, 2.0),
        of("  the loop's longest gap in 100 ms without", "ms", steady),
        of("  how long the release takes", "ms", took),
    ]


def _loaded(folder: Path, body: ReleasePublished) -> Servable:
    model = OnnxFormat().load(folder, body.artifact, LoadOptions())
    features = compile_features(body.contract)
    model.run({"features": flights.matrix(1)})
    version = ModelVersion(body.model, body.version)
    return Servable(version, body.artifact.digest, body.contract, model, features)


def _retire(shelf: Shelf) -> Callable[[], bool]:
    version, servable = next(iter(shelf.warm.items()))
    seen = weakref.ref(servable)
    del servable
    shelf.drop(version)
    return lambda: seen() is None and not shelf.leaving


def _longest_gap(done: Callable[[], bool]) -> int:
    """Score one flight after the other until it is done; return the longest pause in ns."""
    run, row = session(NUMERIC).run, {"features": flights.matrix(1)}
    longest, last = 0, perf_counter_ns()
    while not done():
        for _ in range(10):
            run(["late"], row)
            now = perf_counter_ns()
            longest = max(longest, now - last)
            last = now
    return longest
