"""Schemas grow without breaking anyone: every generation is known, frozen, and read by all."""

import copy
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any as Anything, TypeAlias, cast

import pytest

from modelwire_schemas.avro_reader import reader
from modelwire_schemas.avro_schema import Record, parse
from modelwire_schemas.codec import BODIES, HEAD, OTHERS, encode
from modelwire_schemas.control import FOLD_VERSION, Command
from modelwire_schemas.generations import FOLDER, GENERATIONS, Kind, newest
from modelwire_schemas.limits import MAX_ITEMS
from tests.schemas import apache
from tests.schemas.compatibility import incompatibilities
from tests.schemas.leaves import leaves
from tests.schemas.samples import SAMPLES

Json: TypeAlias = Anything


def parts(source: Json) -> list[Json]:
    """Return what lies right below a list or an object."""
    if isinstance(source, dict):
        return list(cast("dict[str, Json]", source).values())
    return list(cast("Iterable[Json]", source)) if isinstance(source, list) else []


def records(source: Json) -> Iterator[Json]:
    """Walk a schema and yield every record that it defines."""
    if isinstance(source, dict) and "fields" in source:
        yield source
    for part in parts(source):
        yield from records(part)


def test_every_schema_file_is_known() -> None:
    files = {path.name for path in FOLDER.glob("*.avsc")}
    assert files == {f"{kind}.{n}.avsc" for kind, known in GENERATIONS.items() for n in known}


@pytest.mark.parametrize(
    ("kind", "generation"), [(kind, n) for kind, known in GENERATIONS.items() for n in known]
)
def test_a_committed_schema_never_changes(kind: Kind, generation: int) -> None:
    found = apache.fingerprint(apache.source_of(kind, generation))
    assert found.hex() == GENERATIONS[kind][generation], (
        "leave a committed schema as it is, and add the next generation beside it"
    )


@pytest.mark.parametrize("kind", Kind)
def test_every_generation_reads_every_other_one(kind: Kind) -> None:
    assert incompatibilities({n: apache.source_of(kind, n) for n in GENERATIONS[kind]}) == []


@pytest.mark.parametrize("kind", BODIES)
def test_a_schema_is_no_younger_than_the_fold_that_reads_it(kind: Kind) -> None:
    assert newest(kind) <= FOLD_VERSION


Edit = Callable[[Json], object]


def record_of(source: Json, name: str) -> Json:
    return next(r for r in records(source) if r["name"] == name)


def document(source: Json) -> list[Json]:
    """Return the fields of a routing document."""
    found: list[Json] = record_of(source, "RoutingDocument")["fields"]
    return found


def field(source: Json, name: str) -> Json:
    return next(f for f in document(source) if f["name"] == name)


GOOD: dict[str, Edit] = {
    "nothing": lambda s: None,
    "a new field with a default": lambda s: document(s).append(
        {"name": "note", "type": "string", "default": ""}
    ),
    "a new field that may be null": lambda s: document(s).append(
        {"name": "note", "type": ["null", "long"], "default": None}
    ),
    "a field with a default is gone": lambda s: document(s).remove(field(s, "fallback")),
    "the order of fields": lambda s: document(s).insert(0, document(s).pop()),
}
BAD: dict[str, tuple[Edit, str]] = {
    "a new field without a default": (
        lambda s: document(s).append({"name": "note", "type": "string"}),
        "1 cannot read 2|2 cannot read 1: reader_field_missing_default_value at .*/fields/11",
    ),
    "a field without a default is gone": (
        lambda s: document(s).remove(field(s, "model")),
        "1 cannot read 2: reader_field_missing_default_value",
    ),
    "a name has changed": (
        lambda s: field(s, "model").update(name="of"),
        "reader_field_missing_default_value",
    ),
    "a type has changed": (lambda s: field(s, "route").update(type="long"), "type_mismatch"),
    "a number has become a fraction": (
        lambda s: s["fields"][1]["type"]["items"]["fields"][1].update(type="double"),
        "1 cannot read 2: type_mismatch",
    ),
    "null is not allowed any more": (
        lambda s: s["fields"][2].update(type="long", default=0),
        "2 cannot read 1: ",
    ),
}


@pytest.mark.parametrize("edit", GOOD.values(), ids=GOOD)
def test_growth_that_harms_nobody_passes(edit: Edit) -> None:
    first = apache.source_of(Kind.ROUTING_CHANGED, 1)
    second = copy.deepcopy(first)
    edit(second)
    assert incompatibilities({1: first, 2: second}) == []


@pytest.mark.parametrize(("edit", "fault"), BAD.values(), ids=BAD)
def test_growth_that_breaks_somebody_is_found_with_its_place(edit: Edit, fault: str) -> None:
    first = apache.source_of(Kind.ROUTING_CHANGED, 1)
    second = copy.deepcopy(first)
    edit(second)
    found = incompatibilities({1: first, 2: second})
    assert found
    assert any(re.search(fault, text) for text in found), found


def test_a_break_between_the_oldest_and_the_newest_is_found() -> None:
    first = apache.source_of(Kind.ROUTING_CHANGED, 1)
    second, third = copy.deepcopy(first), copy.deepcopy(first)
    document(second).remove(field(second, "fallback"))
    field(third, "fallback").update(type="string", default="")
    assert incompatibilities({1: first, 2: second}) == []
    assert incompatibilities({2: second, 3: third}) == []
    assert len(incompatibilities({1: first, 2: second, 3: third})) == 2


@dataclass(frozen=True)
class Missing:
    """An older generation: the newest one without one field that has a default."""

    kind: Kind
    record: str
    field: str

    def __str__(self) -> str:
        return f"{self.kind}-{self.record}.{self.field}"

    def schema(self) -> Json:
        source = apache.source_of(self.kind, newest(self.kind))
        record = record_of(source, self.record)
        kept = [f for f in record["fields"] if f["name"] != self.field]
        return _defined(source, record, kept)


def _defined(source: Json, record: Json, kept: list[Json]) -> Json:
    """Drop a field; where it was the one that defined a type, the next to name it defines it."""
    gone = next(f for f in record["fields"] if f not in kept)
    record["fields"] = kept
    for lost in records(gone["type"]):
        _define(source, lost)
    return source


def _define(source: Json, lost: Json) -> bool:
    for key in ("type", "items"):
        if isinstance(source, dict) and source.get(key) == lost["name"]:
            source[key] = lost
            return True
    return any(_define(part, lost) for part in parts(source))


MISSING = [
    Missing(kind, record["name"], field["name"])
    for kind in Kind
    for record in records(apache.source_of(kind, newest(kind)))
    for field in record["fields"]
    if "default" in field
]


def read_all(source: Json, kind: Kind, value: bytes) -> list[object]:
    """Read a value of an older schema into today's types."""
    whole = parse(source)
    if kind in OTHERS:
        return [reader(whole, OTHERS[kind])(value, 0, MAX_ITEMS)[0]]
    first = whole.fields[0].type
    command, behind, left = reader(first, Command)(value, 0, MAX_ITEMS)
    read = reader(Record(whole.name, whole.fields[1:]), BODIES[kind])
    body, _, _ = read(value, behind, left)
    return [command, body]


@pytest.mark.parametrize("missing", MISSING, ids=str)
def test_a_field_that_an_older_record_lacks_has_the_same_default_everywhere(
    missing: Missing,
) -> None:
    newer, older = apache.source_of(missing.kind, newest(missing.kind)), missing.schema()
    sample = encode(SAMPLES[missing.kind])[HEAD:]
    written = apache.write(apache.read(sample, newer, older), older)
    theirs = apache.read(apache.write(apache.read(written, older, newer), newer), newer)
    ours = read_all(older, missing.kind, written)
    assert list(leaves(ours)) == list(leaves(theirs))


EXTRA = {
    "string": ("string", "gone"),
    "number or nothing": (["null", "long"], 5),
    "list": ({"type": "array", "items": "double"}, [1.0, 2.0]),
    "record": (
        {"type": "record", "name": "Gone", "fields": [{"name": "a", "type": "boolean"}]},
        {"a": True},
    ),
}


@pytest.mark.parametrize(("kind_of_field", "value"), EXTRA.values(), ids=EXTRA)
def test_a_field_that_is_gone_is_passed_over(kind_of_field: Json, value: object) -> None:
    event = SAMPLES[Kind.FLEET_REPORT]
    newer: Json = apache.source_of(Kind.FLEET_REPORT, 1)
    older = copy.deepcopy(newer)
    older["fields"].insert(3, {"name": "gone", "type": kind_of_field})
    datum: Json = apache.read(encode(event)[HEAD:], newer)
    written = apache.write(datum | {"gone": value}, older)
    assert read_all(older, Kind.FLEET_REPORT, written) == [event]
