"""Layers: experiments over one draw that never share a key, and keys that no experiment gets.

A layer is a salt that begins with `layer:`. The variants of its rules are arms of experiments,
`EXPERIMENT.ARM`, but for two: `holdout` has the layer's lowest buckets, the same ones on every
route, and `outside` those that the rule leaves to other experiments.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

from modelwire_schemas.errors import Rejected
from modelwire_schemas.routing import LAYER, Rule, Split

HOLDOUT, OUTSIDE = "holdout", "outside"
"""Names of variants that are no arms of an experiment."""


class Holder(NamedTuple):
    """A rule that holds buckets of a layer, and the route that it stands on."""

    route: str
    rule: Rule

    @property
    def holdout(self) -> tuple[tuple[int, int], ...]:
        """The buckets that no experiment gets."""
        return next((v.buckets for v in self.rule.variants if v.name == HOLDOUT), ())

    def arms(self) -> Iterator[tuple[int, int, str]]:
        """Yield the ranges of the experiments, with who holds them."""
        for variant in self.rule.variants:
            if variant.name not in (HOLDOUT, OUTSIDE):
                for start, end in variant.buckets:
                    yield start, end, f"{experiment(variant.name)} of {self.route}"


def layer_of(split: Split) -> str:
    """Return the name of the layer that a split draws in; empty where it is none."""
    return split.salt.removeprefix(LAYER) if split.salt.startswith(LAYER) else ""


def experiment(variant: str) -> str:
    """Return the experiment that a variant is an arm of; its own name where it has no other."""
    return variant.rpartition(".")[0] or variant


def holders(route: str, rules: Iterable[Rule]) -> Iterator[Holder]:
    """Yield the rules that divide the keys of a layer."""
    return (Holder(route, rule) for rule in rules if layer_of(rule.split))


def check_layers(new: Sequence[Holder], others: Iterable[Holder]) -> None:
    """Raise Rejected unless no key is in two experiments of a layer, and those held out in none.

    `E_HOLDOUT`: a holdout that is not the layer's lowest buckets, or not everywhere the same.
    `E_LAYER_KEY`: keys that are drawn in two ways. `E_LAYER`: buckets that two experiments hold.
    """
    everyone = list(others)
    for mine in new:
        check_alike(mine, everyone)
        layer = layer_of(mine.rule.split)
        held = [a for h in everyone if layer_of(h.rule.split) == layer for a in h.arms()]
        for (start, end, one), (first, last, two) in product(mine.arms(), held):
            if max(start, first) < min(end, last):
                raise Rejected(
                    "E_LAYER",
                    f"{one} and {two} both hold bucket {max(start, first)} of layer {layer}",
                    where=f"route {mine.route}",
                    todo=f"wait for the end of one, or apply {mine.route} again",
                )
        everyone.append(mine)


def check_alike(mine: Holder, others: Iterable[Holder]) -> None:
    """Raise Rejected unless a rule draws its layer's keys and its holdout as all others do."""
    layer, out = layer_of(mine.rule.split), mine.holdout
    if [start for start, _ in out] not in ([], [0]):
        raise Rejected(
            "E_HOLDOUT", f"holdout {out} of layer {layer}", expected="its lowest buckets"
        )
    for other in others:
        if layer_of(other.rule.split) != layer:
            continue
        if other.rule.split != mine.rule.split:
            raise Rejected(
                "E_LAYER_KEY",
                f"layer {layer} draws by {_key(other.rule.split)} on route {other.route}",
                where=f"route {mine.route}",
                expected="one key in a layer",
                todo="draw by the same field, or in a layer of another name",
            )
        if other.holdout != out:
            raise Rejected(
                "E_HOLDOUT",
                f"layer {layer} holds out {_percent(other.holdout)} on route {other.route}, "
                f"and {_percent(out)} here",
                where=f"route {mine.route}",
                expected="one holdout in a layer",
                todo="write the same holdout",
            )


def _key(split: Split) -> str:
    return f"event.{split.field}" if split.field else f"the {split.by} of the record"


def _percent(ranges: Iterable[tuple[int, int]]) -> str:
    return f"{sum(end - start for start, end in ranges) / 100:g} %"
