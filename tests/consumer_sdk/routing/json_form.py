"""Routing documents as the test vectors write them: plain JSON, nothing that Python alone has."""

import typing
from collections.abc import Mapping

from modelwire_schemas.routing import (
    All,
    Any,
    Clause,
    Not,
    Op,
    Predicate,
    RoutingDocument,
    Rule,
    Split,
    SplitBy,
    Variant,
)

Json: typing.TypeAlias = dict[str, typing.Any]


def to_document(form: Json) -> RoutingDocument:
    """Return the document of a JSON form; only what decides an assignment is written there."""
    return RoutingDocument(
        form["route"],
        form["model"],
        tuple(_to_rule(rule) for rule in form["rules"]),
        keep_warm=tuple(form.get("keep_warm", ())),
        force_header=form.get("force_header", ""),
    )


def to_variants(form: list[Json]) -> tuple[Variant, ...]:
    """Return variants; a range is `[start, end)`, a partition `[topic, number]`."""
    return tuple(
        Variant(
            side["name"],
            side["version"],
            tuple((start, end) for start, end in side.get("buckets", ())),
            tuple((topic, number) for topic, number in side.get("partitions", ())),
        )
        for side in form
    )


def from_variants(sides: tuple[Variant, ...]) -> list[Json]:
    """Return the form of variants that have buckets."""
    return [
        {"name": side.name, "version": side.version, "buckets": [list(r) for r in side.buckets]}
        for side in sides
    ]


def to_key(form: Mapping[str, typing.Any] | None) -> str | bytes | int | None:
    """Return a key: `{"text": …}`, `{"hex": …}` for bytes, `{"integer": …}`, or null."""
    match form:
        case None:
            return None
        case {"text": str(text)}:
            return text
        case {"hex": str(digits)}:
            return bytes.fromhex(digits)
        case {"integer": int(number)}:
            return number
        case _:
            raise ValueError(form)


def _to_rule(form: Json) -> Rule:
    split = form.get("split", {})
    return Rule(
        form["name"],
        to_variants(form["variants"]),
        Split(SplitBy(split.get("by", "key")), split.get("salt", ""), split.get("field", "")),
        _to_predicate(form["match"]) if "match" in form else None,
    )


def _to_predicate(form: Json) -> Predicate:
    match form:
        case {"all": parts}:
            return All(tuple(_to_predicate(part) for part in parts))
        case {"any": parts}:
            return Any(tuple(_to_predicate(part) for part in parts))
        case {"not": part}:
            return Not(_to_predicate(part))
        case _:
            return Clause(form["field"], Op(form["op"]), tuple(form.get("values", ())))
