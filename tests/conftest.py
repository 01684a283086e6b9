"""What every test may ask for: a real Kafka, and how long to go on."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.system.broker import Broker

# How busy the machine is decides no test.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="ten times as many random schedules")


@pytest.fixture(scope="session")
def soak(pytestconfig: pytest.Config) -> bool:
    """Tell whether this is the long run."""
    return bool(pytestconfig.getoption("--soak"))


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that the whole run shares: use topics of your own and leave it running.

    It has a SASL_SSL listener, too (`kafka_broker.door`). Without Java or the jars the test
    fails and says what to do. A test that stops or kills a broker makes its own `Broker`.
    """
    with Broker(tmp_path_factory.mktemp("kafka"), secure=True) as broker:
        yield broker
