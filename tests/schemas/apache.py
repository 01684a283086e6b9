"""Avro by Apache's own library: the second opinion on schemas and bytes."""

import io
import json
from typing import Any

import avro.io
import avro.schema

from modelwire_schemas.generations import FOLDER, Kind


def source_of(kind: Kind, generation: int) -> object:
    """Return a committed schema as parsed from JSON."""
    return json.loads((FOLDER / f"{kind}.{generation}.avsc").read_bytes())


def fingerprint(source: object) -> bytes:
    """Return the CRC-64-AVRO of a schema, as it stands on the wire."""
    return bytes(avro.schema.parse(json.dumps(source)).fingerprint("CRC-64-AVRO"))


def read(data: bytes, writer: object, reader: object = None) -> object:
    """Decode `data`, written with one schema, as another one sees it."""
    schemas = [avro.schema.parse(json.dumps(source)) for source in (writer, reader or writer)]
    decoder = avro.io.BinaryDecoder(io.BytesIO(data))
    decoded: object = avro.io.DatumReader(*schemas).read(decoder)
    return decoded


class FirstBranch(avro.io.DatumWriter):
    """A writer that takes the first branch of a union that fits; Apache's takes the last.

    An integer is no double for us, where a union has a long as well, and a boolean is no integer.
    """

    def write_union(self, writers_schema: Any, datum: object, encoder: Any) -> None:  # noqa: ANN401
        fitting = (
            (number, branch)
            for number, branch in enumerate(writers_schema.schemas)
            if isinstance(datum, bool) == (branch.type == "boolean")
            and avro.io.validate(branch, datum)
        )
        number, branch = next(fitting)
        encoder.write_long(number)
        self.write_data(branch, datum, encoder)


def write(datum: object, source: object) -> bytes:
    """Encode `datum`."""
    out = io.BytesIO()
    schema = avro.schema.parse(json.dumps(source))
    FirstBranch(schema).write(datum, avro.io.BinaryEncoder(out))
    return out.getvalue()
