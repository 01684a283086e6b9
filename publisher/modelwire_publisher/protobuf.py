"""Protobuf as it lies in a file: its fields one by one, without a schema and without copying."""

import mmap
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

Data: TypeAlias = bytes | mmap.mmap

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class Field(NamedTuple):
    """A field: it stands from `start` to `end`, its value from `begin`; a varint's is `value`."""

    number: int
    kind: int
    start: int
    begin: int
    end: int
    value: int


def fields(data: Data, begin: int, end: int) -> Iterator[Field]:
    """Yield the fields of the message that lies from `begin` to `end`.

    Raises ValueError where the bytes are none, or end too early.
    """
    at = begin
    while at < end:
        tag, after = varint(data, at, end)
        number, kind = tag >> 3, tag & 7
        value = 0
        if kind == VARINT:
            value, stop = varint(data, after, end)
        elif kind == BYTES:
            size, after = varint(data, after, end)
            stop = after + size
        elif kind in (FIXED64, FIXED32):
            stop = after + (8 if kind == FIXED64 else 4)
        else:
            raise ValueError(f"byte {at} begins no field")
        if not number or stop > end:
            raise ValueError(f"a field at byte {at} should go on up to byte {stop}")
        yield Field(number, kind, at, after, stop, value)
        at = stop


def varint(data: Data, at: int, end: int) -> tuple[int, int]:
    """Return the number at `at`, and where it ends; raises ValueError."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            raise ValueError(f"the bytes end within a number, at byte {at}")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError(f"a number before byte {at} is too long")


def write_varint(value: int) -> bytes:
    """Return a number as protobuf writes it."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def write_bytes(number: int, content: bytes) -> bytes:
    """Return the field `number` with these bytes."""
    return head(number, len(content)) + content


def write_number(number: int, value: int) -> bytes:
    """Return the field `number` with this number."""
    return write_varint(number << 3 | VARINT) + write_varint(value)


def head(number: int, size: int) -> bytes:
    """Return what stands before the `size` bytes of the field `number`."""
    return write_varint(number << 3 | BYTES) + write_varint(size)
