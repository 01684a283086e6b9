"""The thread that tells the fleet how this instance does, and reads the log's clock by it."""

import logging
import threading
from collections.abc import Callable
from enum import Enum

from modelwire.clock import Clock
from modelwire.control.horizon import Reading
from modelwire_log.contract import Log
from modelwire_log.envelope import seal
from modelwire_schemas.errors import ModelwireError
from modelwire_schemas.fleet import FleetReport
from modelwire_schemas.names import topic

logger = logging.getLogger("modelwire.reporting")

EVERY = 2.0
"""Seconds between two reports while nothing changes."""

GAP = 0.1
"""Seconds between two reports at least, so that a burst of changes becomes one report."""

TIMEOUT = 2.0
"""Seconds that one report may take."""


class Occasion(Enum):
    """Why a report is made: something changed, nothing did for a while, or it is the last."""

    NEWS = "news"
    ROUTINE = "routine"
    GOODBYE = "goodbye"


class Reporter:
    """Appends a FleetReport every two seconds, and soon after `wake`.

    Every receipt reads the log's clock, which the horizon needs (R9): `on_reading` gets it.
    """

    def __init__(
        self,
        log: Log,
        namespace: str,
        report: Callable[[Occasion], FleetReport],
        on_reading: Callable[[Reading], None],
        *,
        clock: Clock,
    ) -> None:
        self._log = log
        self._stream = topic(namespace, "fleet")
        self._report = report
        self._on_reading = on_reading
        self._clock = clock
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="modelwire-reporter", daemon=True)

    def start(self) -> None:
        """Begin to report."""
        self._thread.start()

    def wake(self) -> None:
        """Report soon: something changed that others should know."""
        self._wake.set()

    def stop(self, timeout: float) -> None:
        """Say goodbye and stop; waits up to `timeout` seconds."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        occasion = Occasion.NEWS
        while not self._stop.is_set():
            self._send(occasion)
            woken = self._wake.wait(EVERY - GAP)
            self._stop.wait(GAP)
            self._wake.clear()
            occasion = Occasion.NEWS if woken else Occasion.ROUTINE
        self._send(Occasion.GOODBYE)

    def _send(self, occasion: Occasion) -> None:
        try:
            message = seal(self._report(occasion), source="modelwire")
            receipt = self._log.append(self._stream, message, timeout=TIMEOUT)
        except ModelwireError as error:
            if not self._failing:
                logger.warning("cannot report to the fleet: %s", error)
            self._failing = True
            return
        self._failing = False
        self._on_reading(Reading(receipt.appended, self._clock.monotonic_ns()))
