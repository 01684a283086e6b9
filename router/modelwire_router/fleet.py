"""The fleet stream, read: the newest report of every instance."""

from modelwire_log.contract import START, Log, Place
from modelwire_log.envelope import open_envelope
from modelwire_schemas.errors import ModelwireError
from modelwire_schemas.fleet import FleetReport
from modelwire_schemas.names import topic

TAIL = 20_000
"""Records of a partition that are looked at: a report every two seconds, hundreds of instances."""

SILENT_MS = 24 * 3600 * 1000
"""An instance that was not heard of for so long is forgotten by who goes on reading."""


class FleetReader:
    """Reads on where it stopped, and knows every instance's newest report."""

    def __init__(self, log: Log, namespace: str) -> None:
        self._log = log
        self._stream = topic(namespace, "fleet")
        self._after: dict[Place, int] = {}
        self._found: dict[str, tuple[FleetReport, int]] = {}

    def read(self) -> list[tuple[FleetReport, int]]:
        """Return the newest reports and when (ms, the log's clock) each was taken."""
        for partition in range(self._log.streams().get(self._stream, 0)):
            place = Place(self._stream, partition)
            after = self._after.get(place)
            if after is None:
                after = max(START, self._log.end(place) - TAIL)
            while records := self._log.read(place, after, 2000):
                after = records[-1].offset
                for record in records:
                    try:
                        report = open_envelope(record)
                    except ModelwireError:
                        continue
                    if isinstance(report, FleetReport):
                        self._found[report.instance] = (report, record.appended)
            self._after[place] = after
        self._forget()
        return list(self._found.values())

    def _forget(self) -> None:
        newest = max((heard for _, heard in self._found.values()), default=0)
        gone = [i for i, (_, heard) in self._found.items() if newest - heard > SILENT_MS]
        for instance in gone:
            del self._found[instance]


def newest_reports(log: Log, namespace: str) -> list[tuple[FleetReport, int]]:
    """Return every instance's newest report and when (ms, the log's clock) it was taken."""
    return FleetReader(log, namespace).read()
