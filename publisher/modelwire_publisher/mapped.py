"""A large model as a small graph and one file of weights, which hosts map and do not copy."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from modelwire_publisher.onnx_file import (
    EXTERNAL,
    GRAPH,
    INITIALIZER,
    LOCATION,
    RAW,
    OnnxFile,
    Weight,
)
from modelwire_publisher.protobuf import (
    Data,
    Field,
    fields,
    head,
    write_bytes,
    write_number,
)
from modelwire_publisher.staging import PIECE

WORTH = 8 * 1024 * 1024
"""Bytes of large weights from which on the form pays."""

PAGE = 4096
"""Each weight begins a page of its own."""

WEIGHTS = "model.weights"

Told = Callable[[int], None]


def pays(seen: OnnxFile) -> bool:
    """Tell whether a model has so many bytes of large weights that they should be mapped."""
    return weight_bytes(seen) >= WORTH


def weight_bytes(seen: OnnxFile) -> int:
    """Return how many bytes the large weights have together."""
    return sum(_size(weight) for weight in seen.weights)


def split(data: Data, seen: OnnxFile, source: Path, target: Path, told: Told) -> None:
    """Write the model `source` into the folder `target`: the graph `model.onnx`, and the weights.

    Only bytes move, by the kernel: no tensor is read. `told` hears of bytes of weights done.
    """
    if seen.graph is None:
        raise ValueError("it has no graph")
    weights = sorted(seen.weights, key=lambda weight: weight.whole.start)
    places = _places(weights)
    graph = _new_graph(data, seen.graph, weights, places)
    size = sum(_length(piece) for piece in graph)
    whole: list[Piece] = [
        (0, seen.graph.start),
        head(GRAPH, size),
        *graph,
        (seen.graph.end, len(data)),
    ]
    with source.open("rb") as reading, (target / "model.onnx").open("wb", 0) as writing:
        for piece in whole:
            if isinstance(piece, bytes):
                writing.write(piece)
            else:
                _copy(reading.fileno(), writing.fileno(), *piece, _unheard)
    with source.open("rb") as reading, (target / WEIGHTS).open("wb") as writing:
        for weight, place in zip(weights, places, strict=True):
            os.lseek(writing.fileno(), place, os.SEEK_SET)
            _copy(reading.fileno(), writing.fileno(), weight.raw.begin, weight.raw.end, told)


Piece = bytes | tuple[int, int]
"""Bytes of our own, or where they lie in the source."""


def _places(weights: Sequence[Weight]) -> list[int]:
    places: list[int] = []
    end = 0
    for weight in weights:
        places.append(end)
        end += -(-_size(weight) // PAGE) * PAGE
    return places


def _new_graph(
    data: Data, graph: Field, weights: Sequence[Weight], places: Sequence[int]
) -> list[Piece]:
    pieces: list[Piece] = []
    at = graph.begin
    for weight, place in zip(weights, places, strict=True):
        pieces += [(at, weight.whole.start), write_bytes(INITIALIZER, _moved(data, weight, place))]
        at = weight.whole.end
    return [*pieces, (at, graph.end)]


def _moved(data: Data, weight: Weight, place: int) -> bytes:
    kept = [
        data[part.start : part.end]
        for part in fields(data, weight.whole.begin, weight.whole.end)
        if part.number not in (RAW, LOCATION)
    ]
    told = {"location": WEIGHTS, "offset": str(place), "length": str(_size(weight))}
    pairs = [write_bytes(1, k.encode()) + write_bytes(2, v.encode()) for k, v in told.items()]
    named = [write_bytes(EXTERNAL, pair) for pair in pairs]
    return b"".join([*kept, *named, write_number(LOCATION, 1)])


def _size(weight: Weight) -> int:
    return weight.raw.end - weight.raw.begin


def _length(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]


def _copy(source: int, target: int, begin: int, end: int, told: Told) -> None:
    while begin < end:
        count = os.sendfile(target, source, begin, min(PIECE, end - begin))
        if not count:
            raise ValueError("the file became shorter")
        begin += count
        told(count)


def _unheard(count: int) -> None:
    """Tell nobody: the graph is small."""
