"""`kind: Rollout`: what a release is to do, one form for each strategy (pure)."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag
from pydantic.json_schema import SkipJsonSchema

from modelwire_router.rollout.plan import HookKind, OnFailure
from modelwire_router.rollout_file.asking import Part, Wrong, fault, fields, items, written
from modelwire_router.rollout_file.experiments import CanarySplit, RoutePart, is_number, versions
from modelwire_router.rollout_file.strategies import (
    Ab,
    Basic,
    BlueGreen,
    Canary,
    MirrorPart,
    Rolling,
    ShadowPart,
)
from modelwire_router.rollout_file.words import (
    Duration,
    Name,
    Share,
    Time,
    Url,
    Version,
)

STRATEGIES = ("basic", "blueGreen", "canary", "rolling", "shadow", "ab")


class Mirrored(MirrorPart):
    """A version that scores events without answering."""

    version: Version
    """The version."""


class HookPart(Part):
    """A webhook that is asked or told."""

    type: Annotated[HookKind, Field(strict=False)]
    """When, by Flagger's names."""
    url: Url
    """The address."""
    timeout: Duration = written("5s")
    """How long an answer is waited for."""


class Schedule(Part):
    """When everything changes over."""

    at: Time
    """The time from which it holds."""
    clock: Literal["event"]
    """Whose time: the event's, so every consumer and every replay changes over alike."""


class Common(Part):
    """What every strategy has."""

    model: Name | SkipJsonSchema[None] = None
    """The model; without one, the model of the route's name."""
    stable: Version
    """The version that answers now, and again after a failure."""
    candidate: Version
    """The version that is released."""
    require_ready: Share = written("all")
    """The share of the instances that must have the candidate warm before it gets events."""
    ready_deadline: Duration = written("10m")
    """How long that may take."""
    on_failure: Annotated[OnFailure, Field(strict=False)] = OnFailure.ROLLBACK
    """What a failed analysis does: rollback, pause, or none."""
    mirror: list[Mirrored] = Field(default=[], max_length=16)
    """Versions that score events without answering while the rollout lasts."""
    hooks: list[HookPart] = Field(default=[], max_length=16)
    """Webhooks that are asked or told."""

    @classmethod
    def look(cls, said: Mapping[str, Any]) -> Iterator[Wrong]:
        """See `Part`."""
        if said.get("candidate") is not None and said.get("candidate") == said.get("stable"):
            what = f"the candidate is the stable version, {said['candidate']}"
            yield Wrong(("candidate",), "E_CANDIDATE", what, "another version")


class BasicStrategy(Part):
    """All at once."""

    basic: Basic


class BlueGreenStrategy(Part):
    """Preview, flip, keep warm."""

    blue_green: BlueGreen


class CanaryStrategy(Part):
    """Step by step."""

    canary: Canary


class RollingStrategy(Part):
    """By source partition."""

    rolling: Rolling


class ShadowStrategy(Part):
    """Beside the stable version, without answering."""

    shadow: ShadowPart


class AbStrategy(Part):
    """Variants side by side."""

    ab: Ab


class BasicSpec(Common):
    """A release all at once, now or at an event time."""

    strategy: BasicStrategy
    """How."""
    schedule: Schedule | SkipJsonSchema[None] = None
    """When; without one, as soon as the fleet is ready."""


class BlueGreenSpec(Common):
    """A flip after a look."""

    strategy: BlueGreenStrategy
    """How."""


class CanarySpec(Common):
    """A growing share."""

    strategy: CanaryStrategy
    """How."""
    split: CanarySplit
    """How keys are drawn."""

    @classmethod
    def look(cls, said: Mapping[str, Any]) -> Iterator[Wrong]:
        """See `Part`."""
        yield from super().look(said)
        out = fields(said.get("split")).get("holdout", 0)
        steps = items(fields(fields(said.get("strategy")).get("canary")).get("steps"))
        for i, step in enumerate(steps):
            weight = fields(step).get("setWeight")
            most = fields(fields(step).get("exposure")).get("upTo")
            place = ("strategy", "canary", "steps", i)
            if is_number(out) and is_number(weight) and weight < 100 < weight + out:
                what = f"{weight:g} percent beside a holdout of {out:g}"
                expected = f"{100 - out:g} at most, or 100"
                yield Wrong((*place, "setWeight"), "E_WEIGHT", what, expected)
            if is_number(out) and is_number(most) and most + out > 100:
                what = f"{most:g} percent beside a holdout of {out:g}"
                yield Wrong((*place, "exposure", "upTo"), "E_WEIGHT", what, f"{100 - out:g}")


class RollingSpec(Common):
    """Partition by partition."""

    strategy: RollingStrategy
    """How."""


class ShadowSpec(Common):
    """A comparison without a risk."""

    strategy: ShadowStrategy
    """How."""


class AbSpec(Common):
    """An experiment."""

    strategy: AbStrategy
    """How."""
    routes: list[RoutePart] = Field(min_length=1, max_length=32)
    """Who is in it, and with which variants."""

    @classmethod
    def look(cls, said: Mapping[str, Any]) -> Iterator[Wrong]:
        """See `Part`."""
        yield from super().look(said)
        routes = [fields(route) for route in items(said.get("routes"))]
        if said.get("candidate") is not None and said["candidate"] not in versions(routes):
            what = f"no route gives events to the candidate, {said['candidate']}"
            yield Wrong(("candidate",), "E_CANDIDATE", what, "a version of the routes")
        titles = [route.get("name") for route in routes]
        for i, route in enumerate(routes):
            if route.get("name") in titles[:i]:
                what = f"route {route.get('name')} twice"
                yield Wrong(("routes", i, "name"), "E_RULES", what, "every name once")
            if route.get("match") is None and i < len(routes) - 1:
                what = f"route {route.get('name')} matches all, so nothing behind it is asked"
                yield Wrong(("routes", i), "E_RULES", what, "a match")


def _no_strategy(said: object) -> object:
    named = [f"{key}" for key in fields(said)]
    raise fault(
        "E_STRATEGY",
        f"{' and '.join(named) or 'nothing'} as a strategy",
        f"one of {', '.join(STRATEGIES)}",
    )


class OtherSpec(BasicSpec):
    """What a spec without a known strategy is held against, so that its other faults are told."""

    strategy: Annotated[BasicStrategy, BeforeValidator(_no_strategy)]
    split: Any = None
    routes: Any = None


def _strategy(said: object) -> str:
    named = [*fields(fields(said).get("strategy"))]
    return named[0] if len(named) == 1 and named[0] in STRATEGIES else "other"


Spec = Annotated[
    Annotated[BasicSpec, Tag("basic")]
    | Annotated[BlueGreenSpec, Tag("blueGreen")]
    | Annotated[CanarySpec, Tag("canary")]
    | Annotated[RollingSpec, Tag("rolling")]
    | Annotated[ShadowSpec, Tag("shadow")]
    | Annotated[AbSpec, Tag("ab")]
    | SkipJsonSchema[Annotated[OtherSpec, Tag("other")]],
    Discriminator(_strategy),
]


class Metadata(Part):
    """Which route it is about."""

    name: Name
    """The route."""
    namespace: Name | SkipJsonSchema[None] = None
    """The namespace; without one, that of the command line."""
    annotations: dict[str, str] = Field(default={})
    """For people and other tools."""


class Rollout(Part):
    """A release of a model on a route."""

    api_version: Literal["modelwire.io/v1"]
    """The version of this form."""
    kind: Literal["Rollout"]
    """What this document is."""
    metadata: Metadata
    """Which route it is about."""
    spec: Spec
    """What it is to do."""
