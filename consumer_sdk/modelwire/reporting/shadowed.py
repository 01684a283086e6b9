"""What a shadow gave for events that others answered, and how it is counted: in pairs."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from modelwire.loading.tensors import Array
from modelwire.reporting.groups import Group, Indices, groups
from modelwire.reporting.measured import Measured
from modelwire.reporting.recorder import Windows
from modelwire.reporting.spread import as_floats
from modelwire.serving.answer import Answers
from modelwire_schemas.routing import ModelVersion
from modelwire_schemas.telemetry import SHADOW_VARIANT, Role, WindowKey


class Shadowed(NamedTuple):
    """A shadow's outputs for the rows `good` of a batch, in that order; `failed` are row and code.

    `times` (ms) has a value for every row of the batch; `took` is in ns, for all of its rows.
    `thresholds` are those at which outputs are decided, by name.
    """

    shadow: ModelVersion
    answers: Answers
    times: Sequence[int]
    good: Indices
    outputs: Mapping[str, Array]
    failed: Sequence[tuple[int, str]] = ()
    took: int = 0
    thresholds: Mapping[str, float] = {}

    @property
    def size(self) -> int:
        """How many events the shadow was given."""
        return len(self.good) + len(self.failed)

    def add_to(self, windows: Windows) -> None:
        """Count every row, and compare those that both have answered."""
        failed = dict(self.failed)
        given = np.array([*self.good.tolist(), *failed], np.intp)
        place = {row: number for number, row in enumerate(self.good.tolist())}
        for group in groups(self.answers, self.times, given):
            window = windows.window(self._key(group), len(group.rows))
            good = [row for row in group.rows.tolist() if row not in failed]
            window.routed += len(group.rows)
            window.predictions += len(good)
            window.errors.update(failed[row] for row in group.rows.tolist() if row in failed)
            if good:
                window.latency.add_same(self.took / self.size / 1000, len(good))
                at = np.array([place[row] for row in good], np.intp)
                self._compare(window, group.told.served_by, np.array(good, np.intp), at)

    def _compare(self, window: Measured, against: str, rows: Indices, at: Indices) -> None:
        for name, values in self.outputs.items():
            ours = as_floats(values[at])
            if ours is not None:
                window.output(name, ours)
            live = self.answers.outputs.get(name)
            if live is None:
                continue
            theirs = as_floats(live[rows])
            if ours is not None and theirs is not None:
                window.pair(name, against).add(theirs, ours, self.thresholds.get(name))
            elif ours is theirs is None:
                window.pair(name, against).add_texts(live[rows], values[at])

    def _key(self, group: Group) -> WindowKey:
        told, shadow = group.told, self.shadow
        when = (told.revision, group.start, group.span)
        return WindowKey(
            told.route, shadow.model, shadow.version, SHADOW_VARIANT, Role.SHADOW, *when
        )


class Dropped(NamedTuple):
    """Sampled events that a shadow was spared."""

    route: str
    version: str
    size: int

    def add_to(self, windows: Windows) -> None:
        """Count them."""
        windows.drop(self.route, self.version, self.size)
