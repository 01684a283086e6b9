"""Files as events: rows of a CSV or JSON lines, numbers as numbers, empty cells as null."""

import csv
import gzip
import io
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

from modelwire_schemas.errors import NotFound, Rejected

UNREADABLE = (UnicodeDecodeError, csv.Error, EOFError, zlib.error, gzip.BadGzipFile)
"""What the bytes of a file may be: no text, no table, cut off, damaged."""


@dataclass(frozen=True, slots=True)
class Fed:
    """One event: JSON, key, time (ms)."""

    value: bytes
    key: bytes | None
    time: int | None


def read_events(
    path: Path, *, key_field: str = "", time_field: str = "", limit: int | None = None
) -> Iterator[Fed]:
    """Yield the events of a CSV or JSON-lines file, `.gz` as well.

    A cell that reads as a number is one, an empty one is null. Raises NotFound `E_NO_FILE`, and
    Rejected `E_DENIED`, or `E_ROW` with the line at fault.
    """
    for number, row in enumerate(islice(_rows(path), limit), 1):
        where = f"{path.name}, row {number}"
        yield Fed(
            orjson.dumps(row),
            _key(row, key_field, where) if key_field else None,
            _time(row, time_field, where) if time_field else None,
        )


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with _opened(path) as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        with gzip.open(raw) if packed else raw as content:
            text = io.TextIOWrapper(cast("Any", content), encoding="utf-8-sig", newline="")
            try:
                yield from _parsed(text, path)
            except UNREADABLE as error:
                raise Rejected(
                    "E_ROW",
                    f"the file cannot be read: {error}",
                    where=path.name,
                    expected="CSV or JSON lines as UTF-8, plain or gzipped",
                ) from None


def _opened(path: Path) -> BinaryIO:
    try:
        if path.is_file():
            return path.open("rb")
    except OSError as error:
        raise Rejected(
            "E_DENIED", f"the file may not be read: {error.strerror}", where=str(path)
        ) from None
    raise NotFound("E_NO_FILE", f"there is no file {path}", todo="look for it with ls")


def _parsed(text: io.TextIOWrapper, path: Path) -> Iterator[dict[str, Any]]:
    if ".csv" in path.suffixes:
        for cells in csv.DictReader(text):
            yield {name: _cell(cell) for name, cell in cells.items()}
        return
    for number, line in enumerate(text, 1):
        if not line.strip():
            continue
        try:
            row: object = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise Rejected(
                "E_ROW", f"no JSON: {error}", where=f"{path.name}, line {number}"
            ) from None
        if not isinstance(row, dict):
            raise Rejected(
                "E_ROW", "no object", where=f"{path.name}, line {number}", expected="JSON objects"
            )
        yield cast("dict[str, Any]", row)


def _cell(cell: str | None) -> str | int | float | None:
    if not cell:
        return None
    try:
        number = float(cell)
    except ValueError:
        return cell
    if not math.isfinite(number):  # JSON has no such numbers
        return cell
    return int(cell) if cell.lstrip("-").isdigit() else number


def _key(row: dict[str, Any], field: str, where: str) -> bytes | None:
    if field not in row:
        known = ", ".join(row) or "none"
        raise Rejected("E_ROW", f"no field {field}", where=where, expected=f"one of {known}")
    value = row[field]
    return None if value is None else str(value).encode()


def _time(row: dict[str, Any], field: str, where: str) -> int:
    value = row.get(field)
    if isinstance(value, int | float):
        return int(value)
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise Rejected(
            "E_ROW", f"{field} is {value!r}", where=where, expected="ISO 8601, or ms since 1970"
        ) from None
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(zoned.timestamp() * 1000)
