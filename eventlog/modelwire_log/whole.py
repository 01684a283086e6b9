"""Streams as a whole: their partitions, all of their records however many reads that takes."""

from collections.abc import Iterator

from modelwire_log.contract import START, Log, Place, Record

AT_ONCE = 2000


def places(log: Log, stream: str) -> list[Place]:
    """Return the partitions of a stream; none where there is no such stream."""
    return [Place(stream, partition) for partition in range(log.streams().get(stream, 0))]


def size(log: Log, stream: str) -> int:
    """Return how many records a stream was given, deleted ones included."""
    return sum(log.end(place) + 1 for place in places(log, stream))


def records(log: Log, place: Place, after: int = START) -> Iterator[Record]:
    """Yield the records of a partition behind offset `after`, in order, up to the end as it is now.

    So who reads more slowly than others write gets to an end all the same.
    """
    end = log.end(place)
    while after < end and (some := log.read(place, after, AT_ONCE)):
        yield from some
        after = some[-1].offset


def all_records(log: Log, stream: str) -> Iterator[Record]:
    """Yield all records of a stream, partition by partition."""
    for place in places(log, stream):
        yield from records(log, place)
