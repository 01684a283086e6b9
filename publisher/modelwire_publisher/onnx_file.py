"""What an ONNX file says of itself without being loaded: metadata, large weights, outside data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from modelwire_publisher.protobuf import BYTES, Data, Field, fields

GRAPH, METADATA = 7, 14
INITIALIZER = 5
NAME, RAW, EXTERNAL, LOCATION, DTYPE = 8, 9, 13, 14, 2
FLOATS = frozenset({1, 11})
"""float32 and float64: what the runtime uses where it lies, while it copies other types."""

LARGE = 64 * 1024
"""Bytes from which a weight is worth a mapping of its own; a process has some 65,000 of them."""

INSIDE: Mapping[str, Mapping[int, str]] = {
    "model": {GRAPH: "graph", 25: "function"},
    "graph": {1: "node", INITIALIZER: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "function": {7: "node", 11: "attribute"},
}
"""Which fields of a message hold messages in which a tensor may lie."""


@dataclass(frozen=True, slots=True)
class Weight:
    """A large weight of the main graph: its whole field, and the bytes of its values."""

    whole: Field
    raw: Field


@dataclass(frozen=True, slots=True)
class Outside:
    """A tensor whose values lie in another file."""

    tensor: str
    location: str


@dataclass(slots=True)
class OnnxFile:
    """What was seen. `graph` is where the main graph lies."""

    graph: Field | None = None
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    weights: list[Weight] = field(default_factory=list[Weight])
    outside: list[Outside] = field(default_factory=list[Outside])


def look(data: Data) -> OnnxFile:
    """Return what an ONNX file says of itself; raises ValueError where the bytes are none."""
    seen = OnnxFile()
    waiting = [("model", Field(0, BYTES, 0, 0, len(data), 0))]
    while waiting:
        kind, message = waiting.pop()
        inside = INSIDE[kind]
        for part in fields(data, message.begin, message.end):
            below = inside.get(part.number) if part.kind == BYTES else None
            if below == "tensor":
                _tensor(data, part, message, seen)
            elif below is not None:
                waiting.append((below, part))
            if kind == "model":
                _of_model(data, part, seen)
    return seen


def _of_model(data: Data, part: Field, seen: OnnxFile) -> None:
    if part.number == GRAPH:
        if seen.graph is not None:
            raise ValueError("it has two graphs")
        seen.graph = part
    elif part.number == METADATA and part.kind == BYTES:
        key, value = _pair(data, part)
        seen.metadata[key] = value


def _tensor(data: Data, whole: Field, parent: Field, seen: OnnxFile) -> None:
    parts = list(fields(data, whole.begin, whole.end))
    last = {part.number: part for part in parts}
    found = (_location(data, part) for part in parts if part.number == EXTERNAL)
    locations = [location for location in found if location is not None]
    if locations or (LOCATION in last and last[LOCATION].value == 1):
        name = _text(data, last[NAME]) if NAME in last else ""
        seen.outside += [Outside(name, location) for location in locations or [""]]
    elif parent == seen.graph and {DTYPE, RAW} <= last.keys() and _worth_it(last[DTYPE], last[RAW]):
        seen.weights.append(Weight(whole, last[RAW]))


def _worth_it(dtype: Field, raw: Field) -> bool:
    return dtype.value in FLOATS and raw.end - raw.begin >= LARGE


def _location(data: Data, part: Field) -> str | None:
    key, value = _pair(data, part)
    return value if key == "location" else None


def _pair(data: Data, pair: Field) -> tuple[str, str]:
    found = {part.number: _text(data, part) for part in fields(data, pair.begin, pair.end)}
    return found.get(1, ""), found.get(2, "")


def _text(data: Data, part: Field) -> str:
    return data[part.begin : part.end].decode("utf-8", "replace")
