"""Shadows: versions that score a sample of what others answer, in a thread of their own.

Handing work over takes no lock and never waits. What the thread cannot do in its time is dropped
and counted; the answer was given before.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from modelwire.reporting.recorder import Recorder
from modelwire.reporting.shadowed import Dropped, Shadowed
from modelwire.serving.answer import Answers
from modelwire.serving.plan import RoutePlan
from modelwire.serving.rows import Rows
from modelwire.serving.servable import Servable
from modelwire_schemas.errors import ModelwireError
from modelwire_schemas.routing import ModelVersion

logger = logging.getLogger("modelwire.serving")

MOST_WAITING = 32
"""Pieces of work that wait at most."""

AT_ONCE = 256
"""Events of one piece, so that a slow version is stopped soon."""

PATIENCE_S = 1.0
"""Seconds after which work that waits is dropped: it would only be late."""

SHARE = 0.25
"""The part of its time that the thread works at most; the rest belongs to the live versions."""

MOST_LATER = 1000
"""Answers of own loops that wait at most, a batch being one."""

Deliver: TypeAlias = Callable[[Shadowed, Servable], None]
"""Writes the pairs; what it raises drops them."""


class Batch(NamedTuple):
    """Events that were answered: a row and a time (ms) each; `done` rows are final, None: all."""

    plan: RoutePlan
    rows: Rows
    times: Sequence[int]
    answers: Answers
    done: Sequence[int] | None = None


class Work(NamedTuple):
    """Rows of a batch that one shadow shall score."""

    batch: Batch
    shadow: ModelVersion
    rows: Sequence[int]
    deliver: Deliver | None
    offered_s: float
    thresholds: Mapping[str, float] = {}


class Later(NamedTuple):
    """A batch of an own loop, of so many rows; who gets it is found out in the thread."""

    plan: RoutePlan
    make: Callable[[], Batch]
    rows: int
    offered_s: float


class Shadows:
    """The queue and the thread of a process. `offer` is for any thread."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._queue: queue.SimpleQueue[Work | Later | threading.Event | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._failing = False

    def offer(self, batch: Batch, deliver: Deliver | None = None) -> None:
        """Hand a batch over whose answers are out; returns at once."""
        for work in _sampled(batch, deliver):
            if self._queue.qsize() >= MOST_WAITING or self._closed.is_set():
                self._drop(work)
                continue
            if self._thread is None:
                self._start()
            self._queue.put(work)

    def offer_later(self, plan: RoutePlan, make: Callable[[], Batch], rows: int) -> None:
        """Hand over what an own loop answered; returns at once, without drawing the sample."""
        later = Later(plan, make, rows, time.monotonic())
        if self._queue.qsize() >= MOST_LATER or self._closed.is_set():
            self._spare(later)
            return
        if self._thread is None:
            self._start()
        self._queue.put(later)

    def finish(self, timeout: float) -> None:
        """Wait until what was handed over is done or dropped; `timeout` seconds at most."""
        if self._thread is not None and self._thread.is_alive():
            done = threading.Event()
            self._queue.put(done)
            done.wait(timeout)

    def close(self, timeout: float) -> None:
        """Drop what waits, and stop."""
        self._closed.set()
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join(timeout)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="modelwire-shadows", daemon=True
                )
                self._thread.start()

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            if isinstance(work, threading.Event):
                work.set()
                continue
            started = time.monotonic()
            if isinstance(work, Later):
                self._do_later(work)
            else:
                self._try(work)
            self._closed.wait((time.monotonic() - started) * (1 - SHARE) / SHARE)

    def _do_later(self, later: Later) -> None:
        if time.monotonic() - later.offered_s > PATIENCE_S or self._closed.is_set():
            self._spare(later)
            return
        for work in _sampled(later.make(), None):
            self._try(work)

    def _spare(self, later: Later) -> None:
        """Drop what was not drawn from: every shadow of the route was spared all of it."""
        documents = later.plan.compiled.values()
        for version in {sample.version for one in documents for sample in one.samples}:
            self._recorder.note(Dropped(later.plan.name, version, later.rows))

    def _try(self, work: Work) -> None:
        try:
            self._do(work)
        except Exception:
            logger.exception("a shadow of %s failed", work.batch.plan.name)
            self._drop(work)

    def _do(self, work: Work) -> None:
        servable = work.batch.plan.warm(work.shadow.model, work.shadow.version)
        late = time.monotonic() - work.offered_s > PATIENCE_S
        if servable is None or late or self._closed.is_set():
            self._drop(work)
            return
        paired = score(work, servable)
        if work.deliver is not None:
            try:
                work.deliver(paired, servable)
            except ModelwireError as error:
                if not self._failing:
                    logger.warning("pairs of a shadow are lost: %s", error)
                self._failing = True
                self._drop(work)
                return
        self._failing = False
        self._recorder.note(paired)

    def _drop(self, work: Work) -> None:
        route, version = work.batch.plan.name, work.shadow.version
        self._recorder.note(Dropped(route, version, len(work.rows)))


def score(work: Work, servable: Servable) -> Shadowed:
    """Return what a shadow gives for its rows; a row that makes it raise fails alone."""
    started = time.perf_counter_ns()
    batch, numbers = work.batch, np.array(work.rows, np.intp)
    inputs = batch.rows.inputs(servable.features, numbers)
    failed = [(work.rows[fault.row], fault.error.code) for fault in inputs.faults]
    good = numbers if inputs.good is None else numbers[inputs.good]
    outputs = dict[str, np.ndarray]()
    if len(good):
        try:
            ran = servable.fast(inputs.inputs)
        except Exception as error:
            if len(numbers) > 1:
                return _joined([score(work._replace(rows=[row]), servable) for row in work.rows])
            servable.failed(error)
            failed, good = [(work.rows[0], "E_MODEL")], good[:0]
        else:
            servable.count(len(good))
            outputs = dict(zip(servable.names, ran, strict=True))
    took = time.perf_counter_ns() - started
    answers, times = batch.answers, batch.times
    return Shadowed(work.shadow, answers, times, good, outputs, failed, took, work.thresholds)


def are_warm(plan: RoutePlan | None) -> bool:
    """Whether every shadow of a route is warm."""
    return plan is not None and all(
        plan.warm(compiled.document.model, sample.version) is not None
        for compiled in plan.compiled.values()
        for sample in compiled.samples
    )


def _joined(parts: Sequence[Shadowed]) -> Shadowed:
    """Return rows that were scored one by one as one."""
    good = [part for part in parts if len(part.good)]
    names = tuple(good[0].outputs) if good else ()
    return parts[0]._replace(
        good=np.concatenate([part.good for part in parts]),
        outputs={name: np.concatenate([part.outputs[name] for part in good]) for name in names},
        failed=[failure for part in parts for failure in part.failed],
        took=sum(part.took for part in parts),
    )


def _sampled(batch: Batch, deliver: Deliver | None) -> list[Work]:
    """Return the work of every shadow of the documents that were in force."""
    found: list[Work] = []
    now = time.monotonic()
    for revision in {told.revision for told in batch.answers.provenances}:
        compiled = batch.plan.compiled.get(revision)
        if compiled is None:
            continue
        for sample in compiled.samples:
            rows = _answered(batch, revision, sample.version)
            taken = batch.rows.take(np.array(rows, np.intp), with_fields=sample.reads)
            drawn = sample.rows(taken.keys, taken.bodies, taken.headers, taken.sources)
            shadow = ModelVersion(compiled.document.model, sample.version)
            chosen = [rows[at] for at in drawn]
            for start in range(0, len(chosen), AT_ONCE):
                some = chosen[start : start + AT_ONCE]
                found.append(Work(batch, shadow, some, deliver, now, sample.thresholds))
    return found


def _answered(batch: Batch, revision: int, shadow: str) -> list[int]:
    """Return the rows that others than the shadow answered under a revision, and are final."""
    answers = batch.answers
    failed = {row for row, _ in answers.errors}
    rows = range(len(answers)) if batch.done is None else batch.done
    which = answers.which
    of = {
        n
        for n, told in enumerate(answers.provenances)
        if told.revision == revision and told.served_by != shadow
    }
    return [r for r in rows if r not in failed and (0 if which is None else which[r]) in of]
