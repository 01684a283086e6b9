"""What a candidate is judged by: two sides of a route, their windows, and what others answered."""

from dataclasses import dataclass

from modelwire_schemas.rollout import Finding, Judgement
from modelwire_schemas.telemetry import Output, Role, Window


@dataclass(frozen=True, slots=True)
class Side:
    """Whose windows: a version's, and of its live ones those of one variant, if it is named."""

    version: str
    variant: str = ""

    def holds(self, window: Window) -> bool:
        """Whether a window is of this side."""
        named = self.variant in {"", window.variant} or window.role is Role.SHADOW
        return window.version == self.version and named


@dataclass(frozen=True, slots=True)
class Reading:
    """What a source outside (Prometheus, a webhook) answered at `at` (ms, the log's clock).

    `value` is None where it answered nothing usable; `error` then says why.
    """

    metric: str
    at: int
    value: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Planned:
    """The shares of the events (0 to 1) that a revision means the two sides to have."""

    revision: int
    candidate: float
    stable: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of a rollout since it started; nothing is kept beside it.

    `windows` are merged (`samples.Samples.windows`), of one route and model, and of the rollout's
    own revisions. `heard` (ms, the log's clock) is when consumers of the route were last heard of.
    `readings` are those of the rollout so far, in any order. `references` are the inputs of the
    candidate's release as they were in training, where the release has such a sample. `planned`
    has the shares of each revision, for the sample ratio and the event rate. Where events are
    divided by key, `keys` says of about how many: the fewer, the farther is their ratio off.
    """

    windows: tuple[Window, ...] = ()
    heard: int | None = None
    readings: tuple[Reading, ...] = ()
    references: tuple[Output, ...] = ()
    planned: tuple[Planned, ...] = ()
    keys: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """How a metric stands: its settled judgement, and its newest finding."""

    judgement: Judgement
    finding: Finding
