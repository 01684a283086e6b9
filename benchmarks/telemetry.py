"""What telemetry costs: flights as JSON, scored by our loop, with it and without."""

import gc
import time
from secrets import token_hex

from benchmarks import flights
from benchmarks.bed import NAMESPACE, ROUTE, made
from benchmarks.measure import Figure, of, ratios
from modelwire import Models
from modelwire.reporting.telemetry import EVERY
from modelwire.scoring.scorer import Job, Scorer
from modelwire_log.contract import START, Log, Message, Place
from modelwire_schemas.names import topic

EVENTS, ROUNDS = 20_000, 15
SOURCE = "flights"


def figures() -> list[Figure]:
    """Score the same flights in turns; processor time of all threads counts."""
    with made() as bed:
        bed.publish(flights.EXAMPLE / "numeric.onnx", "1", model="four")
        bed.flip("1", route=ROUTE, model="four")
        bed.log.create(SOURCE, 4)
        bed.log.append_batch(SOURCE, [Message(line) for line in flights.lines(EVENTS)])
        with bed.connect(telemetry=False) as off, bed.connect() as on:
            for models in (off, on):
                models.route(ROUTE).wait_until_ready()
                _score(models)
            without, beside = list[float](), list[float]()
            for _ in range(ROUNDS):
                without.append(_score(off))
                beside.append(_score(on))
        sizes = _sizes(bed.log)
    what = "event path with telemetry over without it, processor time"
    return [
        of(what, "x", ratios(without, beside), 1.05),
        of("  without telemetry, an event", "µs", without),
        of("  one window of one version with one output, told every 2 s", "KB/min", sizes),
    ]


def _score(models: Models) -> float:
    """Return µs of processor time an event, with all that is told of it."""
    gc.collect()
    name = token_hex(4)
    scorer = Scorer(models, models.log, Job(route=ROUTE, source=SOURCE, sink=name, group=name))
    started = time.process_time_ns()
    scorer.run(until_end=True)
    models.live.recorder.changed()
    return (time.process_time_ns() - started) / EVENTS / 1000


def _sizes(log: Log) -> list[float]:
    """Return KB a minute, by each report that was made."""
    stream = topic(NAMESPACE, "telemetry")
    records = log.read(Place(stream), START)
    sizes = [len(r.value) + sum(len(n) + len(v) for n, v in r.headers) for r in records]
    return [size * 60 / EVERY / 1000 for size in sizes]
