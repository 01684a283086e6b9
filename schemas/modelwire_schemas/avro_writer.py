"""Domain words to Avro bytes: a schema and its type are compiled into small closures.

A part that an older schema lacks is left out: whoever picks the schema knows that it has its
default.
"""

import struct
from collections.abc import Callable
from typing import Any as Anything, TypeAlias

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
from modelwire_schemas.errors import Rejected

Write: TypeAlias = Callable[[bytearray, Anything], None]


def writer(schema: Schema, hint: object) -> Write:
    """Compile what writes a `hint` as `schema`; raises TypeError where they do not fit.

    What it returns appends to a bytearray; it raises Rejected `E_TYPE` for values of other types.
    """
    if way := carrier(hint):
        write, pack = writer(schema, way.hint), way.pack
        return lambda out, value: write(out, pack(value))
    match schema:
        case Primitive(name):
            if hint is PRIMITIVES[name] or (name == "string" and is_choice(hint)):
                return WRITE[name]
            raise mismatch(name, hint)
        case Union():
            return _union(schema, hint)
        case Array(items):
            return _array(writer(items, item_hint(hint)), as_one=item_hint(hint) in AS_ONE)
        case Record():
            return _record(schema, hint)


def _union(schema: Union, hint: object) -> Write:
    branches = {
        kind: (number, WRITE[branch.name])
        for number, (kind, branch) in enumerate(
            zip(branch_types(schema, hint), schema.branches, strict=True)
        )
    }

    def write(out: bytearray, value: object) -> None:
        if type(value) not in branches:
            raise mistyped(value, " or ".join(kind.__name__ for kind in branches))
        number, write_branch = branches[type(value)]
        _long(out, number)
        write_branch(out, value)

    return write


def _array(item: Write, *, as_one: bool) -> Write:
    def write(out: bytearray, values: tuple[object, ...]) -> None:
        if type(values) is not tuple:
            raise mistyped(values, "tuple")
        if values:
            block = bytearray()
            for value in values:
                item(block, value)
            _long(out, -len(values) if as_one else len(values))
            if as_one:
                _long(out, len(block))
            out += block
        out.append(0)

    return write


def _record(schema: Record, hint: object) -> Write:
    given = [field.name for field in schema.fields]
    parts = [part for part in shape(schema, hint).parts if part.needed or part.name in given]
    if [part.name for part in parts] != given:
        raise mismatch(f"record {schema.name}", hint)
    steps = [
        (part.name, part.take, writer(field.type, part.hint))
        for part, field in zip(parts, schema.fields, strict=True)
    ]

    def write(out: bytearray, value: object) -> None:
        for name, take, write in steps:
            try:
                write(out, take(value))
            except (AttributeError, IndexError) as error:
                raise mistyped(value, schema.name) from error
            except Rejected as error:
                raise Rejected(
                    error.code,
                    error.what,
                    where=f"{name}.{error.where}" if error.where else name,
                    expected=error.expected,
                    todo=error.todo,
                ) from None

    return write


def _null(_: bytearray, __: None) -> None:
    return None


def _boolean(out: bytearray, value: object) -> None:
    if not isinstance(value, bool):
        raise mistyped(value, "bool")
    out.append(value)


def _long(out: bytearray, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise mistyped(value, "int")
    if not -(2**63) <= value < 2**63:
        raise Rejected("E_RANGE", f"{value!r:.80} does not fit", expected="64 bits")
    rest = (value << 1) ^ (value >> 63)
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)


def _double(out: bytearray, value: object) -> None:
    if not isinstance(value, float | int) or isinstance(value, bool):
        raise mistyped(value, "float")
    out += struct.pack("<d", value)


def _bytes(out: bytearray, value: object) -> None:
    if not isinstance(value, bytes):
        raise mistyped(value, "bytes")
    _long(out, len(value))
    out += value


def _string(out: bytearray, value: object) -> None:
    if not isinstance(value, str):
        raise mistyped(value, "str")
    try:
        data = value.encode()
    except UnicodeEncodeError:
        raise mistyped(value, "text that UTF-8 can hold") from None
    _long(out, len(data))
    out += data


WRITE: dict[str, Write] = {
    "null": _null,
    "boolean": _boolean,
    "long": _long,
    "double": _double,
    "bytes": _bytes,
    "string": _string,
}


def mistyped(value: object, expected: str) -> Rejected:
    """Return the error of a value that is not of its field's type."""
    return Rejected("E_TYPE", f"{value!r:.80} is of type {type(value).__name__}", expected=expected)
