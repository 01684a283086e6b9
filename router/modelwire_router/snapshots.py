"""What a controller leaves for those who start: the folded state, now and then, on the log."""

import logging

from modelwire.control.snapshots import EVERY, cut, record_at, snapshot_place, usable
from modelwire.control.state import State
from modelwire_log.contract import Log
from modelwire_log.envelope import seal
from modelwire_schemas.errors import ModelwireError

logger = logging.getLogger("modelwire.controller")

TIMEOUT = 5.0
"""Seconds that one call to the log may take."""


class Snapshots:
    """Writes the state of a namespace whenever the newest snapshot lies far behind it."""

    def __init__(self, log: Log, namespace: str, source: str) -> None:
        self._log = log
        self._namespace = namespace
        self._source = source
        self._due = EVERY

    def keep(self, state: State) -> None:
        """Write a snapshot if one is due; without it readers fold more, so nothing is raised."""
        if state.offset < self._due:
            return
        try:
            self._due = self._newest(state.offset) + EVERY
            if state.offset >= self._due:
                self._due = state.offset + EVERY
                self._write(state)
        except ModelwireError as error:
            self._due = state.offset + EVERY
            logger.warning("no snapshot at control offset %d: %s", state.offset, error)

    def _newest(self, end: int) -> int:
        """Return the offset that the newest snapshot covers: another controller may write, too."""
        found = next(usable(self._log, self._namespace, end, timeout=TIMEOUT), None)
        return found[0].offset if found else 0

    def _write(self, state: State) -> None:
        record = record_at(self._log, self._namespace, state.offset, timeout=TIMEOUT)
        if record is None:
            return  # the log was put back; what was folded is not of it
        messages = [seal(chunk, source=self._source) for chunk in cut(state, record)]
        stream = snapshot_place(self._namespace).stream
        self._log.append_batch(stream, messages, timeout=TIMEOUT)
