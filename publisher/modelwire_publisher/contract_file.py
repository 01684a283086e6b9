"""Which event fields feed which inputs, as people write it: contract.yaml, metadata, --fields.

inputs:
  carrier: {field: carrier}
  visib: {field: visib, nullable: true}
  features: [dep_delay, {field: distance, default: 0}]
outputs: [late]                       # may be left out: all outputs of the model
"""

import json
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from modelwire_publisher import plain_yaml
from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import Column

FORM = "inputs: {INPUT: {field: NAME, nullable: true, default: VALUE} or a list of such}"

MOST = 256 * 1024
"""Bytes of a contract in a model's metadata."""


@dataclass(frozen=True, slots=True)
class Feeding:
    """What somebody wrote: columns by input (`*`: the only input), outputs (none: all), where."""

    inputs: Mapping[str, tuple[Column, ...]]
    outputs: tuple[str, ...]
    where: str


ONLY = "*"
"""Stands for the model's only input."""


def from_fields(fields: Sequence[str]) -> Feeding:
    """Return that these fields are the columns of the only input, in this order."""
    wrong = [f for f in fields if not f or f != f.strip()]
    twice = [f for f in dict.fromkeys(fields) if fields.count(f) > 1]
    if wrong or twice or not fields:
        named = f"field {(wrong + twice)[0]!r}" if wrong or twice else "no field"
        what = "stands twice" if twice and not wrong else "is given"
        raise Rejected("E_CONTRACT", f"{named} {what}", where="fields", expected="names: a,b,c")
    return Feeding({ONLY: tuple(Column(field) for field in fields)}, (), "fields")


def from_file(path: Path) -> Feeding:
    """Return what contract.yaml says; raises Rejected with all that is wrong with it."""
    return _feeding(plain_yaml.load_file(path), str(path))


def from_metadata(text: str) -> Feeding:
    """Return what a model's own metadata says; raises Rejected with all that is wrong with it."""
    where = "the model's metadata modelwire.contract"
    if len(text) > MOST:
        raise Rejected("E_TOO_BIG", f"{len(text):,} characters", where=where, expected=f"{MOST:,}")
    try:
        said = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Rejected("E_CONTRACT", f"no JSON: {error}", where=where, expected=FORM) from None
    return _feeding(said, where)


def _feeding(said: object, where: str) -> Feeding:
    faults = list(_shape_faults(said))
    inputs: dict[str, tuple[Column, ...]] = {}
    outputs: tuple[str, ...] = ()
    if not faults:
        whole = cast("Mapping[str, object]", said)
        for name, columns in cast("Mapping[str, object]", whole["inputs"]).items():
            made, wrong = _columns(name, columns)
            inputs[name] = made
            faults += wrong
        wanted = whole.get("outputs", ())
        faults += _output_faults(wanted)
        outputs = tuple(cast("Sequence[str]", wanted)) if not faults else ()
    if faults:
        raise Rejected("E_CONTRACT", "; ".join(faults), where=where, expected=FORM)
    return Feeding(inputs, outputs, where)


def _shape_faults(said: object) -> Iterator[str]:
    if not isinstance(said, dict):
        yield f"it is {_kind(said)} and no mapping"
        return
    whole = cast("dict[object, object]", said)
    yield from (
        f"it has an unknown part {key!r}" for key in whole if key not in ("inputs", "outputs")
    )
    if not isinstance(whole.get("inputs"), dict):
        yield "its `inputs` are no mapping"


def _output_faults(wanted: object) -> Iterator[str]:
    if not isinstance(wanted, list | tuple):
        yield "its `outputs` are no list of names"
        return
    for name in cast("Sequence[object]", wanted):
        if not isinstance(name, str):
            yield f"output {name!r} is {_kind(name)}: put it in quotes"


def _columns(name: str, said: object) -> tuple[tuple[Column, ...], list[str]]:
    listed = cast("list[object]", said) if isinstance(said, list) else [said]
    faults = [] if listed else [f"input {name!r} has no field"]
    columns: list[Column] = []
    for one in listed:
        column = _column(one)
        if isinstance(column, str):
            faults.append(f"input {name!r}: {column}")
        else:
            columns.append(column)
    return tuple(columns), faults


def _column(said: object) -> Column | str:
    """Return a column, or what is wrong with it."""
    if isinstance(said, str) and said:
        return Column(said)
    if not isinstance(said, dict):
        return f"{reprlib.repr(said)} is {_kind(said)}, a field is text or a mapping"
    parts = cast("dict[object, object]", said)
    unknown = [key for key in parts if key not in ("field", "nullable", "default")]
    if unknown:
        return f"{unknown[0]!r} is no word for a field: use field, nullable, default"
    field, nullable = parts.get("field"), parts.get("nullable", False)
    default = parts.get("default")
    if not isinstance(field, str) or not field:
        return f"its field is {_kind(field)}, and should be text: put it in quotes"
    if not isinstance(nullable, bool):
        return f"nullable of {field!r} is {_kind(nullable)}, and should be true or false"
    if default is not None and not isinstance(default, str | int | float | bool):
        return f"the default of {field!r} is {_kind(default)}"
    return Column(field, nullable, default)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_number(word: str) -> object:
    raise ValueError(f"{word} is no number")


def _kind(value: object) -> str:
    names: dict[type, str] = {
        dict: "a mapping",
        list: "a list",
        str: "text",
        bool: "a bool",
        type(None): "nothing",
    }
    return names.get(type(value), f"{reprlib.repr(value)}, a {type(value).__name__}")
