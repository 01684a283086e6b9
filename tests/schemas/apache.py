"""Avro by Apache's own library: the second opinion on schemas and bytes."""

import io
import json

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


def write(datum: object, source: object) -> bytes:
    """Encode `datum`."""
    out = io.BytesIO()
    schema = avro.schema.parse(json.dumps(source))
    avro.io.DatumWriter(schema).write(datum, avro.io.BinaryEncoder(out))
    return out.getvalue()
