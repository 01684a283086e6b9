"""A stream of modelwire's own, read on from where it stopped."""

from collections.abc import Iterator

from modelwire_log.contract import START, Log, Place
from modelwire_log.envelope import open_envelope
from modelwire_log.whole import places, records
from modelwire_schemas.codec import Event
from modelwire_schemas.errors import ModelwireError


class Tail:
    """Reads every record of a stream once, from the last `size` of each partition on."""

    def __init__(self, log: Log, stream: str, size: int) -> None:
        self._log = log
        self._stream = stream
        self._size = size
        self._after: dict[Place, int] = {}

    def read(self) -> Iterator[tuple[Event, int]]:
        """Yield what is new, and when (ms, the log's clock) it was taken; bad records are skipped.

        Raises Unavailable while the log is away.
        """
        for place in places(self._log, self._stream):
            if place not in self._after:
                self._after[place] = max(START, self._log.end(place) - self._size)
            for record in records(self._log, place, self._after[place]):
                self._after[place] = record.offset
                try:
                    event = open_envelope(record)
                except ModelwireError:
                    continue
                if event is not None:
                    yield event, record.appended
