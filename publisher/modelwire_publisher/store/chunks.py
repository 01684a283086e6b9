"""Larger artifacts travel in pieces on the log's own `artifacts` stream."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from modelwire_log.contract import Log, Message
from modelwire_log.envelope import seal
from modelwire_publisher.artifact import Staged
from modelwire_publisher.store.contract import Told
from modelwire_schemas.artifact import CHUNK_BYTES, ArtifactChunk
from modelwire_schemas.names import topic
from modelwire_schemas.release import Artifact, ArtifactFile, ChunkSpan

AT_ONCE = 8
"""Chunks that are appended at a time, about 7 MB."""

FAR = 2**62
"""An offset that takes as much room in a record as any."""


@dataclass(frozen=True, slots=True)
class Chunks:
    """Appends each file to one partition, in order, and says where."""

    log: Log
    namespace: str
    timeout: float

    def plan(self, staged: Staged) -> Artifact:
        """Return the artifact with places that are none yet."""
        spans = tuple(ChunkSpan(file.name, FAR, FAR, FAR) for file in staged.artifact.files)
        return replace(staged.artifact, chunks=spans)

    def keep(self, staged: Staged, told: Told) -> Artifact:
        """Append all files; return the artifact with the places of its chunks."""
        stream = topic(self.namespace, "artifacts")
        partitions = self.log.streams().get(stream, 1)
        spans = [
            self._append(stream, partitions, file, staged.folder / file.name, told)
            for file in staged.artifact.files
        ]
        return replace(staged.artifact, chunks=tuple(spans))

    def _append(
        self, stream: str, partitions: int, file: ArtifactFile, path: Path, told: Told
    ) -> ChunkSpan:
        partition = int(file.sha256[:8], 16) % partitions
        chunks = _chunks(file, path)
        offsets: list[int] = []
        while some := list(islice(chunks, AT_ONCE)):
            messages = [_message(chunk, partition) for chunk in some]
            receipts = self.log.append_batch(stream, messages, timeout=self.timeout)
            offsets += [receipt.offset for receipt in receipts]
            told(sum(len(chunk.data) for chunk in some))
        return ChunkSpan(file.name, partition, min(offsets), max(offsets))


def _chunks(file: ArtifactFile, path: Path) -> Iterator[ArtifactChunk]:
    count = max(1, -(-file.size // CHUNK_BYTES))
    with path.open("rb") as source:
        for index in range(count):
            yield ArtifactChunk(file.sha256, index, count, source.read(CHUNK_BYTES))


def _message(chunk: ArtifactChunk, partition: int) -> Message:
    message = seal(chunk, source="modelwire", time=time.time_ns() // 1_000_000)
    return replace(message, partition=partition)
