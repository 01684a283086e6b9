"""The pytest fixture that comes with the package."""

from collections.abc import Callable

from modelwire.testing import StandIn


def test_the_fixture_gives_an_sdk_of_functions(modelwire_models: Callable[..., StandIn]) -> None:
    models = modelwire_models({"flights-late": {"1": lambda flight: flight["dep_delay"] / 100}})
    assert models.route("flights-late").predict({"dep_delay": 50}).value == 0.5
