"""The telemetry stream, read: what consumers measured."""

from modelwire_log.contract import Log
from modelwire_router.tail import Tail, opened
from modelwire_schemas.names import topic
from modelwire_schemas.telemetry import Telemetry

TAIL = 100_000
"""Records of a partition that are looked at: a report every two seconds, a hundred instances."""


class TelemetryReader:
    """Reads on where it stopped; reports are cumulative, so what it missed does no harm."""

    def __init__(self, log: Log, namespace: str) -> None:
        self._tail = Tail(log, topic(namespace, "telemetry"), TAIL)

    def read(self) -> list[tuple[Telemetry, int]]:
        """Return the reports that are new, and when (ms, the log's clock) each was taken."""
        return [(r, at) for r, at in opened(self._tail.read()) if isinstance(r, Telemetry)]
