"""A pytest fixture: `modelwire_models` makes stand-ins and closes them when the test ends."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest


@pytest.fixture
def modelwire_models() -> Iterator[Callable[..., Any]]:
    """Return `modelwire.testing.models`; what it makes is closed after the test."""
    # Imported here, so that suites which do not use it do not wait for numpy.
    from modelwire.testing.stand_in import StandIn, models

    with ExitStack() as stack:

        def make(*args: Any, **kwargs: Any) -> StandIn:  # noqa: ANN401 - as `models` takes them
            return stack.enter_context(models(*args, **kwargs))

        yield make
