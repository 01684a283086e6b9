"""Stand-ins for the tests of a route."""

from collections.abc import Iterator

import pytest

from modelwire.testing import StandIn, models
from tests.consumer_sdk.serving.standing import VERSIONS


@pytest.fixture
def made() -> Iterator[StandIn]:
    with models(VERSIONS) as standing:
        yield standing
