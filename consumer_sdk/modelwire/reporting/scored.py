"""A batch that was answered and committed, and how it is counted: by version, variant and time."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from modelwire.reporting.groups import Indices, groups
from modelwire.reporting.measured import Measured
from modelwire.reporting.recorder import Windows
from modelwire.reporting.spread import Floats, as_floats
from modelwire.serving.answer import Answers, Provenance
from modelwire_schemas.telemetry import Role, WindowKey

UNROUTED = frozenset({"E_KEY", "E_NO_KEY"})
"""Errors of events that the rules sent nowhere."""


class Scored(NamedTuple):
    """Answers with the event's time (ms) and the watched inputs of each row.

    `rows` are those that were committed; None: all. Of answers that are counted elsewhere only the
    values are taken (`counts` False), of others only counts (`values` False).
    """

    answers: Answers
    times: Sequence[int]
    rows: Sequence[int] | None = None
    inputs: Mapping[str, Floats] | None = None
    counts: bool = True
    values: bool = True

    @property
    def size(self) -> int:
        """How many events there are."""
        return len(self.times)

    def add_to(self, windows: Windows) -> None:
        """Count every row where it was routed."""
        failed = {row: error.code for row, error in self.answers.errors}
        outputs = self.answers.outputs.items() if self.values else ()
        numbers = {name: as_floats(values) for name, values in outputs}
        for group in groups(self.answers, self.times, self._routed(failed)):
            told, rows = group.told, group.rows
            window = windows.window(live_key(told, group.start, group.span), len(rows))
            good = rows
            if failed:
                good = np.array([row for row in rows.tolist() if row not in failed], np.intp)
            if self.counts:
                self._count(window, told, rows, good, failed)
            for name, values in (self.inputs or {}).items():
                window.input(name, values[rows])
            # Of what another version answered nothing is learned about the one that was meant.
            if self.values and len(good) and told.served_by == told.routed_to:
                self._measure(window, group.number, good, numbers)

    def _count(
        self,
        window: Measured,
        told: Provenance,
        rows: Indices,
        good: Indices,
        failed: Mapping[int, str],
    ) -> None:
        window.routed += len(rows)
        if len(good) < len(rows):
            window.errors.update(failed[row] for row in rows.tolist() if row in failed)
        if self.answers.raised:
            window.errors.update("E_MODEL" for r in good.tolist() if r in self.answers.raised)
        if told.served_by == told.routed_to:
            window.predictions += len(good)
        else:
            window.substituted += len(good)

    def _measure(
        self, window: Measured, number: int, good: Indices, outputs: Mapping[str, Floats | None]
    ) -> None:
        for name, values in outputs.items():
            if values is not None:
                window.output(name, values[good])
        if self.answers.took:
            which = self.answers.which
            rows = self.size if which is None else sum(n == number for n in which)
            window.latency.add_same(self.answers.took[number] / rows / 1000, len(good))

    def _routed(self, failed: Mapping[int, str]) -> Indices:
        """Return the committed rows that the rules sent somewhere."""
        rows = np.arange(self.size) if self.rows is None else np.array(self.rows, np.intp)
        if any(code in UNROUTED for code in failed.values()):
            rows = rows[[failed.get(row) not in UNROUTED for row in rows.tolist()]]
        return rows


def live_key(told: Provenance, start: int, span: int) -> WindowKey:
    """Return the window of an answer: that of the version which the rules chose."""
    model, version, variant = told.model, told.routed_to, told.variant
    return WindowKey(told.route, model, version, variant, Role.LIVE, told.revision, start, span)
