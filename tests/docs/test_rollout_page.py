"""The page of rollout files has a row for every field, as the schema has it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelwire_router.rollout_file.schema import schema

PAGE = (Path(__file__).parents[2] / "docs/rollout-files.md").read_text(encoding="utf-8")
SCHEMA = schema()
PARTS = {name: part for name, part in SCHEMA["$defs"].items() if part.get("properties")}


def rows(part: dict[str, Any]) -> Iterator[str]:
    """Yield a part's rows of the table: field, what it takes, default, meaning."""
    for name, field in part["properties"].items():
        default = "**needed**" if name in part.get("required", ()) else _default(field)
        yield f"| `{name}` | {_taken(field)} | {default} | {_meaning(field)} |"


def _meaning(field: dict[str, Any]) -> str:
    """Return what is said of a field, or of what it takes where that is the same."""
    name = field.get("$ref", "").rpartition("/")[2]
    return str(field.get("description") or SCHEMA["$defs"][name]["description"])


def _default(field: dict[str, Any]) -> str:
    default = field.get("default")
    return "" if default in (None, [], {}) else f"`{f'{default}'.lower()}`"


def _taken(field: dict[str, Any]) -> str:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        words = SCHEMA["$defs"][name].get("enum")
        return _words(words) if words else _shown(name)
    if "const" in field or "enum" in field:
        return _words(field.get("enum", [field.get("const")]))
    if "items" in field:
        return f"list of {_taken(field['items'])}"
    if "oneOf" in field:
        return "Spec"
    return str(field.get("type", "text, number or bool"))


def _shown(name: str) -> str:
    return "Strategy" if name.endswith("Strategy") else name.removesuffix("Part")


def _words(words: list[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


@pytest.mark.parametrize("name", PARTS)
def test_every_field_has_its_row(name: str) -> None:
    assert [row for row in rows(PARTS[name]) if row not in PAGE] == []
