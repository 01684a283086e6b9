"""From a release to four processes that serve it, over a loop written by hand on the same log."""

import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from secrets import token_hex

from benchmarks import by_hand, flights
from benchmarks.bed import NAMESPACE, ROUTE, Bed, Family, inline, made, sealed
from benchmarks.measure import Figure, of, ratios
from modelwire import connect
from modelwire.hooks import Hooks
from modelwire_schemas.release import ReleasePublished
from modelwire_schemas.routing import ModelVersion
from tests.models.good import mlp

CONSUMERS = 4
SMALL_ROUNDS, LARGE_ROUNDS, MEGABYTES = 15, 5, 100
HIDDEN = 130
"""Units of the small network: about 3 kB."""


class Consumers:
    """Processes that print a version and the monotonic ns at which it first answered."""

    def __init__(self, what: str, bed: Bed, stack: ExitStack) -> None:
        command = [sys.executable, "-c", f"from benchmarks.{what} import serve; serve()", bed.url]
        self._all = [
            stack.enter_context(
                subprocess.Popen(
                    [*command, str(bed.folder), str(number)],
                    cwd=Path(__file__).parents[1],
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for number in range(CONSUMERS)
        ]
        for child in self._all:
            stack.callback(child.terminate)

    def serving(self, version: str) -> int:
        """Return the monotonic ns at which the last of them answered with a version."""
        return max(self._heard(child, version) for child in self._all)

    def _heard(self, child: subprocess.Popen[str], version: str) -> int:
        assert child.stdout is not None  # noqa: S101
        while line := child.stdout.readline():
            found, ns = line.split()
            if found == version:
                return int(ns)
        raise SystemExit("a consumer ended")


def serve() -> None:
    """Embed the SDK as an application does, and say which version answers, and since when."""
    url, folder = sys.argv[1], Path(sys.argv[2])
    row = flights.matrix(1)
    swaps: SimpleQueue[str] = SimpleQueue()

    class Told(Hooks):
        def after_swap(self, route: str, before: str | None, after: str) -> None:
            del route, before
            swaps.put(after)

        def on_nack(self, version: ModelVersion, code: str, detail: str) -> None:
            print(version.version, code, detail, file=sys.stderr, flush=True)
            os._exit(1)

    hooks = Told()
    with connect(url, namespace=NAMESPACE, cache=folder / "cache", hooks=hooks) as models:
        route = models.route(ROUTE)
        while True:
            swaps.get()
            print(route.predict(row).version, time.monotonic_ns(), flush=True)


def figures() -> list[Figure]:
    """Release small models inline, then large ones as chunks and as files."""
    with made() as bed:
        small = _small(bed)
    with made() as bed:
        return [*small, *_large(bed)]


def _small(bed: Bed) -> list[Figure]:
    file = bed.folder / "small.onnx"
    file.write_bytes(mlp(hidden=HIDDEN))
    bed.publish(file, "0")
    first = bed.releases()["0"]
    found: dict[str, list[float]] = defaultdict(list)
    with ExitStack() as stack:
        hand, ours = _started(bed, first, stack)
        for number in range(1, SMALL_ROUNDS + 1):
            fresh = inline(first, f"fresh-{number}", mlp(hidden=HIDDEN, seed=number))
            known = replace(fresh, version=f"known-{number}")
            for what, body in (("fresh", fresh), ("known", known)):
                found[f"hand {what}"].append(_by_hand(bed, hand, body))
                found[what].append(_released(bed, ours, body))
    return [
        _ratio("3 KB, fresh probe", found["hand fresh"], found["fresh"], 5.0),
        _ratio("3 KB, verdict known", found["hand known"], found["known"], 1.5),
        *(of(f"  3 KB, {what}", "ms", spans) for what, spans in found.items()),
    ]


def _large(bed: Bed) -> list[Figure]:
    family, store = Family(bed, MEGABYTES), bed.folder / "store"
    first, found = family.first, defaultdict[str, list[float]](list)
    chunked = by_hand.chunked(bed.log, first)
    with ExitStack() as stack:
        hand, ours = _started(bed, first, stack)
        for number in range(LARGE_ROUNDS):
            chunks, filed = family.make(f"c{number}"), family.make(f"f{number}", store=store)
            found["hand chunks"].append(_by_hand(bed, hand, chunked))
            found["chunks"].append(_released(bed, ours, _anew(chunks)))
            found["hand file"].append(_by_hand(bed, hand, first))
            found["file"].append(_released(bed, ours, _anew(filed)))
            found["known"].append(_released(bed, ours, _anew(filed)))
    return [
        _ratio("100 MB, chunks, fresh probe", found["hand chunks"], found["chunks"], 0.7),
        _ratio("100 MB, file:, fresh probe", found["hand file"], found["file"], 1.0),
        _ratio("100 MB, verdict known, over file:", found["hand file"], found["known"], 0.25),
        *(of(f"  100 MB, {what}", "ms", spans) for what, spans in found.items()),
    ]


def _started(bed: Bed, first: ReleasePublished, stack: ExitStack) -> tuple[Consumers, Consumers]:
    bed.flip(first.version)
    hand = Consumers("by_hand", bed, stack)
    ours = Consumers("propagate", bed, stack)
    ours.serving(first.version)
    _by_hand(bed, hand, first)
    return hand, ours


def _anew(body: ReleasePublished) -> ReleasePublished:
    return replace(body, version=f"{body.version}-{token_hex(3)}")


def _by_hand(bed: Bed, hand: Consumers, body: ReleasePublished) -> float:
    """Return the ms until all consumers that were written by hand serve the bytes."""
    anew = _anew(body)
    message = by_hand.message(anew)
    started = time.monotonic_ns()
    bed.log.append(by_hand.RELEASES, message)
    return (hand.serving(anew.version) - started) / 1e6


def _released(bed: Bed, ours: Consumers, body: ReleasePublished) -> float:
    """Return the ms until all of our consumers serve a version; release and flip count."""
    messages = [sealed(body), sealed(bed.flipped(body.version))]
    started = time.monotonic_ns()
    bed.append(messages)
    return (ours.serving(body.version) - started) / 1e6


def _ratio(what: str, hand: Sequence[float], ours: Sequence[float], goal: float) -> Figure:
    found = ratios(hand, ours)
    return of(f"publish → {CONSUMERS} consumers serving over hand-made, {what}", "x", found, goal)
