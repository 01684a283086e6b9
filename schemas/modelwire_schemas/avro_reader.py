"""Avro bytes to domain words: a schema and a type are compiled once into one Python function.

The schema says what lies in the bytes, the type what is to come out. Fields that the type lacks
are passed over; fields that the schema lacks take the type's default. So a record of any
generation becomes today's type in one pass, without a dict between.

The function is written as Python source and compiled, as a call for each number would cost more
than the number: a fleet of thousands tells millions of them a second. Its source consists of the
lines below and of names that are counted through; no text of a schema gets into it but the names
of fields, which are those of our own types.

Whatever bytes may lie about is bounded before it costs anything: lengths by what is there, items
by `MAX_ITEMS`, a union's branch by their number. Damage raises Corrupt `E_CORRUPT` or one of
Python's own errors, which the codec maps.
"""

import struct
from collections.abc import Callable
from enum import StrEnum
from functools import cache, lru_cache
from typing import TypeAlias, cast

from modelwire_schemas.avro_hints import (
    AS_ONE,
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
from modelwire_schemas.fleet import VersionReport
from modelwire_schemas.limits import MAX_ITEMS
from modelwire_schemas.telemetry import Bin

AGAIN: frozenset[object] = frozenset({Bin, VersionReport})
"""What comes again and again with the same values: it is made and checked once."""

ALIKE = 1 << 16
"""How many different ones of a kind are kept for that, the newest ones."""

BLOCKS = 1 << 14
"""How many different blocks that are taken as one are kept."""

STEP = "    "

Read: TypeAlias = Callable[[bytes, int, int], tuple[object, int, int]]
"""Takes bytes, where a value begins in them, and how many array items it may have; returns the
value, where it ends, and how many items others may still have."""

NUMBER = (
    "{v} = data[at]; at += 1",
    "if {v} > 127:",  # most numbers have one byte or two
    "    {v} += (data[at] << 7) - 128; at += 1",
    "    if {v} > 16383: {v}, at = more(data, {v}, at)",
)
SPAN = (
    *NUMBER,
    "if {v} & 1: raise damaged('a length below 0')",
    "begin, at = at, at + ({v} >> 1)",
    "if at > whole: raise damaged('a length that is not there')",
    "{v} = data[begin:at]",
)
READ: dict[str, tuple[str, ...]] = {
    "null": ("{v} = None",),
    "boolean": (
        "{v} = data[at]; at += 1",
        "if {v} > 1: raise damaged(f'boolean {{{v}}}')",
        "{v} = {v} == 1",
    ),
    "long": (*NUMBER, "{v} = {v} >> 1 ^ -({v} & 1)"),
    "double": ("{v} = double(data, at)[0]; at += 8",),
    "bytes": SPAN,
    "string": (*SPAN, "{v} = {v}.decode()"),
}
"""The lines that take a primitive at `at` into the variable {v}, and go on behind it."""


@cache
def reader(schema: Schema, hint: object) -> Read:
    """Compile what reads a `schema` into a `hint`; raises TypeError where they do not fit."""
    code = _Code()
    if isinstance(schema, Record):
        value = code.record(schema, hint, STEP)
    else:
        value = code.take(schema, hint, STEP)
    lines = ("def read(data, at, left):", f"{STEP}whole = len(data)", *code.lines)
    exec("\n".join((*lines, f"{STEP}return {value}, at, left")), code.names)  # noqa: S102
    return cast("Read", code.names["read"])


class _Gone:
    """The type of what no type asks for any more."""


class _Code:
    """The source of a reader as it grows, and what its names stand for."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, object] = {
            "damaged": damaged,
            "double": struct.Struct("<d").unpack_from,
            "more": _more,
        }
        self._counted = 0

    def take(self, schema: Schema, hint: object, margin: str) -> str:
        """Add the lines that read a `schema` into a `hint`; return the variable it comes into."""
        if way := carrier(hint):
            value = self.take(schema, way.hint, margin)
            self._add(margin, f"{value} = {self._name(way.unpack)}({value})")
            return value
        match schema:
            case Primitive():
                return self._primitive(schema, hint, margin)
            case Union():
                return self._union(schema, hint, margin)
            case Array(items):
                return self._array(items, hint, margin)
            case Record(fields=fields) if all(isinstance(f.type, Primitive) for f in fields):
                return self.record(schema, hint, margin)
            case Record():  # it has a function of its own, so that it is compiled once
                value, read = self._variable(), self._name(reader(schema, hint))
                self._add(margin, f"{value}, at, left = {read}(data, at, left)")
                return value

    def _primitive(self, schema: Primitive, hint: object, margin: str) -> str:
        value = self._variable()
        self._add(margin, *(line.format(v=value) for line in READ[schema.name]))
        if schema.name == "string" and is_choice(hint):
            self._add(margin, f"{value} = {self._name(_choice(hint))}({value})")
        elif hint is not PRIMITIVES[schema.name] and hint is not _Gone:
            raise mismatch(schema.name, hint)
        return value

    def _union(self, schema: Union, hint: object, margin: str) -> str:
        if hint is not _Gone:
            branch_types(schema, hint)
        value = self._variable()
        branch = self._primitive(Primitive("long"), int, margin)
        for number, kind in enumerate(schema.branches):
            self._add(margin, f"{'elif' if number else 'if'} {branch} == {number}:")
            self._add(margin + STEP, *(line.format(v=value) for line in READ[kind.name]))
        told = f"branch {{{branch}}} of a union of {len(schema.branches)}"
        self._add(margin, f"else: raise damaged(f'{told}')")
        return value

    def _array(self, items: Schema, hint: object, margin: str) -> str:
        values, block = self._variable(), margin + STEP
        self._add(margin, f"{values} = []", "while True:")
        count = self._primitive(Primitive("long"), int, block)
        item_type = hint if hint is _Gone else item_hint(hint)
        self._add(block, f"if not {count}: break", f"left -= abs({count})")
        self._add(block, f"if left < 0: raise damaged('more than {MAX_ITEMS} items')")
        self._add(block, f"if {count} < 0:")  # how many bytes they have follows
        if item_type in AS_ONE:
            known = self._name(lru_cache(BLOCKS)(_whole(reader(items, item_type))))
            held = self._primitive(Primitive("bytes"), bytes, block + STEP)
            self._add(block + STEP, f"{values} += {known}({held}, -{count})", "continue")
        else:
            self._primitive(Primitive("long"), int, block + STEP)
        self._add(block, f"for _ in range(abs({count})):")
        item = self.take(items, item_type, block + STEP)
        self._add(block + STEP, f"{values}.append({item})")
        self._add(margin, f"{values} = tuple({values})")
        return values

    def record(self, schema: Record, hint: object, margin: str) -> str:
        """Add the lines that read a record in place; return the variable it comes into."""
        parts = () if hint is _Gone else shape(schema, hint).parts
        hints, given = {part.name: part.hint for part in parts}, {f.name for f in schema.fields}
        if any(part.needed and part.name not in given for part in parts):
            raise mismatch(f"record {schema.name}", hint)
        taken = [(f.name, self.take(f.type, hints.get(f.name, _Gone), margin))
                 for f in schema.fields]  # fmt: skip
        if hint is _Gone:
            return taken[0][1]  # whichever: nobody looks at it
        made, names = self._variable(), [name for name, _ in taken]
        if names == list(hints)[: len(names)]:
            words = ", ".join(value for _, value in taken)
        else:
            words = ", ".join(f"{name}={value}" for name, value in taken if name in hints)
        self._add(margin, f"{made} = {self._name(_maker(schema, hint))}({words})")
        return made

    def _add(self, margin: str, *lines: str) -> None:
        self.lines += [margin + line for line in lines]

    def _variable(self) -> str:
        self._counted += 1
        return f"v{self._counted}"

    def _name(self, thing: object) -> str:
        name = f"n{len(self.names)}"
        self.names[name] = thing
        return name


def _whole(read: Read) -> Callable[[bytes, int], tuple[object, ...]]:
    """Return what reads all items of a block."""

    def items(block: bytes, count: int) -> tuple[object, ...]:
        values, at, left = list[object](), 0, MAX_ITEMS
        for _ in range(count):
            value, at, left = read(block, at, left)
            values.append(value)
        if at != len(block):
            raise damaged(f"{len(block) - at} bytes behind the items of a block")
        return tuple(values)

    return items


def _maker(schema: Record, hint: object) -> Callable[..., object]:
    """Return what makes a word of its parts, once it is found sound."""
    build, check = shape(schema, hint).build, check_of(hint)

    def made(*values: object, **named: object) -> object:
        return check(build(*values, **named))

    return lru_cache(ALIKE)(made) if hint in AGAIN else made


def _choice(words: type[StrEnum]) -> Callable[[str], StrEnum]:
    members = {word.value: word for word in words}

    def chosen(text: str) -> StrEnum:
        if text in members:
            return members[text]
        raise Rejected(
            "E_UNSUPPORTED",
            f"{text!r:.80} is no {words.__name__}",
            expected=f"one of {', '.join(members)}",
        )

    return chosen


def _more(data: bytes, value: int, at: int) -> tuple[int, int]:
    """Return a number whose first two bytes promised more, and where it ends."""
    value, shift, byte = value & 16383, 14, 128
    while byte > 127:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if value >> 64 or shift > 70:
            raise damaged("a number above 64 bits")
    return value, at


def damaged(what: str) -> Corrupt:
    """Return the error of bytes that nobody wrote like this."""
    return Corrupt("E_CORRUPT", f"the bytes hold {what}", expected="what modelwire writes")
