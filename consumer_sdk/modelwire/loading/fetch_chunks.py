"""A file from its chunks on the `artifacts` stream."""

from collections.abc import Iterator

from modelwire.loading.sink import Sink
from modelwire_log.contract import Log, Place
from modelwire_log.envelope import open_envelope
from modelwire_schemas.artifact import ArtifactChunk
from modelwire_schemas.errors import Corrupt, NotFound
from modelwire_schemas.release import Artifact, ArtifactFile, ChunkSpan

AT_ONCE = 8
"""Chunks that are read from the log at a time, about 7 MB."""


def read(log: Log | None, stream: str, artifact: Artifact, file: ArtifactFile, sink: Sink) -> None:
    """Write the file's chunks, in order, into `sink`.

    Raises NotFound `E_NOT_FOUND` when the release names no place or chunks are gone, Corrupt
    `E_SIZE` when they are in disorder, and what the log raises.
    """
    span = next((span for span in artifact.chunks if span.file == file.name), None)
    if log is None or span is None:
        raise NotFound("E_NOT_FOUND", "the release says nowhere where it lies", where=file.name)
    expected = 0
    for chunk in _chunks(log, Place(stream, span.partition), span, file.sha256):
        if chunk.index < expected:
            continue  # a publisher that was not sure wrote it again
        if chunk.index > expected:
            raise Corrupt("E_SIZE", f"chunk {chunk.index}", where=file.name, expected=str(expected))
        sink.write(chunk.data)
        expected += 1
        if expected == chunk.count:
            return
    raise NotFound(
        "E_NOT_FOUND",
        f"chunk {expected} is gone from the log",
        where=f"{file.name} in {stream}[{span.partition}]",
        todo="publish the artifact again",
    )


def _chunks(log: Log, place: Place, span: ChunkSpan, sha256: str) -> Iterator[ArtifactChunk]:
    """Yield the span's chunks of one file; other publishers' may lie between, or a repetition."""
    after = span.first - 1
    while after < span.last:
        records = log.read(place, after, min(AT_ONCE, span.last - after))
        if not records:
            return
        for record in records:
            if record.offset > span.last:
                return
            chunk = open_envelope(record)
            if isinstance(chunk, ArtifactChunk) and chunk.sha256 == sha256:
                yield chunk
        after = records[-1].offset
