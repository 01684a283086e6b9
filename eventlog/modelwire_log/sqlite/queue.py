"""Batches of several threads on their way into one transaction."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from modelwire_log.contract import Message, Receipt


@dataclass(slots=True, eq=False, repr=False)
class Request:
    """A batch that waits to be appended, then its receipts or why it was not."""

    stream: str
    messages: Sequence[Message]
    receipts: list[Receipt] = field(default_factory=list[Receipt])
    error: Exception | None = None
    done: bool = False


class Queue:
    """Gathers what is brought while somebody writes, for one of those who wait to write it all.

    So a thread alone is not held up, and many share one transaction.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew: after a fork, the parent's threads append what waits here."""
        self._news = threading.Condition()
        self._waiting: list[Request] = []
        self._writing = False

    @property
    def waiting(self) -> int:
        """How many batches wait for the next transaction."""
        return len(self._waiting)

    def line_up(self, request: Request, timeout: float) -> list[Request]:
        """Return the batches that the caller is to write; none if its own has been written.

        Raises TimeoutError when neither comes true within `timeout` s.
        """
        deadline = time.monotonic() + timeout
        with self._news:
            self._waiting.append(request)
            while self._writing and not request.done:
                if not self._news.wait(deadline - time.monotonic()):
                    return self._give_up(request)
            if request.done:
                return []
            self._writing = True
            mine, self._waiting = self._waiting, []
            return mine

    def finish(self, requests: Sequence[Request]) -> None:
        """Tell that these batches were written or have failed."""
        with self._news:
            for request in requests:
                request.done = True
            self._writing = False
            self._news.notify_all()

    def _give_up(self, request: Request) -> list[Request]:
        if request.done:
            return []
        if request in self._waiting:
            self._waiting.remove(request)
        raise TimeoutError
