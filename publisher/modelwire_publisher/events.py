"""Events out of a file, CSV or JSON lines, to try a model on."""

import csv
import gzip
import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

from modelwire_publisher.staging import opened
from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import Contract

Event: TypeAlias = dict[str, object]

MOST_EVENTS = 10_000
"""How many events of a file are looked at."""

MOST_BYTES = 64 * 1024 * 1024
"""How many bytes of a file are looked at, unpacked."""

WORDS: Mapping[str, bool] = {"true": True, "false": False}


def read_events(path: Path, contract: Contract) -> list[Event]:
    """Return the first events of a file; an empty cell of a CSV is null.

    CSV has no types: a cell becomes what the contract wants of its field, and stays text where it
    cannot. A name that ends in `.gz` is unpacked. Raises Rejected `E_SAMPLE` with the line.
    """
    with opened(path):
        pass
    try:
        with _unpacked(path) as file:
            lines = _lines(file)
            first = next(lines, "")
            every = itertools.chain([first], lines)
            read = _json(every) if first.lstrip().startswith("{") else _csv(every, contract)
            events = list(itertools.islice(read, MOST_EVENTS))
    except (ValueError, csv.Error, OSError, EOFError) as error:
        raise Rejected(
            "E_SAMPLE", f"no events: {error}", where=str(path), expected="CSV, or JSON lines"
        ) from None
    return events


def _unpacked(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb"))


def _lines(file: BinaryIO) -> Iterator[str]:
    left = MOST_BYTES
    while left > 0:
        line = file.readline(left)
        left -= len(line)
        if not line or (not left and not line.endswith(b"\n")):
            return
        yield line.decode("utf-8-sig")


def _json(lines: Iterator[str]) -> Iterator[Event]:
    import orjson

    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            event = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise ValueError(f"line {number} is no JSON: {error}") from None
        if not isinstance(event, dict):
            raise ValueError(f"line {number} is no object")  # noqa: TRY004 - told as the others
        yield event


def _csv(lines: Iterator[str], contract: Contract) -> Iterator[Event]:
    typed = _types(contract)
    reader = csv.DictReader(lines, strict=True)
    for row in reader:
        if None in row or None in row.values():
            raise ValueError(f"line {reader.line_num} has another number of cells than the first")
        yield {name: _cell(text, typed.get(name, str)) for name, text in row.items()}


def _types(contract: Contract) -> dict[str, Callable[[str], object]]:
    dtypes = {tensor.name: tensor.dtype for tensor in contract.inputs}
    return {
        column.field: _maker(dtypes[feed.input])
        for feed in reversed(contract.feeds)
        for column in feed.columns
    }


def _maker(dtype: str) -> Callable[[str], object]:
    if dtype == "string":
        return str
    if dtype == "bool":
        return lambda text: WORDS[text.lower()]
    return int if "int" in dtype else float


def _cell(text: str, make: Callable[[str], object]) -> object:
    if not text:
        return None
    try:
        return make(text)
    except (ValueError, KeyError):
        return text
