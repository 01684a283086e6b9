"""What an own loop's answers go through once they are made: measured at times, handed to shadows.

The caller may change events and outputs as soon as it has its answer, so copies are taken here.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from modelwire.loading.tensors import Array
from modelwire.reporting.scored import Scored
from modelwire.serving.answer import Answer, Answers, Provenance, Value
from modelwire.serving.live import Live
from modelwire.serving.plan import Event, RoutePlan
from modelwire.serving.rows import Given, Rows
from modelwire.serving.shadowing import Batch

APART_NS = 20_000_000
"""What is measured lies so far apart at least: adding up costs a tenth of a millisecond each."""


class Beside:
    """Of one route. `due_ns` says from when on (monotonic) the next answer is measured."""

    def __init__(self, live: Live) -> None:
        self.due_ns = 0
        self._live = live

    def one(
        self,
        plan: RoutePlan,
        event: Event,
        outputs: Sequence[Value],
        names: Sequence[str],
        told: Provenance,
        ts: int,
        began: int,
    ) -> None:
        """Take one event's outputs, with a batch axis; its answer began at `began` (ns)."""
        took = self._live.monotonic_ns() - began
        kept = tuple(output.copy() for output in outputs)
        answers = Answers(kept, names, 1, (told,), took=(took,))
        if self._is_due(began):
            self._live.recorder.note(Scored(answers, (ts,), counts=False))
        if plan.has_shadows:
            event = event._replace(body=_copied(event.body))
            keys, headers = (event.key,), (event.headers,)

            def batch() -> Batch:
                rows = Rows([event.body], keys, headers, (event.source,))
                return Batch(plan, rows, (ts,), answers)

            self._live.shadows.offer_later(plan, batch, 1)

    def answer(self, plan: RoutePlan, event: Event, answer: Answer, ts: int, began: int) -> None:
        """Take one event's answer."""
        outputs = [np.asarray(value)[None] for value in answer.outputs.values()]
        self.one(plan, event, outputs, tuple(answer.outputs), answer.provenance, ts, began)

    def many(
        self,
        plan: RoutePlan,
        rows: Rows,
        answers: Answers,
        times: Sequence[int],
        began: int,
        *,
        counted: bool,
    ) -> None:
        """Take a batch's answers; those that are `counted` already are only measured."""
        due = self._is_due(began)
        if due or not counted or plan.has_shadows:
            kept = _copy(answers, self._live.monotonic_ns() - began)
            if due or not counted:
                scored = Scored(kept, times, counts=not counted, values=due)
                self._live.recorder.note(scored)
            if plan.has_shadows:
                copied = rows.copied()
                batch = Batch(plan, copied, times, kept)
                self._live.shadows.offer_later(plan, lambda: batch, len(times))

    def _is_due(self, began: int) -> bool:
        if began < self.due_ns:
            return False
        self.due_ns = began + APART_NS
        return True


def _copy(answers: Answers, took: int) -> Answers:
    outputs: Mapping[str, Array] = answers.outputs
    arrays = tuple(values.copy() for values in outputs.values())
    told, which, errors = answers.provenances, answers.which, answers.errors
    spent = answers.took or (took,) * len(told)
    rows = len(answers)
    return Answers(arrays, tuple(outputs), rows, told, which, None, errors, spent, answers.raised)


def _copied(body: Given) -> Given:
    """Return an event that stays as it is; what cannot be copied cheaply is trusted."""
    return body.copy() if hasattr(body, "copy") else body
