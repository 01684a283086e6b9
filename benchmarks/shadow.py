"""What an overloaded shadow does to live answers: our loop on flights, a few events at a time."""

from time import perf_counter_ns

from benchmarks import flights
from benchmarks.bed import AT_ONCE, BY, NAMESPACE, ROUTE, Bed, made
from benchmarks.measure import Figure, of, quantile
from modelwire import Models
from modelwire.control.commands import submit
from modelwire.control.reading import fold_log
from modelwire.scoring.scorer import Job, Scorer
from modelwire_log.contract import Consumer, Message
from modelwire_router.changes import replace_document
from modelwire_schemas.routing import BUCKETS, RoutingDocument, Rule, Shadow, Variant
from tests.models.good import slow

BATCH, STEPS, BLOCKS = 20, 300, 7
SLOW = 10_000
"""Rounds of the shadow's loop: some 20 ms a run, a hundred times what the live version takes."""


def figures() -> list[Figure]:
    """Score blocks of steps in turns: without a shadow, and with one at 100 %."""
    with made() as bed:
        bed.publish(flights.EXAMPLE / "numeric.onnx", "1", model="four")
        file = bed.folder / "slow.onnx"
        file.write_bytes(slow(SLOW))
        bed.publish(file, "2", model="four")
        _document(bed, ROUTE)
        _document(bed, "shadowed", Shadow("2"))
        with bed.connect() as models:
            bare, shadowed = _Lane(bed, models, ROUTE), _Lane(bed, models, "shadowed")
            models.live.wait_for(lambda s: len(s.warm) == 2, 30.0)
            bare.block()
            found, others = list[float](), list[float]()
            for _ in range(BLOCKS):
                models.live.shadows.finish(30.0)
                found.append(quantile(bare.block(), 0.99))
                others.append(quantile(shadowed.block(), 0.99))
            models.live.shadows.finish(30.0)
            models.live.recorder.changed()
            dropped = sum(dict(models.live.recorder.dropped("shadowed")).values())
            for lane in (bare, shadowed):
                lane.close()
    ratios = [other / one for one, other in zip(found, others, strict=True)]
    share = 100 * dropped / (BLOCKS * STEPS * BATCH)
    return [
        of("p99 of a step with an overloaded shadow at 100 % over without", "x", ratios, 1.2),
        of("  p99 of a step of 20 events without a shadow", "ms", found),
        Figure("  events that the shadow was spared", "%", share),
    ]


class _Lane:
    """A stream of its own, scored by one route."""

    def __init__(self, bed: Bed, models: Models, route: str) -> None:
        self._bed, self._source = bed, f"events.{route}"
        bed.log.create(self._source, 1)
        models.route(route).wait_until_ready()
        job = Job(route=route, source=self._source, sink=f"{route}.out", group=route)
        self._scorer = Scorer(models, models.log, job)
        self._member: Consumer = models.log.consumer(self._scorer.group)
        self._messages = [Message(line) for line in flights.lines(BATCH)]

    def block(self) -> list[float]:
        """Return ms of each step: from reading some events to their outputs' commit."""
        took: list[float] = []
        for _ in range(STEPS):
            self._bed.log.append_batch(self._source, self._messages)
            before, started = self._scorer.totals.events, perf_counter_ns()
            while self._scorer.totals.events < before + BATCH:
                self._scorer.step(self._member)
            took.append((perf_counter_ns() - started) / 1e6)
        return took

    def close(self) -> None:
        """Leave the group."""
        self._member.close()


def _document(bed: Bed, route: str, *shadows: Shadow) -> None:
    state = fold_log(bed.log, NAMESPACE)
    rule = Rule("all", (Variant("stable", "1", ((0, BUCKETS),)),))
    body = replace_document(state, RoutingDocument(route, "four", (rule,), shadows), when=AT_ONCE)
    submit(bed.log, NAMESPACE, body, BY, state=state).verdict.check()
