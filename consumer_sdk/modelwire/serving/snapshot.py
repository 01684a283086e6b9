"""What the event path reads: one immutable object, replaced as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass

from modelwire.control.state import State
from modelwire.serving.plan import RoutePlan
from modelwire.serving.servable import Servable
from modelwire_schemas.errors import ModelwireError
from modelwire_schemas.routing import ModelVersion


@dataclass(frozen=True, slots=True)
class Snapshot:
    """(c, state, horizon, loaded) of R9, with the routes' plans over them.

    `horizon` in ms. `skew_ns` turns monotonic time into the log's time. `stale_since` (ms) is 0
    while the control log answers.
    """

    state: State
    horizon: int
    warm: Mapping[ModelVersion, Servable]
    plans: Mapping[str, RoutePlan]
    skew_ns: int
    stale_since: int = 0
    error: ModelwireError | None = None

    @property
    def offset(self) -> int:
        """The control offset c."""
        return self.state.offset
