"""A world of one's own for the tests of the SDK."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import World, world_on


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Return a world on a log file."""
    with world_on(f"sqlite:///{tmp_path}/log.db", tmp_path) as made:
        yield made
