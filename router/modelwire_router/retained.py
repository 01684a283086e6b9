"""The newest events that a stream still has."""

from collections.abc import Sequence
from dataclasses import dataclass

from modelwire.scoring.events import Fields, decode
from modelwire_log.contract import START, Log, Place, Record
from modelwire_log.whole import places, records
from modelwire_schemas.errors import NotFound, Rejected


@dataclass(frozen=True, slots=True)
class Retained:
    """Records that hold an event, oldest first, with its fields; `left_out` counts the others."""

    records: Sequence[Record]
    fields: Sequence[Fields]
    left_out: int


def partitions_of(log: Log, stream: str) -> list[Place]:
    """Return the partitions of a stream; raises NotFound `E_NO_STREAM` where there is none."""
    found = places(log, stream)
    if not found:
        raise NotFound("E_NO_STREAM", f"there is no stream {stream}", todo="modelwire read --list")
    return found


def newest_events(log: Log, stream: str, last: int) -> Retained:
    """Return the events among a stream's newest `last` records.

    Raises NotFound `E_NO_STREAM`, or `E_NO_EVENTS` where none of them is a JSON object.
    """
    begins = {place: max(START, log.end(place) - last) for place in partitions_of(log, stream)}
    found = [r for place, after in begins.items() for r in records(log, place, after)]
    newest = sorted(found, key=lambda r: (r.appended, r.partition, r.offset))[-last:]
    decoded = zip(newest, decode(newest), strict=True)
    good = [(r, fields) for r, fields in decoded if not isinstance(fields, Rejected)]
    if not good:
        raise NotFound(
            "E_NO_EVENTS",
            f"stream {stream} has no event that is a JSON object",
            todo=f"modelwire read {stream} --last 3 shows what it has",
        )
    return Retained([r for r, _ in good], [f for _, f in good], len(newest) - len(good))
