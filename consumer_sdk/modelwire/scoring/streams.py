"""The streams of a scorer: looked for, counted, and made where the log makes them."""

from collections.abc import Sequence

from modelwire_log.contract import Log
from modelwire_schemas.errors import NotFound


def require(log: Log, source: str, written: Sequence[str]) -> None:
    """Look for the streams of a job; raises NotFound `E_NO_STREAM` for one that nobody makes."""
    there = log.streams()
    for stream in (source, *(() if log.capabilities.makes_streams else written)):
        if stream not in there:
            raise NotFound(
                "E_NO_STREAM",
                f"there is no stream {stream}",
                where=log.url,
                todo=f"make it: modelwire topics create {stream}",
            )


class Partitions:
    """How many partitions streams have; a missing one is made like the source. For one thread."""

    def __init__(self, log: Log, source: str) -> None:
        self._log = log
        self._source = source
        self._known: dict[str, int] = {}

    def of(self, stream: str) -> int:
        """Return how many a stream has."""
        if stream not in self._known:
            there = self._log.streams()
            if stream not in there:
                if not self._log.capabilities.makes_streams:
                    require(self._log, stream, ())
                self._log.create(stream, there[self._source])
                there = self._log.streams()
            self._known[stream] = there[stream]
        return self._known[stream]
