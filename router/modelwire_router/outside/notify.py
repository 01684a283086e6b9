"""Tells webhooks what happened: in order, again until they hear it, and nobody waits for them."""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from modelwire.clock import Clock
from modelwire_router.outside.address import address
from modelwire_router.outside.webhook import body, post
from modelwire_router.outside.words import Notice
from modelwire_router.rollout.plan import Hook
from modelwire_schemas.errors import ModelwireError, Rejected

logger = logging.getLogger("modelwire.controller")

WAITS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0)
"""Seconds before each new try; after the last a notice is given up."""

ROOM = 100
"""Notices that wait for one webhook; the oldest makes room for the newest."""

SERVER_ERROR = 500

PASSING = frozenset({408, 425, 429})
"""Refusals that may be others a little later."""


@dataclass(slots=True)
class Line:
    """What one webhook is to hear; how often the oldest was tried again, and when next (ns)."""

    due: int
    letters: deque[tuple[Hook, Notice]] = field(default_factory=deque[tuple[Hook, Notice]])
    tries: int = 0
    complained: bool = False


class Notifier:
    """Posts notices by a thread of its own; a webhook that hangs keeps only its own waiting."""

    def __init__(
        self,
        clock: Clock,
        *,
        secret: bytes = b"",
        waits: Sequence[float] = WAITS,
        room: int = ROOM,
    ) -> None:
        self._clock = clock
        self._secret = secret
        self._waits = waits
        self._room = room
        self._changed = threading.Condition()
        self._lines: dict[str, Line] = {}
        self._dropped = 0
        self._closing = False
        self._thread: threading.Thread | None = None

    @property
    def dropped(self) -> int:
        """Notices that were given up."""
        with self._changed:
            return self._dropped

    def tell(self, hook: Hook, notice: Notice) -> None:
        """Have a notice sent; returns at once. After `close` it is dropped."""
        with self._changed:
            line = self._lines.setdefault(hook.url, Line(self._clock.monotonic_ns()))
            line.letters.append((hook, notice))
            if self._closing:
                self._drop(hook.url, "the controller has stopped")
                return
            if len(line.letters) > self._room:
                del line.letters[1]  # the first may be on its way
                self._complain(hook.url, line, 1, f"more than {self._room} notices wait for it")
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="modelwire-notifier", daemon=True
                )
                self._thread.start()
            self._changed.notify()

    def close(self, timeout: float) -> None:
        """Try once more what waits, for `timeout` seconds at most, and drop the rest."""
        with self._changed:
            self._closing = True
            self._changed.notify()
            thread = self._thread
        if thread:
            thread.join(timeout)
        with self._changed:
            for url in tuple(self._lines):
                self._drop(url, "the controller stops")

    def _run(self) -> None:
        while letter := self._next():
            hook, notice = letter
            failed, again = self._posted(hook, notice)
            with self._changed:
                self._settle(hook.url, failed, again=again)

    def _next(self) -> tuple[Hook, Notice] | None:
        """Return the letter whose turn it is, when it is; None at the end."""
        with self._changed:
            while self._lines or not self._closing:
                line = min(self._lines.values(), key=lambda line: line.due, default=None)
                rest = (line.due - self._clock.monotonic_ns()) / 1e9 if line else None
                if line and rest is not None and (rest <= 0 or self._closing):
                    return line.letters[0]
                self._changed.wait(rest)
        return None

    def _posted(self, hook: Hook, notice: Notice) -> tuple[str, bool]:
        """Return why a notice was not heard, if so, and whether another try may help."""
        more = {
            "id": notice.id,
            "at": notice.at,
            "text": notice.text,
            "findings": notice.findings,
        }
        try:
            reply = post(
                hook.url,
                body(notice.kind, notice, more),
                timeout=hook.timeout / 1000,
                secret=self._secret,
                now=self._clock.now(),
            )
        except Rejected as error:
            return str(error), False
        except ModelwireError as error:
            return str(error), True
        except Exception as error:  # whatever happens in there, others get their notices
            logger.exception("a notice of route %s failed", notice.route)
            return f"E_UNEXPECTED: {type(error).__name__}", False
        if reply.good:
            return "", False
        return reply.told, reply.status >= SERVER_ERROR or reply.status in PASSING

    def _settle(self, url: str, failed: str, *, again: bool) -> None:
        line = self._lines.get(url)
        if line is None:  # closed meanwhile
            return
        if failed and self._closing:
            self._drop(url, failed)
            return
        line.due = self._clock.monotonic_ns()
        if failed and again and line.tries < len(self._waits):
            line.due += int(self._waits[line.tries] * 1e9)
            line.tries += 1
            return
        line.letters.popleft()
        line.tries = 0
        if failed:
            self._complain(url, line, 1, failed)
        else:
            line.complained = False
        if not line.letters:
            del self._lines[url]

    def _drop(self, url: str, why: str) -> None:
        """Give up all that waits for a webhook."""
        line = self._lines.pop(url)
        self._complain(url, line, len(line.letters), why)

    def _complain(self, url: str, line: Line, count: int, why: str) -> None:
        """Count what is dropped, and say so once until the webhook hears again."""
        self._dropped += count
        if not line.complained:
            logger.warning("webhook %s is not told: %s", _shown(url), why)
        line.complained = True


def _shown(url: str) -> str:
    try:
        return address(url).place
    except Rejected:
        return "(no URL)"
