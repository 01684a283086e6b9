"""A piece of the folded state, as it travels on the `snapshots` stream."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SnapshotChunk:
    """Bytes `index` of `count` pieces of the state that fold version `fold` has at `offset`.

    `appended` (ms) and `record`, the sha256 of its value, are those of the control record at
    `offset`: a snapshot is of the log that has this record there, and of no other. `sha256` is of
    all pieces together.
    """

    fold: int
    offset: int
    appended: int
    record: str
    sha256: str
    index: int
    count: int
    data: bytes
