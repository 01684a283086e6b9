"""The project's own Python files, parsed once for the tests of its structure."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "modelwire_schemas": "schemas",
    "modelwire_log": "eventlog",
    "modelwire": "consumer_sdk",
    "modelwire_publisher": "publisher",
    "modelwire_router": "router",
}


@dataclass(frozen=True, slots=True)
class Source:
    """One file: its path from the root of the project, its text and its tree."""

    path: str
    text: str
    tree: ast.Module


@cache
def product() -> tuple[Source, ...]:
    """Return the modules of the five packages."""
    return tuple(
        source for package, folder in PACKAGES.items() for source in _under(f"{folder}/{package}")
    )


@cache
def suite() -> tuple[Source, ...]:
    """Return the files below tests/."""
    return _under("tests")


@cache
def scripts() -> tuple[Source, ...]:
    """Return benchmarks and examples."""
    return _under("benchmarks") + _under("examples")


def imported(tree: ast.Module) -> set[str]:
    """Return the full names that a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _under(folder: str) -> tuple[Source, ...]:
    files = sorted((ROOT / folder).rglob("*.py"))
    return tuple(_read(file) for file in files)


def _read(file: Path) -> Source:
    text = file.read_text(encoding="utf-8")
    return Source(file.relative_to(ROOT).as_posix(), text, ast.parse(text))
