"""What the publisher's tests share: a warm probe, a desk to publish at, files to publish."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from modelwire.loading.probe import Prober
from modelwire_log.memory.log import MemoryLog
from tests.publisher.desk import Desk

Write: TypeAlias = Callable[..., Path]


@pytest.fixture(scope="session")
def prober() -> Iterator[Prober]:
    warm = Prober()
    yield warm
    warm.close()


@pytest.fixture
def desk(prober: Prober) -> Desk:
    return Desk(MemoryLog(), prober)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write bytes or text into a file of one's own."""

    def write(content: bytes | str, name: str = "model.onnx") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write
