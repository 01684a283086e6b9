"""A version that is warm: what the event path holds while it runs one."""

from dataclasses import dataclass, field

from modelwire.loading.formats import Model
from modelwire.reporting.counters import Counter, Tally
from modelwire.serving.features import Features
from modelwire_schemas.release import Contract
from modelwire_schemas.routing import ModelVersion

BREAK_AFTER = 50
"""Runs that may fail in a row before a version is cut off and the ladder goes on below it."""


@dataclass(slots=True, weakref_slot=True, eq=False)
class Servable:
    """A loaded, warm version. Its own reference count is the count of its borrowers.

    Snapshots and running predictions refer to it; when the last one lets go, the shelf closes the
    model in its own thread.
    """

    version: ModelVersion
    digest: str
    contract: Contract
    model: Model
    features: Features
    predictions: Counter = field(default_factory=Counter)
    errors: Tally = field(default_factory=Tally)
    failing: int = 0

    @property
    def broken(self) -> bool:
        """Whether it has kept raising, so that others answer in its place."""
        return self.failing >= BREAK_AFTER
