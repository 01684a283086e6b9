"""What `connect` gives: the models of a namespace, kept fresh beside the event path."""

import logging
import os
import threading
import time
import weakref
from types import TracebackType
from typing import Self

from modelwire.clock import Clock
from modelwire.config import Config
from modelwire.hooks import Hooks
from modelwire.runtime import Bring, Runtime
from modelwire.serving.live import Live
from modelwire.serving.past import Past
from modelwire.serving.route import Route
from modelwire_log.contract import Log
from modelwire_schemas.errors import NotReady
from modelwire_schemas.fleet import FleetReport
from modelwire_schemas.names import name as checked

logger = logging.getLogger("modelwire")

REVIVE_S = 30.0
"""Seconds that the first prediction in the child of a fork waits for sessions of its own."""


class Models:
    """The models of one namespace in this process. Thread-safe; use it as a context manager."""

    def __init__(
        self, config: Config, log: Log, *, clock: Clock, hooks: Hooks, bring: Bring | None = None
    ) -> None:
        self._config = config
        self._log = log
        self._clock = clock
        self._hooks = hooks
        self._bring = bring
        self._live = Live(clock)
        self._live.recorder.on = config.telemetry
        self._past = Past(log, config.namespace)
        self._routes: dict[str, Route] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._runtime: Runtime | None = self._started()
        _all.add(self)

    def route(self, name: str) -> Route:
        """Return a route; its versions are loaded from now on. Does not block.

        Raises Rejected `E_NAME` for what can be no route; one that has no document yet is fine.
        """
        with self._lock:
            route = self._routes.get(name)
            if route is None:
                route = self._routes[name] = Route(
                    checked("route", name), self._live, self._past, self._revive, self._why_not
                )
                opened = True
            else:
                opened = False
        if opened and self._runtime is not None:
            self._runtime.open_route(name)
        return route

    def status(self) -> FleetReport:
        """Return what this instance holds: versions by state, offset, freshness, errors."""
        return self._present().report()

    @property
    def log(self) -> Log:
        """The log that these models come from."""
        return self._log

    @property
    def live(self) -> Live:
        """The newest snapshot, for those who score streams."""
        return self._live

    @property
    def past(self) -> Past:
        """The documents below the state's floor, for those who score streams."""
        return self._past

    def close(self, timeout: float = 5.0) -> None:
        """Stop the threads and give everything back, within `timeout` seconds; idempotent."""
        with self._lock:
            runtime, self._runtime = self._runtime, None
            was_closed, self._closed = self._closed, True
        if not was_closed:
            if runtime is not None:
                runtime.stop(timeout)
            self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _present(self) -> Runtime:
        self._revive()
        if self._runtime is None:
            raise NotReady("E_CLOSED", "these models are closed", todo="connect again")
        return self._runtime

    def _why_not(self, route: str) -> str:
        return self._present().why_not(route)

    def _started(self) -> Runtime:
        runtime = Runtime(
            self._config, self._log, self._live, self._clock, self._hooks, self._bring
        )
        runtime.start()
        return runtime

    def _revive(self) -> None:
        """In the child of a fork, start anew: threads and sessions are the parent's."""
        if not self._is_inherited():
            return
        with self._lock:
            if self._is_inherited():
                logger.warning("forked: process %d opens sessions of its own", os.getpid())
                self._runtime = self._started()
                for name in self._routes:
                    self._runtime.open_route(name)
        deadline = time.monotonic() + REVIVE_S
        for route in self._routes.values():
            self._live.wait_for(route.is_ready, max(0.0, deadline - time.monotonic()))

    def _is_inherited(self) -> bool:
        return self._runtime is None and not self._closed

    def after_fork(self) -> None:
        """Leave everything that has threads to the parent; called in the child."""
        _inherited.append(self._runtime)
        self._lock = threading.Lock()
        self._runtime = None
        self._live.after_fork()


_all: "weakref.WeakSet[Models]" = weakref.WeakSet()
_inherited: list[Runtime | None] = []
"""What the parent made: dropping it in the child would end sessions that were never its own."""


def _after_fork() -> None:
    for models in list(_all):
        models.after_fork()


os.register_at_fork(after_in_child=_after_fork)
