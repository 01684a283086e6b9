"""A stream of modelwire's own, read on from where it stopped."""

from collections.abc import Iterable, Iterator

from modelwire_log.contract import START, Log, Place, Record
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

    def read(self) -> Iterator[Record]:
        """Yield what is new, up to the end as it is now; what comes meanwhile is for the next time.

        What was not read to the end is read again. Raises Unavailable while the log is away.
        """
        read = dict(self._after)
        for place in places(self._log, self._stream):
            if place not in read:
                read[place] = max(START, self._log.end(place) - self._size)
            for record in records(self._log, place, read[place]):
                read[place] = record.offset
                yield record
        self._after = read


def opened(found: Iterable[Record]) -> Iterator[tuple[Event, int]]:
    """Yield what records say, and when (ms, the log's clock) each came; bad ones are skipped."""
    for record in found:
        try:
            event = open_envelope(record)
        except ModelwireError:
            continue
        if event is not None:
            yield event, record.appended
