"""The thread that tells what this process measured: windows that changed, every two seconds."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from modelwire.reporting.recorder import Changed, Recorder
from modelwire_log.contract import Log, Place
from modelwire_log.envelope import seal
from modelwire_log.whole import places
from modelwire_schemas.errors import ModelwireError
from modelwire_schemas.names import topic
from modelwire_schemas.telemetry import Outcome, Sketch, Telemetry, Window

logger = logging.getLogger("modelwire.reporting")

EVERY = 2.0
"""Seconds between two reports while something changes."""

TIMEOUT = 2.0
"""Seconds that one report may take."""

ITEMS = 10_000
"""Bins of one report, so that it stays far below what may travel."""

KEPT_MS = 7 * 86_400_000
"""How long telemetry is kept (ms) where the log does not see to that by itself."""

TRIM_S = 600.0
"""Seconds between two looks at what is too old."""


class TelemetryReporter:
    """Appends what `recorder` counted, once `collect` has noted the rest.

    Whatever fails here is logged, and disturbs nobody.
    """

    def __init__(
        self,
        log: Log,
        namespace: str,
        recorder: Recorder,
        told: Callable[[Sequence[Window]], Telemetry],
        collect: Callable[[], None] = lambda: None,
    ) -> None:
        self._log = log
        self._stream = topic(namespace, "telemetry")
        self._recorder = recorder
        self._told = told
        self._collect = collect
        self._stop = threading.Event()
        self._failing = False
        self._trimmed: dict[Place, int] = {}
        self._trimmed_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="modelwire-telemetry", daemon=True)

    def start(self) -> None:
        """Begin to report."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Tell what is left, and stop; waits up to `timeout` seconds."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            self.report()
        self.report()

    def report(self) -> None:
        """Tell what changed; raises nothing, and tells the next time what failed now."""
        try:
            self._collect()
            for part in parts(self._recorder.changed()):
                self._append(part)
            self._trim()
        except Exception as error:  # whatever is wrong with telemetry, scoring goes on
            if not self._failing:
                known = isinstance(error, ModelwireError)
                logger.warning("cannot report telemetry: %s", error, exc_info=not known)
            self._failing = True
            self._recorder.tell(())
        else:
            self._failing = False

    def _append(self, changed: Sequence[Changed]) -> None:
        telemetry = self._told([one.window for one in changed])
        message = seal(telemetry, source="modelwire", time=time.time_ns() // 1_000_000)
        self._log.append(self._stream, message, timeout=TIMEOUT)
        self._recorder.tell(changed)

    def _trim(self) -> None:
        """Drop what is too old; Kafka does so by itself."""
        if not self._log.capabilities.makes_streams:
            return
        if time.monotonic() - self._trimmed_s < TRIM_S:
            return
        self._trimmed_s = time.monotonic()
        trim(self._log, self._stream, time.time_ns() // 1_000_000 - KEPT_MS, self._trimmed)


def trim(log: Log, stream: str, before: int, trimmed: dict[Place, int]) -> None:
    """Delete a stream's records from before a time (ms); `trimmed` says up to where it was done."""
    for place in places(log, stream):
        first, last = trimmed.get(place, -1) + 1, log.offset_at(place, before) - 1
        if first <= last:
            log.delete(place, first, last)
            trimmed[place] = last


def parts(changed: Sequence[Changed]) -> Iterator[list[Changed]]:
    """Yield windows by route, as many together as one record may hold."""
    by_route: dict[str, list[Changed]] = {}
    for one in changed:
        by_route.setdefault(one.key.route, []).append(one)
    for found in by_route.values():
        part, held = list[Changed](), 0
        for one in found:
            items = _items(one.window)
            if part and held + items > ITEMS:
                yield part
                part, held = [], 0
            part.append(one)
            held += items
        yield part


def _items(window: Window) -> int:
    sketches: list[Sketch] = [window.latency]
    sketches += [output.sketch for output in (*window.outputs, *window.inputs)]
    for pair in window.pairs:
        sketches += [pair.difference, pair.live, pair.shadow]
    labels = sum(_labels(outcome) for outcome in window.outcomes)
    return 10 + len(window.errors) + labels + sum(1 + len(s.bins) for s in sketches)


def _labels(outcome: Outcome) -> int:
    return 1 + len(outcome.positives) + len(outcome.negatives)
