"""How Python's types and Avro's schemas fit each other, for the reader and the writer alike."""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import StrEnum
from operator import attrgetter, itemgetter
from typing import Any as Anything, TypeGuard, cast, get_args, get_origin, get_type_hints

from modelwire_schemas.avro_schema import PRIMITIVES, Record, Union
from modelwire_schemas.errors import Rejected
from modelwire_schemas.fleet import VersionReport
from modelwire_schemas.predicates import Node, flatten, restore
from modelwire_schemas.rollout import Rollout
from modelwire_schemas.routing import Predicate

AS_ONE: frozenset[object] = frozenset({VersionReport})
"""Items of arrays that stand in one block under its size: most of what an instance reports, and the
same in every report, so who has read a block before need not read it again."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """How a type travels as another one, there and back."""

    hint: object
    pack: Callable[[Anything], object]
    unpack: Callable[[Anything], object]


@dataclass(frozen=True, slots=True)
class Part:
    """A field of a record on Python's side: its name, its type, and how to take it.

    One that is not `needed` has a default.
    """

    name: str
    hint: object
    take: Callable[[Anything], object]
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Shape:
    """A record on Python's side: its parts in order, and what makes one of them."""

    parts: tuple[Part, ...]
    build: Callable[..., object]


def carrier(hint: object) -> Carrier | None:
    """Return how `hint` travels if it does not travel as itself."""
    if hint == Predicate | None:
        return Carrier(tuple[Node, ...], flatten, restore)
    if hint == Rollout | None:
        return Carrier(tuple[Rollout, ...], _as_items, _only)
    return None


def _as_items(value: object) -> tuple[object, ...]:
    return () if value is None else (value,)


def _only(items: tuple[object, ...]) -> object:
    if len(items) > 1:
        raise Rejected("E_TWICE", f"{len(items)} of what there is one of", expected="at most one")
    return items[0] if items else None


def item_hint(hint: object) -> object:
    """Return X for `tuple[X, ...]`; raises TypeError for others."""
    parts = get_args(hint)
    if get_origin(hint) is tuple and len(parts) == 2 and parts[1] is ...:
        return parts[0]
    raise mismatch("an array", hint)


def shape(record: Record, hint: object) -> Shape:
    """Return the shape of a dataclass, or of a plain tuple like `tuple[str, int]`.

    A plain tuple has the record's fields in the record's order.
    """
    if isinstance(hint, type) and is_dataclass(cls := cast("type[object]", hint)):
        types = get_type_hints(cls)
        named = (
            Part(f.name, types[f.name], attrgetter(f.name), f.default is MISSING)
            for f in fields(cls)
        )
        return Shape(tuple(named), cls)
    items = get_args(hint)
    if get_origin(hint) is tuple and len(items) == len(record.fields):
        numbered = (
            Part(field.name, item, itemgetter(i))
            for i, (field, item) in enumerate(zip(record.fields, items, strict=True))
        )
        return Shape(tuple(numbered), lambda *values: values)
    raise mismatch(f"record {record.name}", hint)


def is_choice(hint: object) -> TypeGuard[type[StrEnum]]:
    """Tell whether `hint` is a word with a few values, which travels as a string."""
    return isinstance(hint, type) and issubclass(hint, StrEnum)


def branch_types(union: Union, hint: object) -> tuple[type, ...]:
    """Return the type of each branch; raises TypeError if `hint` does not allow one."""
    types = tuple(PRIMITIVES[branch.name] for branch in union.branches)
    if set(types) <= set(get_args(hint)):
        return types
    raise mismatch("a union", hint)


def mismatch(schema: str, hint: object) -> TypeError:
    """Return the error of a schema and a type that do not fit; a test meets it, no user does."""
    return TypeError(f"{schema} in the schema is no {hint} in Python")
