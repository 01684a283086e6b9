"""The three lines that embed the SDK: what they need, and why nothing may be ready."""

import logging
import signal
import time
from pathlib import Path

import pytest

import modelwire
from modelwire_publisher import publish
from modelwire_router.cli.main import run
from modelwire_router.demo.files import flights, model
from modelwire_router.feed import read_events
from modelwire_schemas.errors import NotReady, Rejected
from tests.world import NAMESPACE, READY_S, ROUTE, World, event


def test_three_lines_embed_a_released_model(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/flights.db"
    publish(model("v1"), model="flights-late", version="1", log=url, namespace="prod")
    assert run(["--log", url, "--namespace", "prod", "flip", "flights-late", "1"]) == 0
    import orjson

    flight = orjson.loads(next(read_events(flights())).value)
    with modelwire.connect(
        url, namespace="prod", application="delays", cache=tmp_path / "cache"
    ) as models:
        route = models.route("flights-late")
        route.wait_until_ready(timeout=30)
        answer = route.predict(flight, key="N14228")
    assert 0 < answer.value < 1
    assert (answer.version, answer.model, answer.reason) == ("1", "flights-late", "sole")


def test_the_environment_says_what_arguments_do_not(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("LOG", world.url),
        ("NAMESPACE", "elsewhere"),
        ("APPLICATION", "from-outside"),
        ("CACHE", str(tmp_path / "cache")),
    ):
        monkeypatch.setenv(f"MODELWIRE_{name}", value)
    with modelwire.connect(namespace="prod") as models:
        told = models.status()
    assert (told.namespace, told.application) == ("prod", "from-outside")
    assert (tmp_path / "cache").is_dir()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"log": "redis://localhost"}, "E_LOG_URL"),
        ({"log": "sqlite://"}, "E_LOG_URL"),
        ({"log": "kafka://user:hunter2@host:9092"}, "E_LOG_URL"),
        ({"log": "memory:", "namespace": "a/b"}, "E_NAME"),
        ({"log": "memory:", "application": "a\0b"}, "E_NAME"),
        ({"log": "memory:", "memory_policy": "greedy"}, "E_CONFIG"),
        ({}, "E_CONFIG"),
    ],
)
def test_what_can_never_work_is_refused_at_the_door(words: dict[str, str], code: str) -> None:
    with pytest.raises(Rejected, match=code) as caught:
        modelwire.connect(**words)  # type: ignore[arg-type]
    assert "hunter2" not in str(caught.value)


def test_the_package_logs_nothing_unless_asked_and_takes_no_signal() -> None:
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    with modelwire.connect("memory:quiet"):
        pass
    assert {number: signal.getsignal(number) for number in signal.valid_signals()} == before
    handlers = logging.getLogger("modelwire").handlers
    assert any(isinstance(handler, logging.NullHandler) for handler in handlers)


def test_a_log_that_is_away_is_why_a_route_is_not_ready(tmp_path: Path) -> None:
    began = time.monotonic()
    with modelwire.connect(f"sqlite:///{tmp_path}/no/such.db", cache=tmp_path / "c") as models:
        assert time.monotonic() - began < 5
        route = models.route(ROUTE)
        with pytest.raises(NotReady, match="E_LOG_UNAVAILABLE"):
            route.wait_until_ready(1.0)
        assert route.predict(event(), default=None) is None
    assert not (tmp_path / "no").exists()


def test_a_consumer_waits_for_a_log_and_makes_none(tmp_path: Path) -> None:
    path = tmp_path / "later.db"
    with modelwire.connect(
        f"sqlite:///{path}", namespace=NAMESPACE, cache=tmp_path / "c"
    ) as models:
        route = models.route(ROUTE)
        with pytest.raises(NotReady, match="there is no log file"):
            route.wait_until_ready(0.5)
        assert not path.exists()
        from tests.world import world_on

        with world_on(f"sqlite:///{path}", tmp_path) as world:
            world.release("1")
            world.flip("1")
        route.wait_until_ready(READY_S)
        assert route.predict(event()).version == "1"
