"""YAML that people write, read as plain data with places: no aliases, tags, doubled keys, floods.

Values are mappings with text as keys, lists, text, numbers, bools and null; a date is text.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any, TypeAlias, cast

from modelwire_publisher.staging import opened
from modelwire_schemas.errors import Fault, Rejected

MOST = 256 * 1024
"""Bytes of a file; one that people write has some hundred."""

DEEPEST = 32

PLAIN = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?", re.ASCII)
"""A number that looks like the number that it is."""

Steps: TypeAlias = tuple[str | int, ...]
"""The way to a part of a document: keys and positions."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where something stands, counted from 1; `text` is a value without quotes, as written."""

    line: int
    column: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """One document: what it says, where its values stand, and where their keys."""

    value: object
    values: Mapping[Steps, Spot]
    keys: Mapping[Steps, Spot]

    def at(self, steps: Steps) -> object:
        """Return the value at the end of a way that there is."""
        return reduce(_inside, steps, self.value)


def load_file(path: Path) -> object:
    """Return what a YAML file says; raises what `load` and opening a file raise."""
    return load(read_file(path), where=str(path))


def read_file(path: Path) -> bytes:
    """Return the bytes of a file; raises Rejected `E_TOO_BIG` and what opening one raises."""
    with opened(path) as file:
        _check_size(file.size, str(path))
        return path.read_bytes()


def load(content: bytes, *, where: str) -> object:
    """Return what the only document of a file says.

    Raises Rejected `E_YAML` with the line, `E_TOO_BIG`.
    """
    documents, faults = read(content, where)
    for fault in faults[:1]:
        place = f"{where}, line {fault.line}"
        raise Rejected(
            fault.code, fault.what, where=place, expected=fault.expected, todo=fault.todo
        )
    if len(documents) > 1:
        second = documents[1].values[()]
        raise Rejected(
            "E_YAML",
            "a second document begins",
            where=f"{where}, line {second.line}",
            expected="one document",
        )
    return documents[0].value if documents else None


def read(content: bytes, file: str) -> tuple[tuple[Document, ...], tuple[Fault, ...]]:
    """Return the documents of a file and all `E_YAML` that is wrong with them.

    A part that is wrong is null, or left out. Raises Rejected `E_TOO_BIG`.
    """
    import yaml

    _check_size(len(content), file)
    try:
        reader = _Reader(content.decode("utf-8-sig"), file)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return (), (_fault(file, Spot(line, 1), "the file is not text", "UTF-8"),)
    except yaml.reader.ReaderError as error:
        line = content.count(b"\n", 0, error.position) + 1
        return (), (_fault(file, Spot(line, 1), f"a control character, {error.character:#04x}"),)
    return reader.documents(), tuple(reader.faults)


def misread(document: Document, file: str) -> Iterator[tuple[Steps, Fault]]:
    """Yield what YAML reads as something else than it looks like: NO, on, 012, 1_000, 1:30."""
    for steps, spot in document.values.items():
        value = document.at(steps) if spot.text else None
        if isinstance(value, bool):
            other = f"{value}".lower()
            plain, what = spot.text == other, f"{spot.text} is read as {other}"
        elif isinstance(value, int | float):
            other = f"{value}"
            plain, what = bool(PLAIN.fullmatch(spot.text)), f"{spot.text} is read as {other}"
        else:
            continue
        if plain:
            continue
        expected = f'"{spot.text}" for text, or {other}'
        todo = "put it in quotes"
        yield steps, Fault(file, spot.line, spot.column, "E_YAML", what, expected, todo)


def _check_size(size: int, where: str) -> None:
    if size > MOST:
        raise Rejected(
            "E_TOO_BIG", f"the file has {size:,} bytes", where=where, expected=f"at most {MOST:,}"
        )


@dataclass(slots=True)
class _Places:
    values: dict[Steps, Spot] = field(default_factory=dict[Steps, Spot])
    keys: dict[Steps, Spot] = field(default_factory=dict[Steps, Spot])


class _Reader:
    """Builds values from the parser's events: nothing is ever repeated or made from a tag."""

    def __init__(self, text: str, file: str) -> None:
        import yaml

        self.faults: list[Fault] = []
        self._file = file
        self._yaml = yaml
        self._loader = yaml.SafeLoader(text)
        self._places = _Places()

    def documents(self) -> tuple[Document, ...]:
        """Read to the end, or to where the text is no YAML."""
        found: list[Document] = []
        try:
            self._next()
            while not self._loader.check_event(self._yaml.StreamEndEvent):
                self._next()
                self._places = _Places()
                value = self._value(())
                self._next()
                found.append(Document(value, self._places.values, self._places.keys))
        except self._yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            what = f"{error.problem or error.context}"
            self._wrong(_spot(mark), what, todo="indent with spaces" if "\\t" in what else "")
        return tuple(found)

    def _value(self, steps: Steps) -> object:
        event = self._next()
        spot = self._places.values[steps] = _spot(event.start_mark)
        if isinstance(event, self._yaml.AliasEvent):
            self._wrong(spot, "an alias (*) repeats a part", todo="write the part out")
            return None
        if event.tag not in (None, "!"):
            self._wrong(spot, f"a tag ({event.tag})", todo="leave it out")
        if isinstance(event, self._yaml.ScalarEvent):
            return self._scalar(event, steps)
        if len(steps) >= DEEPEST:
            raise self._too_deep(event)
        return self._list(steps) if self._is_list(event) else self._mapping(steps)

    def _list(self, steps: Steps) -> list[object]:
        items: list[object] = []
        while not self._loader.check_event(self._yaml.SequenceEndEvent):
            items.append(self._value((*steps, len(items))))
        self._next()
        return items

    def _mapping(self, steps: Steps) -> dict[str, object]:
        fields: dict[str, object] = {}
        while not self._loader.check_event(self._yaml.MappingEndEvent):
            key, spot = self._key()
            if key in fields:
                self._wrong(spot, f"key {key!r} stands twice", todo="keep one of them")
            if key is None or key in fields:
                self._value_aside(steps)
                continue
            self._places.keys[(*steps, key)] = spot
            fields[key] = self._value((*steps, key))
        self._next()
        return fields

    def _key(self) -> tuple[str | None, Spot]:
        event = self._next()
        spot = _spot(event.start_mark)
        if isinstance(event, self._yaml.AliasEvent):
            self._wrong(spot, "an alias (*) repeats a part", todo="write the part out")
            return None, spot
        if not isinstance(event, self._yaml.ScalarEvent):
            self._wrong(spot, "a key is a list or a mapping")
            self._skip()
            return None, spot
        if isinstance(self._made(event), str):
            return event.value, spot
        self._wrong(spot, f"key {event.value or 'null'} is no text", f'"{event.value}"')
        return event.value, spot

    def _scalar(self, event: Any, steps: Steps) -> object:  # noqa: ANN401 - yaml's own
        spot = self._places.values[steps]
        if event.style is None:
            self._places.values[steps] = Spot(spot.line, spot.column, event.value)
        try:
            return self._made(event)
        except (ValueError, OverflowError):
            self._wrong(spot, f"{event.value[:40]!r} is no number")
            return None

    def _made(self, event: Any) -> object:  # noqa: ANN401 - yaml's own
        """Return what a scalar stands for, by the rules of YAML 1.1."""
        node = self._yaml.ScalarNode
        loader: Any = self._loader
        tag: str = loader.resolve(node, event.value, event.implicit)
        if tag.rpartition(":")[2] not in {"null", "bool", "int", "float"}:
            return event.value
        return loader.construct_object(node(tag, event.value, event.start_mark, event.end_mark))

    def _value_aside(self, steps: Steps) -> None:
        """Read a value that belongs nowhere: only its faults count."""
        places, self._places = self._places, _Places()
        self._value((*steps, ""))
        self._places = places

    def _skip(self) -> None:
        """Read on to the end of the list or mapping that has just begun."""
        depth = 1
        while depth:
            event = self._next()
            if depth > DEEPEST:
                raise self._too_deep(event)
            depth += isinstance(event, self._yaml.CollectionStartEvent)
            depth -= isinstance(event, self._yaml.CollectionEndEvent)

    def _is_list(self, event: object) -> bool:
        return isinstance(event, self._yaml.SequenceStartEvent)

    def _next(self) -> Any:  # noqa: ANN401 - yaml's events have no common type
        loader: Any = self._loader
        return loader.get_event()

    def _too_deep(self, event: Any) -> Exception:  # noqa: ANN401 - yaml's own
        """Return what ends the reading: the parser gets slow on what goes deeper."""
        what = f"it is more than {DEEPEST} levels deep"
        return self._yaml.MarkedYAMLError(problem=what, problem_mark=event.start_mark)

    def _wrong(self, spot: Spot, what: str, expected: str = "plain YAML", todo: str = "") -> None:
        self.faults.append(_fault(self._file, spot, what, expected, todo))


def _inside(value: object, step: str | int) -> object:
    return cast("Any", value)[step]


def _spot(mark: Any) -> Spot:  # noqa: ANN401 - yaml's own
    return Spot(mark.line + 1, mark.column + 1) if mark is not None else Spot(1, 1)


def _fault(file: str, spot: Spot, what: str, expected: str = "plain YAML", todo: str = "") -> Fault:
    return Fault(file, spot.line, spot.column, "E_YAML", what, expected, todo)
