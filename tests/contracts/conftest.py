"""The keepers of a log that one body of tests is run over."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from modelwire_log.contract import Log
from modelwire_log.open import open_log
from tests.system.broker import Broker


@dataclass(slots=True)
class Keeper:
    """A log under test, which may be opened several times, and names that nobody else uses."""

    url: str
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    _opened: list[Log] = field(default_factory=list[Log])

    def open(self) -> Log:
        """Return the log, opened once more; it is closed after the test."""
        log = open_log(self.url, kafka=self.settings)
        self._opened.append(log)
        return log

    def stream(self, partitions: int = 1) -> str:
        """Make a stream and return its name."""
        name = unused("stream")
        self.open().create(name, partitions)
        return name

    def close(self) -> None:
        for log in self._opened:
            log.close()


def unused(kind: str) -> str:
    """Return a name that nobody has."""
    return f"{kind}-{uuid.uuid4().hex[:12]}"


def memory(request: pytest.FixtureRequest) -> Keeper:
    return Keeper(f"memory:{request.node.nodeid}")


def sqlite(request: pytest.FixtureRequest) -> Keeper:
    folder: Path = request.getfixturevalue("tmp_path")
    return Keeper(f"sqlite:///{folder}/log.db")


def kafka(request: pytest.FixtureRequest) -> Keeper:
    broker: Broker = request.getfixturevalue("kafka_broker")
    return Keeper(broker.url)


@pytest.fixture(params=[memory, sqlite, pytest.param(kafka, marks=pytest.mark.system)])
def keeper(request: pytest.FixtureRequest) -> Iterator[Keeper]:
    """A keeper of each kind in turn."""
    make: Callable[[pytest.FixtureRequest], Keeper] = request.param
    made = make(request)
    yield made
    made.close()


@pytest.fixture
def log(keeper: Keeper) -> Log:
    """Open the log of the keeper."""
    return keeper.open()
