"""What a rollout file compiles to: steps that one machine runs, whatever the strategy (pure)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

from modelwire_schemas.routing import Rule, Shadow, Split


class Measure(StrEnum):
    """What a metric measures."""

    ERROR_RATE = "error_rate"
    LATENCY = "latency"
    PSI = "psi"
    KS = "ks"
    DISAGREEMENT = "disagreement"
    MEAN_DIFFERENCE = "mean_difference"
    LOG_LOSS = "log_loss"
    AUC = "auc"
    BRIER = "brier"
    CALIBRATION = "calibration"
    MAE = "mae"
    EVENT_RATE = "event_rate"
    INPUT_DRIFT = "input_drift"
    OUTLIERS = "outliers"


OF_INPUTS = frozenset({Measure.INPUT_DRIFT, Measure.OUTLIERS})
"""What is held against the sample of the candidate's release, field by field."""

OF_OUTPUTS = frozenset({Measure.PSI, Measure.KS})
"""What compares the distributions of outputs."""

OF_PAIRS = frozenset({Measure.DISAGREEMENT, Measure.MEAN_DIFFERENCE})
"""What compares the outputs of a shadow with those of the same events."""

OF_LABELS = frozenset(
    {Measure.LOG_LOSS, Measure.AUC, Measure.BRIER, Measure.CALIBRATION, Measure.MAE}
)
"""What is measured of predictions whose label has come."""


@dataclass(frozen=True, slots=True)
class Query:
    """A measure of what consumers report; `quantile` is that of a latency.

    `output` is the one that is measured, or of inputs the event's field; empty: any of them.
    """

    measure: Measure
    output: str = ""
    quantile: float = 0.99


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A query to a Prometheus server; `{{candidate}}` and `{{stable}}` stand for the versions."""

    address: str
    query: str


@dataclass(frozen=True, slots=True)
class Webhook:
    """A URL that answers `{"value": number}`."""

    url: str


Source: TypeAlias = Query | Prometheus | Webhook


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric and what it is held against.

    `relative` compares with the concurrent stable share (1.2: at most 20 % more), else the value
    itself is limited. `interval` (ms) is how often it is judged; it fails for good after more than
    `failure_limit` failures, `error_limit` errors in a row or `inconclusive_limit` others.
    `maturity` (ms) is how old a prediction is before its label counts. `dry_run` never decides.
    """

    name: str
    source: Source
    relative: bool = False
    most: float | None = None
    least: float | None = None
    min_samples: int = 1000
    interval: int = 30_000
    failure_limit: int = 0
    error_limit: int = 4
    inconclusive_limit: int = 0
    maturity: int = 0
    dry_run: bool = False

    @property
    def measure(self) -> Measure | None:
        """What it measures of the events; None where another system says the value."""
        return self.source.measure if isinstance(self.source, Query) else None


@dataclass(frozen=True, slots=True)
class Template:
    """Metrics under a name; their error rates together are at most 1 %."""

    name: str
    metrics: tuple[Metric, ...]


@dataclass(frozen=True, slots=True)
class SetWeight:
    """Give the candidate so many of the 10,000 buckets."""

    weight: int
    kind: Literal["weight"] = "weight"


@dataclass(frozen=True, slots=True)
class MovePartitions:
    """Give the candidate these source partitions more: (stream, partition), named in the file."""

    partitions: tuple[tuple[str, int], ...]
    kind: Literal["partitions"] = "partitions"


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for so many ms of the log's time; None: until an operator promotes."""

    ms: int | None = None
    kind: Literal["pause"] = "pause"


@dataclass(frozen=True, slots=True)
class Analyse:
    """Go on when all metrics of the templates pass, at the end of so many ms."""

    templates: tuple[str, ...]
    ms: int = 0
    kind: Literal["analysis"] = "analysis"


@dataclass(frozen=True, slots=True)
class Mirror:
    """Let the candidate shadow a sample (of 10,000) of the events."""

    shadow: Shadow
    kind: Literal["mirror"] = "mirror"


@dataclass(frozen=True, slots=True)
class Exposure:
    """Give the candidate as many events as change `changed` decisions an hour at the most.

    A decision is the `output`; with a `threshold` a score below it is one, and a score from it on
    another. The candidate never gets more than `weight` buckets. It lasts for so many ms; None:
    until an operator promotes.
    """

    changed: int
    output: str
    weight: int
    threshold: float | None = None
    ms: int | None = None
    kind: Literal["exposure"] = "exposure"


Step: TypeAlias = SetWeight | MovePartitions | Pause | Analyse | Mirror | Exposure


class HookKind(StrEnum):
    """When a webhook is asked or told; the names are Flagger's, but for the last."""

    CONFIRM_ROLLOUT = "confirm-rollout"
    CONFIRM_TRAFFIC_INCREASE = "confirm-traffic-increase"
    CONFIRM_PROMOTION = "confirm-promotion"
    ROLLBACK = "rollback"
    EVENT = "event"
    RETRAIN_WANTED = "retrain-wanted"


@dataclass(frozen=True, slots=True)
class Hook:
    """A URL, when it is called, and for how long (ms) an answer is waited for."""

    kind: HookKind
    url: str
    timeout: int = 5000


class OnFailure(StrEnum):
    """What a failed analysis does."""

    ROLLBACK = "rollback"
    PAUSE = "pause"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Plan:
    """A rollout, compiled: from `stable` to `candidate` on one route, step after step.

    `rules` stand before the split that the steps move, `require_ready` is the share (0 to 1) of
    instances that must have the candidate warm before it gets weight, within `ready_deadline` ms.
    `background` are templates judged at every step from `background_from` on. `keep_warm` (ms) is
    how long the old version stays loaded after the end. `holdout` of the lowest buckets stay with
    the stable version until the candidate has everything. `at` (ms, event time) is when the last
    step takes effect, if it is scheduled.
    """

    route: str
    model: str
    stable: str
    candidate: str
    strategy: str
    split: Split
    steps: tuple[Step, ...]
    rules: tuple[Rule, ...] = ()
    shadows: tuple[Shadow, ...] = ()
    templates: tuple[Template, ...] = ()
    background: tuple[str, ...] = ()
    background_from: int = 0
    require_ready: float = 1.0
    ready_deadline: int = 600_000
    on_failure: OnFailure = OnFailure.ROLLBACK
    keep_warm: int = 0
    hooks: tuple[Hook, ...] = ()
    at: int | None = None
    holdout: int = 0

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics of all templates."""
        return tuple(metric for template in self.templates for metric in template.metrics)
