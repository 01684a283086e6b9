"""A rollout that has just begun, what serves its route, and controllers beside it."""

import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from modelwire.control.reading import control_place
from modelwire.models import Models
from modelwire_log.contract import Log, Message, Receipt
from modelwire_log.open import open_log
from modelwire_router.controller import Controller
from modelwire_router.fleet import newest_reports
from modelwire_router.rollout.machine import begin
from modelwire_router.rollout.plan import Plan, Step
from modelwire_schemas.routing import Split
from tests.processes import Running, modelwire, python, running, say
from tests.world import READY_S, ROUTE, World, world_on

ROLLOUT = "r1"


def canary(*steps: Step) -> Plan:
    """Return a plan from version 1 to version 2."""
    return Plan(ROUTE, ROUTE, "1", "2", "canary", Split(salt=ROUTE), steps)


@contextmanager
def begun(
    url: str, folder: Path, plan: Plan, namespace: str = "prod"
) -> Generator[tuple[World, Models]]:
    """Give a world in which a rollout has just begun, and an application that serves it."""
    folder.mkdir(exist_ok=True)
    with world_on(url, folder, namespace) as world:
        world.release("1", "2")
        world.flip("1")
        with world.connect() as models:
            models.route(ROUTE).wait_until_ready(READY_S)
            state = world.state()
            world.send(begin(plan, state.routes[ROUTE], ROLLOUT, state.now))
            yield world, models


@contextmanager
def controlled(world: World) -> Generator[Running]:
    """Run a controller of its own."""
    words = ("--log", world.url, "--namespace", world.namespace, "controller", "--every", "0.05")
    with running(*modelwire(*words)) as controller:
        yield controller


@contextmanager
def held(world: World) -> Generator[Running]:
    """Run a controller that says `decided` before each of its changes, and waits for a line."""
    with running(*python(hold, world.url, world.namespace)) as controller:
        yield controller


def hold(url: str, namespace: str) -> None:
    """Be that controller."""
    log = cast("Log", Held(open_log(url, make=False), control_place(namespace).stream))
    Controller(log, namespace, every=0.05).run()


class Held:
    """A log that takes what goes to a stream when it is told to."""

    def __init__(self, log: Log, stream: str) -> None:
        self._log = log
        self._stream = stream

    def append(self, stream: str, message: Message, *, timeout: float = 30.0) -> Receipt:
        if stream == self._stream:
            say("decided")
            sys.stdin.readline()
        return self._log.append(stream, message, timeout=timeout)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - all else is the log's own
        return getattr(self._log, name)


def stop(controller: Running) -> None:
    """Stop a process where it is, as a suspended machine does."""
    controller.send(signal.SIGSTOP)
    os.waitid(os.P_PID, controller.process.pid, os.WSTOPPED)


def go_on(controller: Running) -> None:
    """Let a stopped process go on."""
    controller.send(signal.SIGCONT)


def log_time(world: World) -> int:
    """Return the log's time (ms) as the newest report tells it."""
    return max((heard for _, heard in newest_reports(world.log, world.namespace)), default=0)


def passed(world: World, time: int) -> bool:
    """Whether the log's time (ms) is past a time."""
    return log_time(world) > time


def read_up_to(world: World, offset: int, name: str = "") -> bool:
    """Whether a controller says that it has read so far, and is past what it had decided before."""
    reports = [report for report, _ in newest_reports(world.log, world.namespace)]
    return any(
        r.offset >= offset and r.application == "controller" and name in r.instance for r in reports
    )
