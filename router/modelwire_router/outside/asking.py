"""Asks the world outside without keeping anybody waiting: a few threads, and answers to look at."""

import logging
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from modelwire.clock import Clock
from modelwire_router.outside import prometheus, webhook
from modelwire_router.outside.address import address
from modelwire_router.outside.words import Answer, Question, Source
from modelwire_router.rollout.plan import Hook, Prometheus, Webhook
from modelwire_schemas.errors import ModelwireError, Rejected

logger = logging.getLogger("modelwire.controller")

AT_ONCE = 8
"""Questions that are under way at a time; half of them to one server at most."""

TIMEOUT = 10.0
"""Seconds that a metric's value is waited for; a hook says its own."""

Key: TypeAlias = tuple[str, str, str]


class Asker:
    """Asks each question once, and never two at a time that differ in their slot only.

    `ask` and `forget` return at once. A question waits while too many are under way; the next slot
    takes its place. A server that hangs holds some of the threads, never all of them.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        secret: bytes = b"",
        at_once: int = AT_ONCE,
        timeout: float = TIMEOUT,
    ) -> None:
        self._clock = clock
        self._secret = secret
        self._at_once = at_once
        self._timeout = timeout
        self._lock = threading.Lock()
        self._threads = 0
        self._busy: Counter[str] = Counter()
        self._waiting: dict[Key, Question] = {}
        self._under_way: dict[Key, Question | None] = {}
        self._answers: dict[Question, Answer] = {}

    def ask(self, question: Question) -> None:
        """Ask, unless the question is under way or answered."""
        key = _key(question)
        with self._lock:
            if question in self._answers or self._under_way.get(key) == question:
                return
            self._waiting[key] = question
            if self._threads < self._at_once and self._may_go(question):
                threading.Thread(target=self._work, name="modelwire-asker", daemon=True).start()
                self._threads += 1

    def answers(self) -> Mapping[Question, Answer]:
        """Return the answers so far."""
        with self._lock:
            return dict(self._answers)

    def forget(self, questions: Iterable[Question]) -> None:
        """Drop questions that nobody asks any more, and their answers, also those to come."""
        with self._lock:
            for question in questions:
                key = _key(question)
                self._answers.pop(question, None)
                if self._waiting.get(key) == question:
                    del self._waiting[key]
                if self._under_way.get(key) == question:
                    self._under_way[key] = None

    def _work(self) -> None:
        while question := self._taken():
            answer = self._answered(question)
            key = _key(question)
            with self._lock:
                self._busy[_place(question.source)] -= 1
                if self._under_way.pop(key) is not None:
                    self._answers[question] = answer

    def _taken(self) -> Question | None:
        """Return the question that waits longest and may go; without one, the thread ends."""
        with self._lock:
            question = next((q for q in self._waiting.values() if self._may_go(q)), None)
            if question is None:
                self._threads -= 1
                return None
            key = _key(question)
            self._under_way[key] = self._waiting.pop(key)
            self._busy[_place(question.source)] += 1
            return question

    def _may_go(self, question: Question) -> bool:
        share = max(1, self._at_once // 2)
        return self._busy[_place(question.source)] < share and _key(question) not in self._under_way

    def _answered(self, question: Question) -> Answer:
        try:
            return self._asked(question)
        except ModelwireError as error:
            return Answer(self._clock.now(), error=str(error))
        except Exception as error:  # whatever happens in there, others get their answers
            logger.exception("a question of route %s failed", question.route)
            return Answer(self._clock.now(), error=f"E_UNEXPECTED: {type(error).__name__}")

    def _asked(self, question: Question) -> Answer:
        source, timeout = question.source, self._timeout
        secret, now = self._secret, self._clock.now()
        match source:
            case Prometheus():
                number = prometheus.value(question, source, timeout=timeout)
                return Answer(self._clock.now(), value=number)
            case Webhook():
                number = webhook.value(question, source, timeout=timeout, secret=secret, now=now)
                return Answer(self._clock.now(), value=number)
            case Hook():
                agreed = webhook.agrees(question, source, secret=secret, now=now)
                return Answer(self._clock.now(), agreed=agreed)


def _key(question: Question) -> Key:
    return question.route, question.rollout, question.name


def _place(source: Source) -> str:
    """Return which server is asked; all that have no good address count as one."""
    try:
        return address(source.address if isinstance(source, Prometheus) else source.url).place
    except Rejected:
        return ""
