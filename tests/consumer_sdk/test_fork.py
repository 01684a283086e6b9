"""Processes that come from one that has models: each has sessions of its own, and says so once."""

import signal
import socket
import sys
import urllib.request
from collections.abc import Callable

import pytest

from tests.consumer_sdk import actors
from tests.processes import python, running
from tests.waiting import eventually
from tests.world import World

pytestmark = pytest.mark.timeout(90)

WAYS: list[Callable[..., object]] = [
    actors.by_os_fork,
    actors.by_multiprocessing_fork,
    actors.by_multiprocessing_spawn,
    actors.by_a_daemonic_worker,
    actors.by_fork_under_prediction,
]


@pytest.mark.parametrize("way", WAYS)
def test_a_child_answers_with_sessions_of_its_own_and_the_parent_goes_on(
    world: World, way: Callable[..., object]
) -> None:
    world.release("1", "2")
    world.flip("1")
    with running(*python(way, world.url, world.folder / "cache")) as process:
        assert process.hear() == "ready 1"
        assert process.hear() == "child 1"
        world.flip("2")
        assert process.hear() == "child 2"
        assert process.hear() == "parent 2"
        code, _, errors = process.end()
    assert code == 0, errors
    warned = [line for line in errors.splitlines() if "forked" in line]
    spawned = way is actors.by_multiprocessing_spawn
    assert len(warned) == (0 if spawned else 1), errors
    assert "Traceback" not in errors


def test_workers_of_gunicorn_answer_from_models_that_were_loaded_before_the_fork(
    world: World,
) -> None:
    world.release("1", "2")
    world.flip("1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "--preload", "--no-control-socket"]
    command += [
        "--workers",
        "2",
        "--bind",
        f"127.0.0.1:{port}",
        "tests.consumer_sdk.web:application",
    ]
    words = {
        "MODELWIRE_LOG": world.url,
        "MODELWIRE_NAMESPACE": "prod",
        "MODELWIRE_CACHE": str(world.folder / "cache"),
    }
    with running(*command, **words) as server:
        seen: dict[str, str] = {}

        def both_say(version: str) -> bool:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
                    pid, said = answer.read().decode().split()
            except OSError:
                return False
            seen[pid] = said
            return list(seen.values()).count(version) == 2

        eventually(lambda: both_say("1"), within=40)
        world.flip("2")
        eventually(lambda: both_say("2"), within=20)
        server.send(signal.SIGTERM)
        code, _, errors = server.end()
    assert code == 0, errors
    assert len([line for line in errors.splitlines() if "forked" in line]) == 2, errors
