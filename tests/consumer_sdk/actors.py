"""Processes that the tests of the SDK start beside themselves."""

import logging
import multiprocessing
import os
import signal
import sys
import threading
from importlib import import_module
from pathlib import Path

from modelwire.door import connect
from modelwire.loading.onnx import onnxruntime
from modelwire.models import Models
from modelwire_router.cli.main import run
from tests.processes import say
from tests.waiting import eventually
from tests.world import NAMESPACE, READY_S, ROUTE, event, world_on


def flip(url: str, count: str, *versions: str) -> None:
    """Flip a route through versions, `count` times."""
    with world_on(url, Path()) as world:
        for n in range(int(count)):
            world.flip(versions[n % len(versions)])
        say(world.state().routes[ROUTE].head.document.sole_version())


def by_os_fork(url: str, cache: str) -> None:
    """Ask in a bare child."""
    _log_to_stderr()
    models = _connected(url, cache)
    say("ready", _who(models))
    child = os.fork()
    if child == 0:
        _ask_twice(models)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    _parent_goes_on(models, status)


def by_multiprocessing_fork(url: str, cache: str) -> None:
    """Ask in a forked worker."""
    _in_a_worker(url, cache, daemon=False)


def by_a_daemonic_worker(url: str, cache: str) -> None:
    """Ask in a worker that may have no children of multiprocessing's own."""
    _in_a_worker(url, cache, daemon=True)


def by_multiprocessing_spawn(url: str, cache: str) -> None:
    """Ask in a worker that starts from nothing; there is no __main__ guard anywhere."""
    _log_to_stderr()
    models = _connected(url, cache)
    say("ready", _who(models))
    worker = multiprocessing.get_context("spawn").Process(
        target=_spawned, args=(url, cache), daemon=True
    )
    worker.start()
    worker.join()
    _parent_goes_on(models, worker.exitcode or 0)


def by_fork_under_prediction(url: str, cache: str) -> None:
    """Fork while threads of the parent predict."""
    _log_to_stderr()
    models = _connected(url, cache)
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            models.route(ROUTE).predict(event())
            models.route(ROUTE).predict_batch([event()] * 3)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    say("ready", _who(models))
    for _ in range(20):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    child = os.fork()
    if child == 0:
        _ask_twice(models)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    stop.set()
    for thread in threads:
        thread.join()
    _parent_goes_on(models, status)


def _in_a_worker(url: str, cache: str, *, daemon: bool) -> None:
    _log_to_stderr()
    models = _connected(url, cache)
    say("ready", _who(models))
    context = multiprocessing.get_context("fork")
    worker = context.Process(target=_ask_twice, args=(models,), daemon=daemon)
    worker.start()
    worker.join()
    _parent_goes_on(models, worker.exitcode or 0)


def _spawned(url: str, cache: str) -> None:
    _ask_twice(_connected(url, cache))


def _connected(url: str, cache: str) -> Models:
    models = connect(url, namespace=NAMESPACE, application="forking", cache=cache)
    models.route(ROUTE).wait_until_ready(READY_S)
    return models


def _who(models: Models) -> str:
    answer = models.route(ROUTE).predict(event(2.0))
    assert answer.outputs["late"] == 2.0
    return answer.version


def _ask_twice(models: Models) -> None:
    say("child", _who(models))
    eventually(lambda: _who(models) == "2", within=READY_S)
    say("child", _who(models))


def _parent_goes_on(models: Models, status: int) -> None:
    eventually(lambda: _who(models) == "2", within=READY_S)
    say("parent", _who(models))
    models.close()
    sys.exit(status)


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)


def nursery(*words: str) -> None:
    """Fork a process that runs a verb for every line that comes in, and say its process id.

    It has imported what a scorer needs, so that a child is at work in a fraction of a second.
    """
    for module in ("numpy", "modelwire.scoring.scorer", "modelwire_router.cli.score"):
        import_module(module)
    onnxruntime()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    say("ready")
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(0)
            os._exit(run(words))
        say(child)
