"""A pytest fixture: `modelwire_models` makes stand-ins and closes them when the test ends."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from modelwire.testing.stand_in import StandIn, models


@pytest.fixture
def modelwire_models() -> Iterator[Callable[..., StandIn]]:
    """Return `modelwire.testing.models`; what it makes is closed after the test."""
    with ExitStack() as stack:

        def make(*args: Any, **kwargs: Any) -> StandIn:  # noqa: ANN401 - as `models` takes them
            return stack.enter_context(models(*args, **kwargs))

        yield make
