"""All that a process holds open towards one Kafka; a forked child makes its own."""

import os
import weakref
from collections.abc import Mapping
from threading import Lock
from typing import Protocol

from modelwire_log.kafka.admin import Admin
from modelwire_log.kafka.client import Clients
from modelwire_log.kafka.guard import Guard
from modelwire_log.kafka.pool import Pool
from modelwire_log.kafka.query import Query
from modelwire_log.kafka.sender import Sender
from modelwire_schemas.errors import Unavailable


class Session:
    """The clients of one process; opening neither waits nor needs a broker."""

    def __init__(self, servers: str, settings: Mapping[str, str]) -> None:
        self.clients = Clients(servers, settings)
        self.query = Query(self.clients)
        self.sender = Sender(self.clients, bulk=False)
        self.sender.prepare()
        self.bulk = Sender(self.clients, bulk=True)
        self.pool = Pool(self.clients)
        self.admin = Admin(self.clients)
        self.guard = Guard(servers, self.query, self.admin)

    def close(self) -> None:
        """Give all clients back."""
        self.pool.close()
        self.sender.close()
        self.bulk.close()
        self.query.close()


class Heir(Protocol):
    """A member of a group: it leaves when its log is closed, and lets go when it was forked."""

    def close(self) -> None:
        """Leave the group."""
        ...

    def let_go(self) -> None:
        """Forget the client, which belongs to the parent."""
        ...


class Sessions:
    """The session of the process that asks: the first one, or the child's own after a fork."""

    def __init__(self, servers: str, settings: Mapping[str, str]) -> None:
        self._servers = servers
        self._settings = settings
        self._lock = Lock()
        self._closed = False
        self._heirs: weakref.WeakSet[Heir] = weakref.WeakSet()
        self._session: Session | None = Session(servers, settings)
        _living.add(self)

    def current(self) -> Session:
        """Return the session, made anew in a forked child; raises Unavailable once closed."""
        session = self._session
        if session is not None:
            return session
        with self._lock:
            if self._closed:
                raise Unavailable(
                    "E_LOG_UNAVAILABLE", f"the log kafka://{self._servers} is closed here"
                )
            self._session = self._session or Session(self._servers, self._settings)
            return self._session

    def tell(self, heir: Heir) -> None:
        """Remember who must leave with the log, and let go of its client in a forked child."""
        self._heirs.add(heir)

    def close(self) -> None:
        """Close the session for good; idempotent."""
        with self._lock:
            self._closed = True
            session, self._session = self._session, None
        for heir in list(self._heirs):
            heir.close()
        if session is not None:
            session.close()

    def after_fork(self) -> None:
        """In the child: leave everything inherited to the parent."""
        session, self._session = self._session, None
        self._lock = Lock()
        if session is not None:
            session.clients.leave_to_the_parent()
        for heir in self._heirs:
            heir.let_go()


_living: weakref.WeakSet[Sessions] = weakref.WeakSet()


def _after_fork() -> None:
    for sessions in _living:
        sessions.after_fork()


os.register_at_fork(after_in_child=_after_fork)
