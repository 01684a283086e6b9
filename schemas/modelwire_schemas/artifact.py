"""A piece of an artifact's file, as it travels on the `artifacts` stream."""

from dataclasses import dataclass

CHUNK_BYTES = 900 * 1024
INLINE_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class ArtifactChunk:
    """Bytes `index` of `count` pieces of the file with this sha256."""

    sha256: str
    index: int
    count: int
    data: bytes
