"""The plain values of a domain word or of decoded Avro, in order, so that the two compare."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import cast

from modelwire_schemas.predicates import flatten
from modelwire_schemas.routing import Predicate


def leaves(value: object) -> Iterator[object]:
    """Walk a domain word or decoded Avro in order, down to what is no container."""
    if isinstance(value, dict):
        for item in cast("dict[str, object]", value).values():
            yield from leaves(item)
    elif isinstance(value, tuple | list):
        for item in cast("tuple[object, ...]", value):
            yield from leaves(item)
    elif is_dataclass(value):
        for field in fields(value):
            item = getattr(value, field.name)
            yield from leaves(_as_travels(field.name, item))
    else:
        yield value.value if isinstance(value, Enum) else value


def _as_travels(name: str, item: object) -> object:
    if name == "match":
        return flatten(cast("Predicate | None", item))
    if name == "rollout":
        return () if item is None else (item,)
    return item
