"""Avro bytes to domain words: a schema and a type are compiled once into small closures.

The schema says what lies in the bytes, the type what is to come out. Fields that the type lacks
are passed over; fields that the schema lacks take the type's default. So a record of any
generation becomes today's type in one pass, without a dict between.

Whatever bytes may lie about is bounded before it costs anything: lengths by what is there, items
by `MAX_ITEMS`, a union's branch by their number. Damage raises Corrupt `E_CORRUPT` or one of
Python's own errors, which the codec maps.
"""

import io
import struct
from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias

from modelwire_schemas.avro_hints import (
    branch_types,
    carrier,
    is_choice,
    item_hint,
    mismatch,
    shape,
)
from modelwire_schemas.avro_schema import PRIMITIVES, Array, Primitive, Record, Schema, Union
from modelwire_schemas.checks import check_of
from modelwire_schemas.errors import Corrupt, Rejected
from modelwire_schemas.limits import MAX_ITEMS

SEVEN_BITS = 0x7F


class Source(io.BytesIO):
    """Bytes under a cursor, and how many array items they may still have."""

    items = MAX_ITEMS


Read: TypeAlias = Callable[[Source], object]


def reader(schema: Schema, hint: object) -> Read:
    """Compile what reads a `schema` into a `hint`; raises TypeError where they do not fit."""
    if way := carrier(hint):
        read, unpack = reader(schema, way.hint), way.unpack
        return lambda source: unpack(read(source))
    match schema:
        case Primitive():
            return _primitive(schema, hint)
        case Union(branches):
            branch_types(schema, hint)
            return _union(tuple(READ[branch.name] for branch in branches))
        case Array(items):
            return _array(reader(items, item_hint(hint)))
        case Record():
            return _record(schema, hint)


def _primitive(schema: Primitive, hint: object) -> Read:
    if schema.name == "string" and is_choice(hint):
        return _choice(hint)
    if hint is PRIMITIVES[schema.name]:
        return READ[schema.name]
    raise mismatch(schema.name, hint)


def _choice(words: type[StrEnum]) -> Read:
    members = {word.value: word for word in words}

    def read(source: Source) -> StrEnum:
        text = _string(source)
        if text in members:
            return members[text]
        raise Rejected(
            "E_UNSUPPORTED",
            f"{text!r:.80} is no {words.__name__}",
            expected=f"one of {', '.join(members)}",
        )

    return read


def _union(reads: tuple[Read, ...]) -> Read:
    def read(source: Source) -> object:
        branch = _long(source)
        if not 0 <= branch < len(reads):
            raise damaged(f"branch {branch} of a union of {len(reads)}")
        return reads[branch](source)

    return read


def _array(item: Read) -> Read:
    def read(source: Source) -> tuple[object, ...]:
        values: list[object] = []
        while count := _long(source):
            if count < 0:  # the block's length in bytes follows, which nobody needs
                count = -count
                _long(source)
            source.items -= count
            if source.items < 0:
                raise damaged(f"more than {MAX_ITEMS} items")
            values += [item(source) for _ in range(count)]
        return tuple(values)

    return read


def _record(schema: Record, hint: object) -> Read:
    target, given = shape(schema, hint), {field.name for field in schema.fields}
    if any(part.needed and part.name not in given for part in target.parts):
        raise mismatch(f"record {schema.name}", hint)
    hints = {part.name: part.hint for part in target.parts}
    steps = [
        (f.name, reader(f.type, hints[f.name]) if f.name in hints else passed_over(f.type))
        for f in schema.fields
    ]
    build, check = target.build, check_of(hint)
    if [name for name, _ in steps] == list(hints)[: len(steps)]:
        reads = [read for _, read in steps]

        def read(source: Source) -> object:
            return check(build(*[read(source) for read in reads]))
    else:

        def read(source: Source) -> object:
            values = {name: read(source) for name, read in steps}
            return check(build(**{name: v for name, v in values.items() if name in hints}))

    return read


def passed_over(schema: Schema) -> Read:
    """Compile what reads a `schema` that no type asks for any more."""
    match schema:
        case Primitive(name):
            return READ[name]
        case Union(branches):
            return _union(tuple(READ[branch.name] for branch in branches))
        case Array(items):
            return _array(passed_over(items))
        case Record(fields=fields):
            reads = [passed_over(field.type) for field in fields]
            return lambda source: [read(source) for read in reads]


def _null(_: Source) -> None:
    return None


def _boolean(source: Source) -> bool:
    byte = source.read(1)[0]
    if byte > 1:
        raise damaged(f"boolean {byte}")
    return byte == 1


def _long(source: Source) -> int:
    byte = source.read(1)[0]
    if byte <= SEVEN_BITS:
        return (byte >> 1) ^ -(byte & 1)
    value, shift = byte & SEVEN_BITS, 7
    while byte > SEVEN_BITS:
        byte = source.read(1)[0]
        value |= (byte & SEVEN_BITS) << shift
        shift += 7
        if value >> 64 or shift > 70:
            raise damaged("a number above 64 bits")
    return (value >> 1) ^ -(value & 1)


def _double(source: Source) -> float:
    return float(struct.unpack("<d", source.read(8))[0])


def _bytes(source: Source) -> bytes:
    count = _long(source)
    data = source.read(count)
    if len(data) != count:
        raise damaged("a length that is not there")
    return data


def _string(source: Source) -> str:
    return _bytes(source).decode()


READ: dict[str, Read] = {
    "null": _null,
    "boolean": _boolean,
    "long": _long,
    "double": _double,
    "bytes": _bytes,
    "string": _string,
}


def damaged(what: str) -> Corrupt:
    """Return the error of bytes that nobody wrote like this."""
    return Corrupt("E_CORRUPT", f"the bytes hold {what}", expected="what modelwire writes")
