"""A file from its chunks on the `artifacts` stream."""

from collections.abc import Iterator

from modelwire.loading.sink import Sink
from modelwire_log.contract import Log, Place
from modelwire_log.envelope import open_envelope
from modelwire_schemas.artifact import ArtifactChunk
from modelwire_schemas.errors import NotFound
from modelwire_schemas.release import Artifact, ArtifactFile, ChunkSpan

AT_ONCE = 8
"""Chunks that are read from the log at a time, about 7 MB."""


def read(log: Log | None, stream: str, artifact: Artifact, file: ArtifactFile, sink: Sink) -> None:
    """Write the file's chunks, in order, into `sink`.

    Kafka keeps only the newest record of a key: where somebody published the same bytes again, a
    chunk lies further on than the release says. Raises NotFound `E_NOT_FOUND` when the release
    names no place or chunks are gone, and what the log raises.
    """
    span = next((span for span in artifact.chunks if span.file == file.name), None)
    if log is None or span is None:
        raise NotFound("E_NOT_FOUND", "the release says nowhere where it lies", where=file.name)
    place = Place(stream, span.partition)
    written = 0
    for _, chunk in chunks_of(log, place, file.sha256, span.first, span.last):
        if chunk.index == written:  # others are in their place as well, or come again
            sink.write(chunk.data)
            written += 1
            if written == chunk.count:
                return
    _read_later(log, place, span, file, sink, written)


def _read_later(
    log: Log, place: Place, span: ChunkSpan, file: ArtifactFile, sink: Sink, written: int
) -> None:
    """Write the chunks from `written` on, wherever behind the span's beginning they lie now."""
    places: dict[int, int] = {}
    count = written + 1
    for offset, chunk in chunks_of(log, place, file.sha256, span.first, log.end(place)):
        places[chunk.index] = offset
        count = chunk.count
    for index in range(written, count):
        if index not in places:
            raise NotFound(
                "E_NOT_FOUND",
                f"chunk {index} is gone from the log",
                where=f"{file.name} in {place}",
                todo="publish the artifact again",
            )
        for _, chunk in chunks_of(log, place, file.sha256, places[index], places[index]):
            sink.write(chunk.data)


def chunks_of(
    log: Log, place: Place, sha256: str, first: int, last: int
) -> Iterator[tuple[int, ArtifactChunk]]:
    """Yield the chunks of one file and their offsets; other publishers' may lie between."""
    after = first - 1
    while after < last:
        records = log.read(place, after, min(AT_ONCE, last - after))
        if not records:
            return
        for record in records:
            if record.offset > last:
                return
            chunk = open_envelope(record)
            if isinstance(chunk, ArtifactChunk) and chunk.sha256 == sha256:
                yield record.offset, chunk
        after = records[-1].offset
