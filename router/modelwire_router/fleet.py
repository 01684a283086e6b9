"""The fleet stream, read: the newest report of every instance."""

from modelwire_log.contract import Log
from modelwire_router.tail import Tail
from modelwire_schemas.fleet import FleetReport
from modelwire_schemas.names import topic

TAIL = 20_000
"""Records of a partition that are looked at: a report every two seconds, hundreds of instances."""

SILENT_MS = 24 * 3600 * 1000
"""An instance that was not heard of for so long is forgotten by who goes on reading."""


class FleetReader:
    """Reads on where it stopped, and knows every instance's newest report."""

    def __init__(self, log: Log, namespace: str) -> None:
        self._tail = Tail(log, topic(namespace, "fleet"), TAIL)
        self._found: dict[str, tuple[FleetReport, int]] = {}

    def read(self) -> list[tuple[FleetReport, int]]:
        """Return the newest reports and when (ms, the log's clock) each was taken."""
        for report, appended in self._tail.read():
            if isinstance(report, FleetReport):
                self._found[report.instance] = (report, appended)
        newest = max((heard for _, heard in self._found.values()), default=0)
        for instance, (_, heard) in tuple(self._found.items()):
            if newest - heard > SILENT_MS:
                del self._found[instance]
        return list(self._found.values())


def newest_reports(log: Log, namespace: str) -> list[tuple[FleetReport, int]]:
    """Return every instance's newest report and when (ms, the log's clock) it was taken."""
    return FleetReader(log, namespace).read()
