"""The fleet stream, read: the newest report of every instance."""

from modelwire_log.contract import START, Log, Place
from modelwire_log.envelope import open_envelope
from modelwire_schemas.errors import ModelwireError
from modelwire_schemas.fleet import FleetReport
from modelwire_schemas.names import topic

TAIL = 20_000
"""Records of a partition that are looked at: a report every two seconds, hundreds of instances."""


def newest_reports(log: Log, namespace: str) -> list[tuple[FleetReport, int]]:
    """Return every instance's newest report and when (ms, the log's clock) it was taken."""
    stream = topic(namespace, "fleet")
    found: dict[str, tuple[FleetReport, int]] = {}
    for partition in range(log.streams().get(stream, 0)):
        place = Place(stream, partition)
        after = max(START, log.end(place) - TAIL)
        while records := log.read(place, after, 2000):
            after = records[-1].offset
            for record in records:
                try:
                    report = open_envelope(record)
                except ModelwireError:
                    continue
                if isinstance(report, FleetReport):
                    found[report.instance] = (report, record.appended)
    return list(found.values())
