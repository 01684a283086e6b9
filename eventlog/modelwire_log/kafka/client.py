"""Kafka's clients: made with one set of settings, quiet, scrubbed of secrets."""

import ctypes
import logging
import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from modelwire_log.kafka import settings as kafka_settings
from modelwire_log.kafka.errors import reason, translated
from modelwire_schemas.errors import ModelwireError, Rejected

logger = logging.getLogger("modelwire.log")
logger.addHandler(logging.NullHandler())

_SAY_AGAIN_S = 60.0
_LATELY_S = 10.0

Client = TypeVar("Client", Consumer, Producer, AdminClient)


class Clients:
    """Makes the clients of one log, and words what goes wrong in them."""

    def __init__(self, servers: str, settings: Mapping[str, str]) -> None:
        self.servers = servers
        self._settings = settings
        self._lock = Lock()
        self._made: list[Consumer | Producer | AdminClient] = []
        self._heard_last = 0.0, ""
        self._said: dict[object, float] = {}

    @property
    def cooperative(self) -> bool:
        """Tell whether a group's members hand over single partitions, not all at once."""
        member = kafka_settings.for_a_member(self.servers, self._settings, "")
        return "cooperative" in member.get("partition.assignment.strategy", "cooperative")

    def writer(self, linger_ms: int) -> Producer:
        """Return a new producer that waits `linger_ms` for a batch to fill."""
        settings = kafka_settings.for_writing(self.servers, self._settings, linger_ms)
        return self._make(Producer, settings)

    def follower(self) -> Consumer:
        """Return a new consumer that belongs to no group."""
        return self._make(Consumer, kafka_settings.for_following(self.servers, self._settings))

    def member(self, group: str) -> Consumer:
        """Return a new consumer that can join `group`."""
        settings = kafka_settings.for_a_member(self.servers, self._settings, group)
        return self._make(Consumer, settings)

    def admin(self) -> AdminClient:
        """Return a new administrator's client."""
        return self._make(AdminClient, kafka_settings.for_asking(self.servers, self._settings))

    def forget(self, client: Consumer | Producer | AdminClient) -> None:
        """Take a client off the books, before its maker closes it."""
        with self._lock:
            self._made = [made for made in self._made if made is not client]

    def leave_to_the_parent(self) -> None:
        """In a forked child: keep the inherited clients from ever being torn down.

        Their threads live in the parent only; a destructor would wait for them.
        """
        for client in self._made:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(client))
        self._made = []
        self._lock = Lock()

    def error(self, error: KafkaError, doing: str, where: object) -> ModelwireError:
        """Return modelwire's error for `error`, without secrets, with the client's last word."""
        found = translated(error, doing, f"{where} on {self.servers}")
        why = self._lately_heard()
        if found.code == "E_LOG_UNAVAILABLE" and why not in found.what:
            found = type(found)(found.code, f"{found.what}; {why}", todo=found.todo)
        return self._scrubbed(found)

    def failure(self, failure: KafkaException, doing: str, where: object) -> ModelwireError:
        """Return modelwire's error for a client's exception."""
        return self.error(reason(failure), doing, where)

    def log(self, level: int, text: str, *values: object) -> None:
        """Pass on what a client logs, as warnings at most: errors are raised where they matter."""
        if values[:1] == ("CONFWARN",):  # one set of settings serves producers and consumers
            return
        # A broker that is away is told of dozens of times a second.
        seldom = self._seldom(values[0] if values else text)
        level = min(level, logging.WARNING) if seldom else logging.DEBUG
        logger.log(level, "%s", self._clean(text % values if values else text))

    def _make(self, kind: Callable[..., Client], settings: Mapping[str, str]) -> Client:
        try:
            client = kind(dict(settings) | {"error_cb": self._heard}, logger=self)
        except (KafkaException, TypeError, ValueError) as failure:
            text = reason(failure).str() if isinstance(failure, KafkaException) else str(failure)
            raise Rejected(
                "E_KAFKA_SETTING", f"Kafka's client refuses its settings: {self._clean(text)}"
            ) from None
        with self._lock:
            self._made.append(client)
        return client

    def _heard(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # which does not say why
            self._heard_last = time.monotonic(), self._clean(error.str())

    def _lately_heard(self) -> str:
        """Return what a client had to say in the last seconds, such as a refused password."""
        when, what = self._heard_last
        return what if time.monotonic() - when < _LATELY_S else ""

    def _seldom(self, kind: object) -> bool:
        """Tell whether nothing of this kind was said lately."""
        now = time.monotonic()
        if now - self._said.get(kind, -_SAY_AGAIN_S) < _SAY_AGAIN_S:
            return False
        self._said[kind] = now
        return True

    def _clean(self, text: str) -> str:
        return kafka_settings.scrubbed(text, self._settings)

    def _scrubbed(self, error: ModelwireError) -> ModelwireError:
        return type(error)(
            error.code,
            self._clean(error.what),
            where=error.where,
            expected=error.expected,
            todo=error.todo,
        )
