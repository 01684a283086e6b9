"""`kind: AnalysisTemplate`: metrics and their limits (pure)."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from modelwire_router.analysis.measured import WITHOUT_RATIO
from modelwire_router.rollout.plan import (
    Measure,
    Metric,
    Prometheus,
    Query,
    Source,
    Template,
    Webhook,
)
from modelwire_router.rollout_file.asking import Part, Wrong, fault, written
from modelwire_router.rollout_file.near import nearest
from modelwire_router.rollout_file.words import Duration, Line, Name, Url

_QUERY = re.compile(r"([a-z_]+|p\d{1,2}(?:\.\d+)?)(?:\(([A-Za-z0-9_.-]{1,100})\))?", re.ASCII)
_QUANTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?)", re.ASCII)
_MEASURES = tuple(f"{m}" if m is not Measure.LATENCY else "p99(latency)" for m in Measure)


def _query(value: object) -> Query:
    found = _QUERY.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is not None:
        word, inner = found[1], found[2] or ""
        quantile = _QUANTILE.fullmatch(word)
        if quantile and inner == "latency" and float(quantile[1]) > 0:
            return Query(Measure.LATENCY, quantile=float(Decimal(quantile[1]) / 100))
        if word in set(Measure) - {Measure.LATENCY}:
            return Query(Measure(word), inner)
    raise fault(
        "E_QUERY",
        f"{value!r} is no query",
        f"one of {', '.join(_MEASURES)}; of one output: psi(late), of one field: outliers(age)",
        nearest(str(value).partition("(")[0], _MEASURES),
    )


QueryText = Annotated[
    Query,
    BeforeValidator(_query),
    WithJsonSchema(
        {"type": "string", "examples": [*_MEASURES], "description": "What is measured."}
    ),
]


class PrometheusPart(Part):
    """A query to a Prometheus server."""

    address: Url
    """The server."""
    query: Line
    """PromQL; `{{candidate}}` and `{{stable}}` stand for the versions."""


class WebPart(Part):
    """A webhook that answers `{"value": number}`."""

    url: Url
    """The address."""


class Provider(Part):
    """Where a value comes from that consumers do not report."""

    prometheus: PrometheusPart | SkipJsonSchema[None] = None
    """A Prometheus server."""
    web: WebPart | SkipJsonSchema[None] = None
    """A webhook."""

    @classmethod
    def look(cls, said: Mapping[str, Any]) -> Iterator[Wrong]:
        """See `Part`."""
        if len([key for key in ("prometheus", "web") if said.get(key) is not None]) != 1:
            yield Wrong((), "E_METRIC", "a provider is one of two", "prometheus, or web")

    def source(self) -> Source | None:
        """Return where the value comes from."""
        if self.prometheus is not None:
            return Prometheus(self.prometheus.address, self.prometheus.query)
        return Webhook(self.web.url) if self.web is not None else None


class MetricPart(Part):
    """One metric: what is measured, and what it is held against."""

    name: Name
    """The name under which it is reported."""
    query: QueryText | SkipJsonSchema[None] = None
    """What is measured of the events: error_rate, p99(latency), psi(OUTPUT) and others."""
    provider: Provider | SkipJsonSchema[None] = None
    """Another source of the value, instead of a query."""
    compare: Literal["absolute", "relative"] = "absolute"
    """Whether the limits hold for the value, or for its ratio to the stable version's."""
    max: float | SkipJsonSchema[None] = None
    """The most that passes."""
    min: float | SkipJsonSchema[None] = None
    """The least that passes."""
    min_samples: int = Field(default=1000, ge=1)
    """Events of each side before it is judged."""
    interval: Duration = written("30s")
    """How often it is judged."""
    failure_limit: int = Field(default=0, ge=0)
    """So many failures are forgiven."""
    consecutive_error_limit: int = Field(default=4, ge=0)
    """So many errors in a row are forgiven."""
    inconclusive_limit: int = Field(default=0, ge=0)
    """So many inconclusive judgements are forgiven."""
    maturity: Duration = written("0s")
    """How old a prediction is before its label counts."""
    dry_run: bool = False
    """Whether it is only reported and never decides."""

    @classmethod
    def look(cls, said: Mapping[str, Any]) -> Iterator[Wrong]:
        """See `Part`."""
        if (said.get("query") is None) == (said.get("provider") is None):
            yield Wrong((), "E_METRIC", "a metric has one source", "query, or provider")
        most, least = said.get("max"), said.get("min")
        if most is None and least is None:
            yield Wrong((), "E_METRIC", "a metric without a limit", "max, min, or both")
        bounds = [b for b in (least, most) if isinstance(b, int | float)]
        if bounds != sorted(bounds):
            yield Wrong(("min",), "E_METRIC", f"min {least} is above max {most}", "min below max")
        asked = "a provider" if said.get("provider") else str(said.get("query")).partition("(")[0]
        if said.get("compare") == "relative" and asked in {"a provider", *WITHOUT_RATIO}:
            what = f"{asked} gives no ratio to the stable version's value"
            yield Wrong(("compare",), "E_METRIC", what, "absolute", "limit the value itself")
        if said.get("interval") in ("0s", "0ms", "0m"):
            yield Wrong(("interval",), "E_DURATION", "an interval of nothing", "30s, or another")

    def metric(self) -> Metric:
        """Return the metric as it travels."""
        source = self.query or (self.provider.source() if self.provider else None)
        assert source is not None  # noqa: S101 - `look` has seen to it
        return Metric(
            name=self.name,
            source=source,
            relative=self.compare == "relative",
            most=self.max,
            least=self.min,
            min_samples=self.min_samples,
            interval=self.interval,
            failure_limit=self.failure_limit,
            error_limit=self.consecutive_error_limit,
            inconclusive_limit=self.inconclusive_limit,
            maturity=self.maturity,
            dry_run=self.dry_run,
        )


class TemplateSpec(Part):
    """What a template says."""

    metrics: list[MetricPart] = Field(min_length=1, max_length=32)
    """The metrics; all must pass."""


class TemplateMetadata(Part):
    """What the template is called."""

    name: Name
    """The name that rollouts use."""
    annotations: dict[str, str] = Field(default={})
    """For people and other tools."""


class AnalysisTemplate(Part):
    """Metrics under a name."""

    api_version: Literal["modelwire.io/v1"]
    """The version of this form."""
    kind: Literal["AnalysisTemplate"]
    """What this document is."""
    metadata: TemplateMetadata
    """What it is called."""
    spec: TemplateSpec
    """What it says."""

    def template(self) -> Template:
        """Return the template as it travels."""
        metrics = tuple(metric.metric() for metric in self.spec.metrics)
        return Template(self.metadata.name, metrics)
