"""A package shows what it means to show: all of it, and nothing else."""

import importlib
from types import ModuleType

import pytest

from tests.architecture.sources import PACKAGES, ROOT, imported, product


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
def test_a_package_tells_its_types(name: str, folder: str) -> None:
    assert (ROOT / folder / name / "py.typed").is_file()


def test_inside_nobody_imports_through_a_face() -> None:
    faces = {
        f"{name}.{word}"
        for name in PACKAGES
        for word in getattr(importlib.import_module(name), "__all__", ())
    }
    through = {
        source.path: sorted(imported(source.tree) & faces)
        for source in product()
        if not source.path.endswith("/__init__.py") and imported(source.tree) & faces
    }
    assert through == {}
