"""A server to ask, and something to ask it."""

from collections.abc import Iterator

import pytest

from tests.router.outside.servers import Server, send, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(send(200, b"{}")) as made:
        yield made
