"""The folded state on the log: cut into records, and the newest from which a reader may fold on.

A snapshot is never believed for being there. It counts when the log has the very record that it
covers, when its fold is this reader's, and when its bytes are what it says; else it is as if there
were none, and the log is folded from its beginning.
"""

import hashlib
import logging
import zlib
from collections.abc import Iterator, Sequence

from modelwire.control.saved import dump, load
from modelwire.control.state import State
from modelwire_log.contract import START, Log, Place, Record
from modelwire_log.envelope import open_envelope
from modelwire_schemas.artifact import CHUNK_BYTES
from modelwire_schemas.control import FOLD_VERSION
from modelwire_schemas.errors import Corrupt, ModelwireError, Rejected
from modelwire_schemas.names import topic
from modelwire_schemas.snapshot import SnapshotChunk

logger = logging.getLogger("modelwire.control")

EVERY = 250
"""Control records between two snapshots; fewer are folded sooner than a snapshot is looked for."""

MAX_CHUNKS = 8
"""Pieces of one snapshot, at most; a larger state is folded from the beginning."""

MAX_STATE = 64 * 1024 * 1024
"""Bytes of a state before they are packed, at most."""

STRETCHES = 4
"""A whole snapshot is looked for in so many times `MAX_CHUNKS` records at the stream's end."""


def snapshot_place(namespace: str) -> Place:
    """Return where a namespace's snapshots lie."""
    return Place(topic(namespace, "snapshots"))


def cut(state: State, record: Record) -> list[SnapshotChunk]:
    """Return the pieces of a state's snapshot; `record` is the control record at its offset.

    Raises Rejected `E_TOO_BIG` above the caps.
    """
    content = dump(state)
    packed = zlib.compress(content, level=1)
    count = -(-len(packed) // CHUNK_BYTES)
    if count > MAX_CHUNKS or len(content) > MAX_STATE:
        raise Rejected(
            "E_TOO_BIG",
            f"the state has {len(content)} bytes, packed {len(packed)}",
            expected=f"at most {MAX_STATE}, packed {MAX_CHUNKS * CHUNK_BYTES}",
            todo="withdraw what is not used, or start a new namespace",
        )
    return [
        SnapshotChunk(
            fold=FOLD_VERSION,
            offset=state.offset,
            appended=record.appended,
            record=hashlib.sha256(record.value).hexdigest(),
            sha256=hashlib.sha256(packed).hexdigest(),
            index=index,
            count=count,
            data=packed[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES],
        )
        for index in range(count)
    ]


def beginning(log: Log, namespace: str, end: int, *, timeout: float = 5.0) -> State:
    """Return the state to fold on from: the newest snapshot's up to offset `end`, or none."""
    if end < EVERY:
        return State()
    try:
        for chunks in usable(log, namespace, end, timeout=timeout):
            state = restored(chunks)
            if state is not None:
                return state
    except ModelwireError as error:  # what is wrong with the log, the fold will say
        logger.info("no snapshot was read, the whole log is folded: %s", error)
    return State()


def usable(
    log: Log, namespace: str, end: int, *, timeout: float = 5.0
) -> Iterator[Sequence[SnapshotChunk]]:
    """Yield the snapshots of this log up to control offset `end` that this fold can read.

    Newest first, each whole; what the bytes say is not looked at.
    """
    for chunks in _whole(log, snapshot_place(namespace), timeout):
        head = chunks[0]
        if head.offset > end:
            continue
        record = record_at(log, namespace, head.offset, timeout=timeout)
        if record is None or (head.appended, head.record) != (
            record.appended,
            hashlib.sha256(record.value).hexdigest(),
        ):
            logger.info("a snapshot at control offset %d is of another log", head.offset)
        else:
            yield chunks


def record_at(log: Log, namespace: str, offset: int, *, timeout: float = 5.0) -> Record | None:
    """Return the control record at an offset; None where there is none."""
    place = Place(topic(namespace, "control"))
    found = log.read(place, offset - 1, 1, timeout=timeout)
    return found[0] if found and found[0].offset == offset else None


def _whole(log: Log, place: Place, timeout: float) -> Iterator[Sequence[SnapshotChunk]]:
    """Yield what lies whole at the stream's end: writers may die half-way, or write at once."""
    last = log.end(place, timeout=timeout)
    parts: dict[tuple[int, str], dict[int, SnapshotChunk]] = {}
    for _ in range(STRETCHES):
        if last == START:
            return
        before = max(START, last - MAX_CHUNKS)
        for record in reversed(log.read(place, before, MAX_CHUNKS, timeout=timeout)):
            chunk = _chunk(record)
            if chunk is None:
                continue
            found = parts.setdefault((chunk.offset, chunk.sha256), {})
            found[chunk.index] = chunk
            if found.keys() == set(range(chunk.count)):
                del parts[chunk.offset, chunk.sha256]
                yield [found[index] for index in range(chunk.count)]
        last = before


def _chunk(record: Record) -> SnapshotChunk | None:
    """Return what a record says if it is a piece that this fold can read (R25)."""
    try:
        chunk = open_envelope(record)
    except ModelwireError:
        return None
    if not isinstance(chunk, SnapshotChunk) or chunk.fold != FOLD_VERSION:
        return None
    return chunk if chunk.count <= MAX_CHUNKS else None


def restored(chunks: Sequence[SnapshotChunk]) -> State | None:
    """Return the state that a whole snapshot holds; None, and a warning, where it is damaged."""
    head = chunks[0]
    try:
        state = load(_content(b"".join(chunk.data for chunk in chunks), head.sha256))
        if state.offset != head.offset:
            raise Corrupt("E_CORRUPT", f"it says offset {state.offset}")
    except ModelwireError as error:
        logger.warning("a snapshot at control offset %d is not used: %s", head.offset, error)
        return None
    return state


def _content(packed: bytes, sha256: str) -> bytes:
    if hashlib.sha256(packed).hexdigest() != sha256:
        raise Corrupt("E_CORRUPT", "its bytes have another digest", expected=sha256)
    try:
        return zlib.decompressobj().decompress(packed, MAX_STATE)
    except zlib.error as error:
        raise Corrupt("E_CORRUPT", f"its bytes cannot be unpacked: {error}") from None
