"""A terminal for each test."""

from pathlib import Path

import pytest

from tests.router.cli.desk import Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a terminal with an empty log and no environment of ours."""
    for name in ("LOG", "NAMESPACE", "APPLICATION", "CACHE", "ROLE"):
        monkeypatch.delenv(f"MODELWIRE_{name}", raising=False)
    monkeypatch.setenv("MODELWIRE_CACHE", str(tmp_path / "cache"))
    return Desk(tmp_path)


@pytest.fixture
def route(desk: Desk) -> Desk:
    """Return a terminal with releases 1 and 2, and a route that gives 1 everything."""
    desk.publish("1", "2")
    desk.ok("flip", "flights-late", "1")
    return desk
