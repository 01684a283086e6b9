"""A cache for every test, and one prober for those of a module."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from modelwire.loading.cache import Cache
from modelwire.loading.probe import Prober
from tests.consumer_sdk.loading.probing import helpers_of


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture(scope="module")
def others() -> set[psutil.Process]:
    """Return the helpers of whoever probes in this process beside these tests."""
    return set(helpers_of(os.getpid()))


@pytest.fixture(scope="module")
def prober(others: set[psutil.Process]) -> Iterator[Prober]:
    del others  # they are counted first
    with closing(Prober()) as made:
        made.start()
        yield made
