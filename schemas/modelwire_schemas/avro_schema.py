"""The part of Avro's schema language that modelwire allows itself, as a typed tree.

Six primitives, records, arrays, unions of primitives; nothing that makes a reader hang or crash:
no recursion (a name means something only behind its definition), no array items without bytes, no
enums, maps, fixed or logical types. Words with a few values travel as strings, so that a new one
changes the fold's version and not the schema.
"""

from dataclasses import dataclass
from typing import TypeAlias, cast

Json: TypeAlias = "str | list[Json] | dict[str, Json]"


@dataclass(frozen=True, slots=True)
class Primitive:
    """One of null, boolean, long, double, bytes, string."""

    name: str


@dataclass(frozen=True, slots=True)
class Union:
    """One of several primitives; its number travels before it."""

    branches: tuple[Primitive, ...]


@dataclass(frozen=True, slots=True)
class Array:
    """Any number of items."""

    items: "Schema"


@dataclass(frozen=True, slots=True)
class Field:
    """A named part of a record."""

    name: str
    type: "Schema"


@dataclass(frozen=True, slots=True)
class Record:
    """Fields in order."""

    name: str
    fields: tuple[Field, ...]


Schema: TypeAlias = Primitive | Union | Array | Record

PRIMITIVES: dict[str, type] = {
    "null": type(None),
    "boolean": bool,
    "long": int,
    "double": float,
    "bytes": bytes,
    "string": str,
}
"""The allowed primitives and what they are in Python."""


def parse(source: Json) -> Record:
    """Return the tree of a whole schema file; raises ValueError for what is not allowed."""
    tree = _parse(source, {})
    if not isinstance(tree, Record):
        raise ValueError("a schema file holds a record")  # noqa: TRY004
    return tree


def _parse(source: Json, known: dict[str, Record]) -> Schema:
    if isinstance(source, str):
        return known[source] if source in known else _primitive(source)
    if isinstance(source, list):
        return Union(tuple(_primitive(branch) for branch in source))
    if source["type"] == "array":
        items = _parse(source["items"], known)
        if items == Primitive("null"):
            raise ValueError("array items need bytes of their own")
        return Array(items)
    if source["type"] == "record":
        return _record(source, known)
    raise ValueError(f"{source['type']!r} is not allowed in a schema")


def _primitive(source: Json) -> Primitive:
    if isinstance(source, str) and source in PRIMITIVES:
        return Primitive(source)
    raise ValueError(f"{source!r} is not allowed in a schema")


def _record(source: dict[str, Json], known: dict[str, Record]) -> Record:
    name = str(source["name"])
    fields = tuple(
        Field(str(field["name"]), _parse(field["type"], known))
        for field in cast("list[dict[str, Json]]", source["fields"])
    )
    if all(field.type == Primitive("null") for field in fields):
        raise ValueError(f"record {name} has no bytes of its own")
    known[name] = Record(name, fields)
    return known[name]
