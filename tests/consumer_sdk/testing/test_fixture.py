"""The pytest fixture that comes with the package."""

from collections.abc import Callable, Mapping
from typing import Any

from modelwire.testing import StandIn


def as_a_share(flight: Mapping[str, Any]) -> float:
    return float(flight["dep_delay"] / 100)


def test_the_fixture_gives_an_sdk_of_functions(modelwire_models: Callable[..., StandIn]) -> None:
    models = modelwire_models({"flights-late": {"1": as_a_share}})
    assert models.route("flights-late").predict({"dep_delay": 50}).value == 0.5
