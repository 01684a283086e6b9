"""Answers of an application's own loop: counted in one step, and added to the present window."""

import threading
from collections.abc import Mapping
from typing import NamedTuple

from modelwire.reporting.counters import Counter
from modelwire.reporting.recorder import Windows
from modelwire.reporting.spans import SPANS
from modelwire.serving.answer import Provenance
from modelwire_schemas.telemetry import Role, WindowKey

NOTED = 1000
"""Batches that are noted before their rows are added up."""


class Who(NamedTuple):
    """Where answers were routed to, and whether another version gave them."""

    route: str
    model: str
    version: str
    variant: str
    revision: int
    substituted: bool

    def key(self, time: int) -> WindowKey:
        """Return the window of a time (ms)."""
        start, version = max(0, time) // SPANS[0] * SPANS[0], self.version
        where = (Role.LIVE, self.revision, start, SPANS[0])
        return WindowKey(self.route, self.model, version, self.variant, *where)


def who(told: Provenance) -> Who:
    """Return where an answer belongs."""
    substituted = told.served_by != told.routed_to
    return Who(told.route, told.model, told.routed_to, told.variant, told.revision, substituted)


class Answered:
    """Counts answers: `tick` one, `add` those of a batch; from any thread, without a lock."""

    __slots__ = ("_batches", "_reading", "_rows", "_singles", "tick")

    def __init__(self) -> None:
        self._singles = Counter()
        self.tick = self._singles.tick
        self._rows = 0
        self._batches: list[int] = []
        self._reading = threading.Lock()

    def add(self, rows: int) -> None:
        """Count a batch."""
        batches = self._batches
        batches.append(rows)
        if len(batches) >= NOTED:
            self.value()

    def value(self) -> int:
        """Return how many there were."""
        with self._reading:
            noted = len(self._batches)
            self._rows += sum(self._batches[:noted])
            del self._batches[:noted]
            return self._singles.value() + self._rows


class Calls(NamedTuple):
    """So many answers more, at a time (ms), and what failed, by code."""

    who: Who
    time: int
    answers: int
    errors: Mapping[str, int]
    routed: int

    @property
    def size(self) -> int:
        """How many events it concerns."""
        return max(1, self.routed)

    def add_to(self, windows: Windows) -> None:
        """Count them in the window of that time."""
        window = windows.window(self.who.key(self.time), self.routed)
        window.routed += self.routed
        window.errors.update(self.errors)
        if self.who.substituted:
            window.substituted += self.answers
        else:
            window.predictions += self.answers


def failed(told: Provenance, code: str, time: int, *, answered: bool = False) -> Calls:
    """Return one event whose version failed it; with `answered` another one answered it."""
    return Calls(who(told), time, 0, {code: 1}, 0 if answered else 1)
