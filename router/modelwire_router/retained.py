"""The newest events that a stream still has."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modelwire.scoring.events import Fields, decode
from modelwire_log.contract import START, Log, Place, Record
from modelwire_schemas.errors import NotFound, Rejected

BATCH = 5000


@dataclass(frozen=True, slots=True)
class Retained:
    """Records that hold an event, oldest first, with its fields; `left_out` counts the others."""

    records: Sequence[Record]
    fields: Sequence[Fields]
    left_out: int


def newest_events(log: Log, stream: str, last: int) -> Retained:
    """Return the events among a stream's newest `last` records.

    Raises NotFound `E_NO_STREAM`, or `E_NO_EVENTS` where none of them is a JSON object.
    """
    partitions = log.streams().get(stream)
    if partitions is None:
        raise NotFound("E_NO_STREAM", f"there is no stream {stream}", todo="modelwire read --list")
    records = [r for p in range(partitions) for r in _newest(log, Place(stream, p), last)]
    records = sorted(records, key=lambda r: (r.appended, r.partition, r.offset))[-last:]
    decoded = zip(records, decode(records), strict=True)
    good = [(r, fields) for r, fields in decoded if not isinstance(fields, Rejected)]
    if not good:
        raise NotFound(
            "E_NO_EVENTS",
            f"stream {stream} has no event that is a JSON object",
            todo=f"modelwire read {stream} --last 3 shows what it has",
        )
    return Retained([r for r, _ in good], [f for _, f in good], len(records) - len(good))


def _newest(log: Log, place: Place, last: int) -> Iterator[Record]:
    after = max(START, log.end(place) - last)
    while records := log.read(place, after, BATCH):
        yield from records
        after = records[-1].offset
