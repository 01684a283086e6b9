"""A schema file may hold what a reader can read in bounded time, and nothing else."""

import pytest

from modelwire_schemas.avro_reader import reader
from modelwire_schemas.avro_schema import Json, parse
from modelwire_schemas.avro_writer import writer
from modelwire_schemas.generations import GENERATIONS, Kind, schema
from modelwire_schemas.routing import ModelVersion


def holding(kind: Json) -> Json:
    """Return a record with one field."""
    return {"type": "record", "name": "Holder", "fields": [{"name": "held", "type": kind}]}


ALLOWED: dict[str, Json] = {
    "a number": "long",
    "a list": {"type": "array", "items": "string"},
    "a list of values that may be null": {"type": "array", "items": ["null", "long"]},
    "a record": {"type": "record", "name": "Inner", "fields": [{"name": "a", "type": "bytes"}]},
}
FORBIDDEN: dict[str, Json] = {
    "itself": "Holder",
    "a list of itself": {"type": "array", "items": "Holder"},
    "itself or nothing": ["null", "Holder"],
    "a list of nothing": {"type": "array", "items": "null"},
    "an empty record": {"type": "record", "name": "Empty", "fields": []},
    "a record of nothing": {
        "type": "record",
        "name": "Empty",
        "fields": [{"name": "nothing", "type": "null"}],
    },
    "a fixed of no bytes": {"type": "fixed", "name": "None"},
    "a decimal": {"type": "bytes", "logicalType": "decimal", "precision": "9"},
    "a map": {"type": "map", "values": "long"},
    "an enum": {"type": "enum", "name": "Colour", "symbols": ["red"]},
    "an int": "int",
    "a union with a list": ["null", {"type": "array", "items": "long"}],
    "what nobody defined": "Unknown",
}


@pytest.mark.parametrize("kind", ALLOWED.values(), ids=ALLOWED)
def test_a_schema_may_hold(kind: Json) -> None:
    assert parse(holding(kind)).name == "Holder"


@pytest.mark.parametrize("kind", FORBIDDEN.values(), ids=FORBIDDEN)
def test_a_schema_may_not_hold(kind: Json) -> None:
    with pytest.raises(ValueError, match=r"not allowed|no bytes of its own|need bytes"):
        parse(holding(kind))


def test_a_file_holds_a_record() -> None:
    with pytest.raises(ValueError, match="a record"):
        parse("long")


@pytest.mark.parametrize("kind", Kind)
def test_every_committed_schema_keeps_to_it(kind: Kind) -> None:
    for generation in GENERATIONS[kind]:
        assert schema(kind, generation).fields


MISFITS: dict[str, tuple[Json, object]] = {
    "a number for a word": ("long", tuple[str]),
    "a word for a number": ("string", tuple[int]),
    "a list for a number": ({"type": "array", "items": "long"}, tuple[int]),
    "a record for a list": (ALLOWED["a record"], tuple[tuple[int, ...]]),
    "a union with more than the type": (["null", "long", "string"], tuple[int | None]),
    "a record without a field that the type needs": ("long", ModelVersion),
}


@pytest.mark.parametrize(("kind", "hint"), MISFITS.values(), ids=MISFITS)
def test_a_schema_and_a_type_that_do_not_fit_are_found_at_once(kind: Json, hint: object) -> None:
    record = parse(holding(kind))
    with pytest.raises(TypeError, match="in the schema"):
        writer(record, hint)
    with pytest.raises(TypeError, match="in the schema"):
        reader(record, hint)
