"""Refuses a control log whose topic cannot keep what a control log promises."""

import re

from modelwire_log.kafka.admin import Admin
from modelwire_log.kafka.client import logger
from modelwire_log.kafka.query import Query
from modelwire_log.kafka.topics import control_topic, faults, mend_command
from modelwire_schemas.errors import Rejected, Unavailable

_CONTROL = re.compile(r"modelwire\.(?P<namespace>.+)\.control")


class Guard:
    """Looks at a control log's topic once, before its first use."""

    def __init__(self, servers: str, query: Query, admin: Admin) -> None:
        self._servers = servers
        self._query = query
        self._admin = admin
        self._passed: set[str] = set()

    def check(self, stream: str, timeout: float) -> None:
        """Raise Rejected `E_TOPIC_SETTINGS` for a control log with the wrong settings.

        Who may not ask for the settings is warned and goes on.
        """
        if stream in self._passed or not (control := _CONTROL.fullmatch(stream)):
            return
        partitions = self._query.partitions(stream, timeout)
        wanted = control_topic(control["namespace"])
        try:
            settings = self._admin.settings(stream, timeout)
        except Unavailable as error:
            if error.code != "E_LOG_DENIED":
                raise
            logger.warning("the settings of %s cannot be checked: %s", stream, error)
            settings = dict(wanted.promised)
        if found := faults(self._servers, wanted, partitions, settings):
            first = found[0]
            raise Rejected(
                "E_TOPIC_SETTINGS",
                f"{stream} has {first.setting}={first.found}",
                expected=", ".join(f"{fault.setting}={fault.wanted}" for fault in found),
                todo=first.mend,
            )
        self._passed.add(stream)


def cannot_delete(servers: str, stream: str) -> Rejected:
    """Return the error of a topic that keeps single records for ever."""
    mend = mend_command(servers, stream, {"cleanup.policy": "compact"})
    return Rejected(
        "E_TOPIC_SETTINGS",
        f"{stream} cannot give up single records",
        expected="cleanup.policy=compact",
        todo=f"run `{mend}`",
    )
