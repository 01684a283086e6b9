"""The fleet stream, read: the newest report of every instance."""

from collections.abc import Iterable

from modelwire.clock import SystemClock
from modelwire_log.contract import Log
from modelwire_router.reports import Reports
from modelwire_router.tail import Tail, opened
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
        self._found = Reports()
        self._newest = 0

    def read(self) -> Reports:
        """Return the newest reports and when (ms, the log's clock) each was taken."""
        newest = {record.key: record for record in self._tail.read()}
        for report, appended in opened(newest.values()):
            if isinstance(report, FleetReport):
                self._found.add(report, appended)
                self._newest = max(self._newest, appended)
        silent = [r.instance for r, heard in self._found if self._newest - heard > SILENT_MS]
        for instance in silent:
            self._found.forget(instance)
        return self._found


def present(reports: Iterable[tuple[FleetReport, int]]) -> int:
    """Return the present (ms) by the log's clock as far as reports tell, else by this machine's."""
    return max([SystemClock().now(), *(heard for _, heard in reports)])


def newest_reports(log: Log, namespace: str) -> list[tuple[FleetReport, int]]:
    """Return every instance's newest report and when (ms, the log's clock) it was taken."""
    return list(FleetReader(log, namespace).read())
