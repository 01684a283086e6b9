"""From a rollback's record to the last of a hundred instances that serves the version before."""

import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

from benchmarks import flights
from benchmarks.bed import NAMESPACE, ROUTE, Bed, inline, made
from benchmarks.measure import Figure, of, quantile
from modelwire import connect
from modelwire.hooks import Hooks
from modelwire.serving.route import Route
from modelwire_log.kafka.log import KafkaLog
from modelwire_log.kafka.setup import create_topics
from modelwire_log.open import open_log
from tests.models.good import mlp
from tests.system.broker import Broker

PROCESSES, INSTANCES, ROUNDS = 4, 25, 100
GOAL = 1000
REST_S = 0.5
"""A version is not taken back before the fleet has told that it serves it."""

HIDDEN = 130


class Instances:
    """Processes of many instances each, which say what their routes answer with, and since when."""

    def __init__(self, bed: Bed, stack: ExitStack) -> None:
        command = [sys.executable, "-c", "from benchmarks.rollback import serve; serve()", bed.url]
        self._all = [
            stack.enter_context(
                subprocess.Popen(
                    [*command, str(bed.folder)],
                    cwd=Path(__file__).parents[1],
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(PROCESSES)
        ]
        for child in self._all:
            stack.callback(child.terminate)

    def serving(self, version: str) -> list[int]:
        """Return the monotonic ns at which each instance answered with a version."""
        return [ns for child in self._all for ns in self._heard(child, version)]

    def _heard(self, child: subprocess.Popen[str], version: str) -> list[int]:
        assert child.stdout is not None  # noqa: S101
        found: list[int] = []
        while len(found) < INSTANCES and (line := child.stdout.readline()):
            answered, ns = line.split()
            if answered == version:
                found.append(int(ns))
        if len(found) < INSTANCES:
            raise SystemExit("a process of instances ended")
        return found


def serve() -> None:
    """Embed the SDK many times, and tell what each route answers with after every swap."""
    url, folder = sys.argv[1], Path(sys.argv[2])
    row, swapped = flights.matrix(1), SimpleQueue[int]()

    class Told(Hooks):
        def __init__(self, number: int) -> None:
            self._number = number

        def after_swap(self, route: str, before: str | None, after: str) -> None:
            del route, before, after
            swapped.put(self._number)

    with ExitStack() as stack:
        routes: list[Route] = []
        for number in range(INSTANCES):
            models = connect(url, namespace=NAMESPACE, cache=folder / "cache", hooks=Told(number))
            routes.append(stack.enter_context(models).route(ROUTE))
        while True:
            answer = routes[swapped.get()].predict(row)
            print(answer.version, time.monotonic_ns(), flush=True)


def figures() -> list[Figure]:
    """Flip to a version and take it back, again and again, on SQLite and on a real broker."""
    with made() as bed:
        found = _measured(bed, "SQLite")
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="modelwire-broker-"))
        broker = stack.enter_context(Broker(Path(name)))
        with open_log(broker.url) as log:
            assert isinstance(log, KafkaLog)  # noqa: S101
            create_topics(log, NAMESPACE, 1)
        with made(broker.url) as bed:
            return [*found, *_measured(bed, "Kafka")]


def _measured(bed: Bed, log: str) -> list[Figure]:
    file = bed.folder / "small.onnx"
    file.write_bytes(mlp(hidden=HIDDEN))
    bed.publish(file, "1")
    bed.release([inline(bed.releases()["1"], "2", mlp(hidden=HIDDEN, seed=2))])
    bed.flip("1")
    last, middle = list[float](), list[float]()
    with ExitStack() as stack:
        instances = Instances(bed, stack)
        instances.serving("1")
        for _ in range(ROUNDS):
            bed.flip("2")
            instances.serving("2")
            time.sleep(REST_S)
            started = time.monotonic_ns()
            bed.flip("1")
            spans = [(ns - started) / 1e6 for ns in instances.serving("1")]
            last.append(max(spans))
            middle.append(quantile(spans, 0.5))
    count = PROCESSES * INSTANCES
    what = f"rollback: appended → the last of {count} instances serves the predecessor, {log}"
    return [
        Figure(f"{what}, p99", "ms", quantile(last, 0.99), GOAL),
        of("  the last one, median", "ms", last),
        of("  half of them, median", "ms", middle),
    ]
