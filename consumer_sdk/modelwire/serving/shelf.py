"""The warm versions of a process; one that nobody borrows any more is closed aside."""

import gc
import logging
import queue
import threading
import weakref
from collections.abc import Mapping

from modelwire.loading.formats import Model
from modelwire.serving.servable import Servable
from modelwire_schemas.routing import ModelVersion

logger = logging.getLogger("modelwire.serving")

UNDER_WAY_S = 1.0
"""Seconds that a close waits for predictions that are under way."""


class Shelf:
    """Holds warm versions, and closes retired ones in a thread of its own.

    Borrowing is having a reference to a Servable: the event path takes no lock and counts
    nothing. The last reference that goes only puts the model in a queue here.
    """

    def __init__(self) -> None:
        self._warm: dict[ModelVersion, Servable] = {}
        self._retired: queue.SimpleQueue[Model | None] = queue.SimpleQueue()
        self._leaving: dict[int, weakref.ref[Servable]] = {}
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    @property
    def warm(self) -> Mapping[ModelVersion, Servable]:
        """The versions that are warm; a new mapping after every change."""
        return self._warm

    @property
    def leaving(self) -> int:
        """How many retired versions are still borrowed or not closed yet."""
        return len(self._leaving)

    def put(self, servable: Servable) -> None:
        """Hold one more version."""
        with self._lock:
            self._warm = {**self._warm, servable.version: servable}

    def drop(self, version: ModelVersion) -> None:
        """Retire a version: it is closed when its last borrower has gone."""
        with self._lock:
            servable = self._warm[version]
            self._warm = {v: s for v, s in self._warm.items() if v != version}
            self._start()
        self._retire(servable)

    def close(self, timeout: float) -> None:
        """Retire every version, and wait until they are closed: `timeout` seconds at most.

        What is borrowed longer than a prediction takes, as by an error that somebody keeps, is
        closed later, when it is let go.
        """
        for version in list(self._warm):
            self.drop(version)
        self._retired.put(None)
        if self._leaving:
            gc.collect()  # an error that somebody met may hold a version in a circle
        if self._thread is not None:
            self._thread.join(min(timeout, UNDER_WAY_S))

    def _retire(self, servable: Servable) -> None:
        model = servable.model
        mark = id(model)

        def last_has_gone(_: weakref.ref[Servable]) -> None:
            self._retired.put(model)

        self._leaving[mark] = weakref.ref(servable, last_has_gone)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="modelwire-shelf", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        closing = False
        while not (closing and not self._leaving):
            model = self._retired.get()
            if model is None:
                closing = True
            else:
                self._close(model)

    def _close(self, model: Model) -> None:
        try:
            model.close()
        except Exception:
            logger.exception("a retired model could not be closed")
        self._leaving.pop(id(model), None)
