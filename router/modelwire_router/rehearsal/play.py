"""Two versions answer the same events, batch by batch, and are measured as in a consumer.

A rehearsal has a clock of its own: its windows follow each other, whenever the events were.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from modelwire.control.state import ALWAYS, Accepted, RouteState, State
from modelwire.loading.tensors import Array
from modelwire.reporting.recorder import Noted, Windows
from modelwire.reporting.scored import Scored
from modelwire.reporting.shadowed import Shadowed
from modelwire.reporting.spans import SPANS
from modelwire.reporting.spread import as_floats, numbers
from modelwire.scoring.events import Fields, Reading
from modelwire.scoring.labels import Joiner
from modelwire.serving.answer import Answers
from modelwire.serving.batch import predict_rows
from modelwire.serving.plan import FOREVER, Marks, RoutePlan
from modelwire.serving.rows import Rows
from modelwire.serving.servable import Servable
from modelwire.serving.shadowing import AT_ONCE, Batch, Work, score
from modelwire_log.contract import Record
from modelwire_router.retained import Retained
from modelwire_router.rollout.documents import STABLE
from modelwire_schemas.routing import BUCKETS, RoutingDocument, Rule, Variant
from modelwire_schemas.telemetry import Window

SPAN = SPANS[0]
"""Ms of a window by the rehearsal's clock."""

WINDOWS = 60
"""So many windows at most; from a dozen on the spread of latencies is known."""

_By: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class Pair:
    """A route whose stable version answers while the candidate answers the same beside it."""

    route: str
    stable: Servable
    candidate: Servable


@dataclass(frozen=True, slots=True)
class Labels:
    """Joins labels with what is predicted for events of before `until` (ms): theirs are mature."""

    joiner: Joiner
    until: int


class Play:
    """What a pair does on events; with `labels` a joiner hears of every prediction.

    `watched` are the fields of events whose values are told.
    """

    def __init__(
        self, pair: Pair, labels: Labels | None = None, watched: Sequence[str] = ()
    ) -> None:
        self._pair = pair
        self._labels = labels
        self._watched = watched
        self._plan = _plan(pair)
        self._windows = Windows()

    def run(self, events: Retained) -> Iterator[int]:
        """Score all events; yield how many are done, batch after batch."""
        batches = -(-len(events.fields) // AT_ONCE)
        self._score(events.fields[:AT_ONCE], 0)  # the first run of a batch is the slow one
        for number in range(batches):
            some = slice(number * AT_ONCE, (number + 1) * AT_ONCE)
            records, fields = events.records[some], events.fields[some]
            time = number * min(WINDOWS, batches) // batches * SPAN
            answers, beside = self._score(fields, time)
            inputs = {name: numbers(row.get(name) for row in fields) for name in self._watched}
            noted: list[Noted] = [Scored(answers, [time] * len(fields), None, inputs), *beside]
            for one in noted:
                one.add_to(self._windows)
            if self._labels is not None:
                for record, event in zip(records, fields, strict=True):
                    self._labels.joiner.event(_place(record), event)
                self._join(self._labels, records, time, answers, beside)
            yield number * AT_ONCE + len(fields)

    def windows(self) -> tuple[Window, ...]:
        """Return what was measured, labels included."""
        if self._labels is not None:
            self._labels.joiner.matches().add_to(self._windows)
        return tuple(one.window for one in self._windows.changed())

    def _score(self, fields: Sequence[Fields], time: int) -> tuple[Answers, list[Shadowed]]:
        """Return what both give; a row that stable fails on makes no pair."""
        rows, times = Rows(fields, None, None, None), [time] * len(fields)
        answers = predict_rows(self._plan, rows, times, None, FOREVER)
        nothing = Answers((), (), len(answers), answers.provenances, answers.which)
        failed = [row for row, _ in answers.errors]
        candidate = self._pair.candidate
        work = [
            Work(Batch(self._plan, rows, times, of), candidate.version, some, None, 0.0)
            for of, some in ((answers, _others(len(fields), failed)), (nothing, failed))
            if some
        ]
        return answers, [score(one, candidate) for one in work]

    def _join(
        self,
        labels: Labels,
        records: Sequence[Record],
        time: int,
        answers: Answers,
        beside: Sequence[Shadowed],
    ) -> None:
        """Tell the joiner what was predicted, as the outputs and pairs of a scorer would."""
        stable, candidate = self._pair.stable.version, self._pair.candidate.version
        live = {"served_by": stable.version, "routed_to": stable.version, "variant": STABLE}
        old = [Reading().time(record, {}) < labels.until for record in records]

        def told(row: int) -> _By:
            source = _source(records[row], time)
            return {"route": self._pair.route, "model": stable.model, "revision": 1, **source}

        good = _others(len(records), [row for row, _ in answers.errors])
        for row, outputs in _numbers({n: v[good] for n, v in answers.outputs.items()}, good):
            if old[row]:
                labels.joiner.output({**told(row), **live, "outputs": outputs})
        for shadowed in beside:
            for row, outputs in _numbers(shadowed.outputs, shadowed.good.tolist()):
                if old[row]:
                    shadow = {"version": candidate.version, "outputs": outputs}
                    labels.joiner.pair({**told(row), "shadow": shadow})


def _plan(pair: Pair) -> RoutePlan:
    """Return how the stable version answers every event."""
    version = pair.stable.version
    rule = Rule("all", (Variant(STABLE, version.version, ((0, BUCKETS),)),))
    document = RoutingDocument(pair.route, version.model, (rule,))
    accepted = Accepted(1, document, ALWAYS, ALWAYS, ALWAYS, 0)
    route = RouteState(pair.route, accepted, (accepted,))
    state = State(routes={pair.route: route})
    return RoutePlan(pair.route, state, {version: pair.stable}, Marks(0, stale=False), 0)


def _others(size: int, rows: Sequence[int]) -> list[int]:
    """Return the numbers of the other rows."""
    found: list[int] = np.setdiff1d(np.arange(size), rows).tolist()
    return found


def _numbers(outputs: Mapping[str, Array], rows: Sequence[int]) -> Iterator[tuple[int, _By]]:
    """Yield the outputs that are numbers, row by row."""
    floats = {name: found for name, v in outputs.items() if (found := as_floats(v)) is not None}
    for place, row in enumerate(rows if floats else ()):
        yield row, {name: float(values[place]) for name, values in floats.items()}


def _place(record: Record) -> str:
    return f"{record.stream}/{record.partition}/{record.offset}"


def _source(record: Record, time: int) -> _By:
    where = {"stream": record.stream, "partition": record.partition, "offset": record.offset}
    return {"source": {**where, "timestamp": time}}
