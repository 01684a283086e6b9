"""Documents that the state no longer holds, for events below its floor (R20)."""

import threading
from collections.abc import Sequence

from modelwire.control.history import documents, in_force_then
from modelwire.control.reading import read_past
from modelwire.control.state import Accepted
from modelwire_log.contract import Log


class Past:
    """Reads a route's whole history when an event is too old for the state; once a revision."""

    def __init__(self, log: Log, namespace: str) -> None:
        self._log = log
        self._namespace = namespace
        self._known: dict[str, tuple[int, list[Accepted]]] = {}
        self._lock = threading.Lock()

    def in_force(self, route: str, revision: int, ts: int, bt: int, offset: int) -> Accepted | None:
        """Return the document in force under control offset `offset`; reads the log if need be.

        `revision` is the route's newest one, so that what was read is read once.
        """
        return in_force_then(self.documents(route, revision, offset), ts, bt, offset)

    def documents(self, route: str, revision: int, offset: int) -> Sequence[Accepted]:
        """Return every document of a route up to `revision`, which lies at or before `offset`."""
        with self._lock:
            newest, accepted = self._known.get(route, (-1, []))
            if newest != revision:
                past = read_past(self._log, self._namespace, last=offset)
                accepted = documents(past, route)
                self._known[route] = (revision, accepted)
        return accepted
