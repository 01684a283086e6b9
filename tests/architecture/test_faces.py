"""A package shows what it means to show: all of it, and nothing else."""

import ast
import importlib
from types import ModuleType

import pytest

from tests.architecture.sources import PACKAGES, ROOT, Source, product


def shown(package: ModuleType) -> set[str]:
    return {
        name
        for name, value in vars(package).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }


@pytest.mark.parametrize("name", PACKAGES)
def test_a_face_is_complete(name: str) -> None:
    package = importlib.import_module(name)
    promised: list[str] = getattr(package, "__all__", [])
    missing = [word for word in promised if not hasattr(package, word)]
    assert missing == []
    assert shown(package) <= set(promised)
    assert len(promised) == len(set(promised))  # ruff keeps them sorted (RUF022)


@pytest.mark.parametrize(("name", "folder"), PACKAGES.items())
def test_no_module_takes_the_place_of_a_word_of_the_face(name: str, folder: str) -> None:
    promised: list[str] = getattr(importlib.import_module(name), "__all__", [])
    modules = {path.stem for path in (ROOT / folder / name).iterdir()}
    assert set(promised) & modules == set()


@pytest.mark.parametrize(("name", "folder"), PACKAGES.items())
def test_a_package_tells_its_types(name: str, folder: str) -> None:
    assert (ROOT / folder / name / "py.typed").is_file()


def through_a_face(source: Source) -> list[str]:
    return [
        f"{source.path}:{node.lineno} {node.module}.{alias.name}"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom) and node.module in PACKAGES
        for alias in node.names
        if alias.name in getattr(importlib.import_module(node.module), "__all__", ())
    ]


def test_inside_nobody_imports_through_a_face() -> None:
    inside = [source for source in product() if not source.path.endswith("/__init__.py")]
    assert [line for source in inside for line in through_a_face(source)] == []
