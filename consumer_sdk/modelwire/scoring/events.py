"""Records of an event stream into events: JSON objects, decoded together, faulty ones apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import orjson

from modelwire.serving.settling import business_time
from modelwire_log.contract import Record
from modelwire_schemas.errors import Rejected

Fields = Mapping[str, object]

_NOTHING: Fields = {}


@dataclass(frozen=True, slots=True)
class Reading:
    """How an event says its key and its time; empty: by its record.

    Values that are `opaque` are not looked at: such an event has no fields.
    """

    key_field: str = ""
    time_field: str = ""
    opaque: bool = False

    def __post_init__(self) -> None:
        """Raise Rejected `E_FIELD` for fields of what is not looked at."""
        if self.opaque and (self.key_field or self.time_field):
            raise Rejected(
                "E_FIELD",
                "an opaque event has no fields",
                expected="its record's key and time",
                todo="leave out the field, or read the events as JSON",
            )

    def events(self, records: Sequence[Record]) -> list[Fields | Rejected]:
        """Return the fields of every record, or why it has none."""
        return [_NOTHING] * len(records) if self.opaque else decode(records)

    def key(self, record: Record, fields: Fields) -> object:
        """Return what keeps the event on its side of a split."""
        return fields.get(self.key_field) if self.key_field else record.key

    def time(self, record: Record, fields: Fields) -> int:
        """Return the event's time (ms); that of its append where it has none (R10)."""
        recorded = record.timestamp if record.timestamp >= 0 else record.appended
        return business_time(fields, self.time_field, recorded) if self.time_field else recorded


def decode(records: Sequence[Record]) -> list[Fields | Rejected]:
    """Return the event of every record, or why its value is none."""
    joined = b"[" + b",".join([record.value for record in records]) + b"]"
    try:
        rows = orjson.loads(joined)
    except orjson.JSONDecodeError:
        return [_decode_one(record.value) for record in records]
    if len(rows) != len(records) or not all(type(row) is dict for row in rows):
        return [_decode_one(record.value) for record in records]
    return cast("list[Fields | Rejected]", rows)


def _decode_one(value: bytes) -> Fields | Rejected:
    try:
        row: object = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        return Rejected("E_DECODE", f"the value is no JSON: {error}", expected="a JSON object")
    if not isinstance(row, dict):
        kind = type(row).__name__
        return Rejected("E_DECODE", f"the value is a JSON {kind}", expected="a JSON object")
    return cast("Fields", row)
