"""The thread that reads the control log and keeps the folded state fresh."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from modelwire.clock import Clock
from modelwire.control.fold import fold
from modelwire.control.horizon import MARGIN, Reading, horizon
from modelwire.control.reading import control_place, read_entries
from modelwire.control.snapshots import beginning
from modelwire.control.state import State
from modelwire_log.contract import START, Log
from modelwire_schemas.errors import ModelwireError, TooNew, Unavailable

logger = logging.getLogger("modelwire.control")

POLL = 0.1
"""Seconds between two questions for the log's end, at most."""

STALE_AFTER_NS = 2_000_000_000
"""Without an answer from the log for so long, a consumer says that it is stale."""

CALL_TIMEOUT = 1.5
"""Seconds that one call to the log may take before it counts as unanswered."""


@dataclass(frozen=True, slots=True)
class Control:
    """What a consumer knows of the control log: the fold, and how far it is settled.

    `horizon` in ms. `reading` reads the log's clock, None before the first receipt. `stale_since`
    (ms, wall clock) is 0 while the log answers; `error` says why it is stale.
    """

    state: State
    horizon: int
    reading: Reading | None = None
    stale_since: int = 0
    error: ModelwireError | None = None


class Follower:
    """Reads the control log in a thread of its own and tells `on_change` of every new Control.

    `on_change` runs in that thread and must be quick; it gets a Control with a higher horizon
    every 100 ms, and one with a new state within milliseconds of an append. `trouble` is why the
    last question was not answered, if it was not.
    """

    def __init__(
        self,
        log: Log,
        namespace: str,
        on_change: Callable[[Control], None],
        *,
        clock: Clock,
        kept: Callable[[], State | None] = lambda: None,
        margin: int = MARGIN,
    ) -> None:
        self.control = Control(State(), State().earliest)
        self.trouble: ModelwireError | None = None
        self._folded = State()
        self._kept = kept
        self._log = log
        self._namespace = namespace
        self._place = control_place(namespace)
        self._on_change = on_change
        self._clock = clock
        self._margin = margin
        self._reading: Reading | None = None
        self._answered_ns = clock.monotonic_ns()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="modelwire-follower", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Stop reading; waits up to `timeout` seconds for the thread to end."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def note(self, reading: Reading) -> None:
        """Take the log's clock from a receipt."""
        self._reading = reading

    def _run(self) -> None:
        while not self._stop.is_set():
            if self.step():
                self._stop.wait(POLL)

    def step(self) -> ModelwireError | None:
        """Advance and wait for news; return why the log did not answer, None if it did."""
        try:
            self.advance()
            self._log.wait(self._place, self._folded.offset, POLL)
        except ModelwireError as error:
            trouble = error
        except Exception as error:
            logger.exception("the follower goes on after a fault of its own")
            trouble = Unavailable("E_INTERNAL", f"{type(error).__name__}: {error}")
        else:
            return None
        self._unanswered(trouble)
        return trouble

    def advance(self) -> None:
        """Read up to the log's end as it is now, and set the horizon by when that was asked (R9).

        Raises Unavailable while the log is away, TooNew at a record that needs a newer modelwire.
        """
        reading = self._reading
        sent_ns = self._clock.monotonic_ns()
        end = self._log.end(self._place, timeout=CALL_TIMEOUT)
        state = self._fold_up_to(end)
        if self._stop.is_set():
            return  # perhaps half-way, and a horizon needs the whole
        sent = reading.log_time(sent_ns) if reading else None
        self._answered_ns = sent_ns
        self.trouble = None
        self._tell(Control(state, horizon(state, sent, self._margin), reading))

    def _fold_up_to(self, end: int) -> State:
        if self._folded.offset == START:
            self._folded = beginning(self._log, self._namespace, end, timeout=CALL_TIMEOUT)
        while self._folded.offset < end and not self._stop.is_set():
            entries = read_entries(
                self._log, self._namespace, self._folded.offset, timeout=CALL_TIMEOUT
            )
            if not entries:
                break
            self._folded, verdicts = fold(self._folded, entries)
            for verdict in verdicts:
                if not verdict.accepted:
                    logger.info("control@%d: %s %s", verdict.offset, verdict.code, verdict.detail)
        return self._folded

    def _tell(self, control: Control) -> None:
        before = self.control
        newest = max(control.horizon, before.horizon)
        self.control = replace(control, horizon=newest)
        if before.stale_since and not self.control.stale_since:
            logger.info("the control log answers again")
        self._on_change(self.control)

    def _unanswered(self, error: ModelwireError) -> None:
        self.trouble = error
        silent = self._clock.monotonic_ns() - self._answered_ns
        if not isinstance(error, TooNew) and silent < STALE_AFTER_NS:
            return
        if not self.control.stale_since:
            logger.warning("stale: %s", error)
        since = self.control.stale_since or self._clock.now()
        state = max(self.control.state, self._folded, key=lambda s: s.offset)
        if state.offset < 0:
            # Never read in this life: what the cache kept of an earlier one is better than nothing.
            # It is not folded on: the log that comes back is read from its beginning.
            state = self._kept() or state
        self._tell(Control(state, state.earliest, self.control.reading, since, error))
