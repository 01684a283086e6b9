"""Who is in an experiment and which variants there are: splits, routes and layers (pure)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from modelwire_router.rollout_file.asking import Part, Wrong, fields, items, written
from modelwire_router.rollout_file.match import Condition
from modelwire_router.rollout_file.words import (
    EventField,
    Name,
    Percent,
    Salt,
    Version,
)
from modelwire_schemas.routing import BUCKETS, LAYER, Split


class SplitPart(Part):
    """How keys are drawn: a key stays on its side."""

    key: EventField | SkipJsonSchema[None] = None
    """The event's field that is the key; without one, the record's key."""
    salt: Salt
    """What the draw is mixed with; keep it for as long as the experiment lasts."""

    def split(self) -> Split:
        """Return the split as it travels."""
        return Split(salt=self.salt, field=self.key or "")


class Arm(Part):
    """One side of an experiment."""

    name: Name | SkipJsonSchema[None] = None
    """The variant's name; without one, its version."""
    version: Version
    """The version that answers."""
    weight: Percent
    """Its share, in percent."""


class CanarySplit(SplitPart):
    """How keys are drawn, and which are left out until the end."""

    holdout: Percent = written(0)
    """The share that stays with the stable version until the candidate has everything."""


class ExperimentPart(Part):
    """One experiment of a layer."""

    name: Name
    """The experiment's name; its variants are called `NAME.VARIANT`."""
    weight: Percent
    """Its share of the layer, in percent."""
    to: list[Arm] = Field(min_length=1, max_length=16)
    """Its variants; weights are 100 together."""

    @classmethod
    def look(cls, said: Mapping[str, Any]) -> Iterator[Wrong]:
        """See `Part`."""
        yield from _arms(said)


class Layer(Part):
    """Experiments that exclude each other, on all routes: a key is in one of them at most."""

    name: Name
    """Its name; rollouts that name the same layer share its keys out among them."""
    key: EventField | SkipJsonSchema[None] = None
    """The event's field that is the key; without one, the record's key."""
    holdout: Percent = written(0)
    """The share that stays out of every experiment of the layer, in percent."""
    experiments: list[ExperimentPart] = Field(min_length=1, max_length=16)
    """The experiments; with the holdout 100 at most, and others may have the rest."""

    def split(self) -> Split:
        """Return the split as it travels."""
        return Split(salt=LAYER + self.name, field=self.key or "")

    @classmethod
    def look(cls, said: Mapping[str, Any]) -> Iterator[Wrong]:
        """See `Part`."""
        experiments = [fields(one) for one in items(said.get("experiments"))]
        weights = [said.get("holdout", 0), *(one.get("weight") for one in experiments)]
        if (total := sum(_numbers(weights))) > 100:
            what = f"weights that make {total:g} percent"
            yield Wrong(("experiments",), "E_WEIGHT", what, "100 at most")
        yield from _twice("experiments", [one.get("name") for one in experiments])


class RoutePart(Part):
    """Variants for the events that match; the first route that matches decides."""

    name: Name
    """The rule's name."""
    match: Condition | SkipJsonSchema[None] = None
    """Which events; only the last route may leave it out."""
    split: SplitPart | SkipJsonSchema[None] = None
    """How keys are drawn; needed where several variants have a weight, and no layer draws."""
    to: list[Arm] = Field(default=[], max_length=16)
    """The variants; weights are 100 together."""
    layer: Layer | SkipJsonSchema[None] = None
    """Experiments that exclude each other, instead of `to`."""

    @classmethod
    def look(cls, said: Mapping[str, Any]) -> Iterator[Wrong]:
        """See `Part`."""
        if bool(said.get("to")) == bool(said.get("layer")):
            yield Wrong((), "E_VARIANTS", "a route has variants or a layer", "to, or layer")
        yield from _arms(said)
        shared = len([n for n in _numbers(_weights(said)) if n]) > 1
        if shared and not said.get("layer") and said.get("split") is None:
            yield Wrong((), "E_SALT", "a split without a salt", "split: {salt: NAME-OF-THE-TEST}")
        if said.get("layer") and said.get("split") is not None:
            what = "a layer draws by its name and needs no split"
            yield Wrong(("split",), "E_SALT", what, todo="leave it out; layer.key names the key")


def versions(routes: Sequence[Mapping[str, Any]]) -> list[object]:
    """Return the versions that routes give events to, as written."""
    layers = [fields(route.get("layer")) for route in routes]
    experiments = [fields(one) for layer in layers for one in items(layer.get("experiments"))]
    arms = [fields(arm) for part in (*routes, *experiments) for arm in items(part.get("to"))]
    return [arm.get("version") for arm in arms]


def _weights(said: Mapping[str, Any]) -> list[object]:
    return [fields(arm).get("weight") for arm in items(said.get("to"))]


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a number as files write it."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _numbers(values: Sequence[object]) -> list[float]:
    return [value for value in values if is_number(value)]


def _arms(said: Mapping[str, Any]) -> Iterator[Wrong]:
    arms = [fields(arm) for arm in items(said.get("to"))]
    yield from _whole("to", _weights(said))
    yield from _twice("to", [arm.get("name") or arm.get("version") for arm in arms])


def _whole(place: str, weights: Sequence[object]) -> Iterator[Wrong]:
    numbers = _numbers(weights)
    if len(numbers) == len(weights) > 0 and round(sum(numbers) * 100) != BUCKETS:
        yield Wrong((place,), "E_WEIGHT", f"weights that make {sum(numbers):g} percent", "100")


def _twice(place: str, titles: Sequence[object]) -> Iterator[Wrong]:
    for i, title in enumerate(titles):
        if title is not None and title in titles[:i]:
            what = f"{title} stands twice"
            yield Wrong((place, i), "E_VARIANTS", what, "every name once")
