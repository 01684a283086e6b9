"""What the bytes of withdrawn versions are still good for, and their removal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modelwire.control.history import Past
from modelwire.control.state import ALWAYS, State
from modelwire.loading.fetch_chunks import chunks_of
from modelwire_log.contract import Log, Place
from modelwire_schemas.control import ControlRecord
from modelwire_schemas.release import ChunkSpan, ReleasePublished


@dataclass(frozen=True, slots=True)
class Chunked:
    """A file whose chunks lie on the log, and where."""

    sha256: str
    span: ChunkSpan


@dataclass(frozen=True, slots=True)
class Prunable:
    """A withdrawn version whose bytes lie on the log.

    `served` are the routes and times (ms) in which it had events: what was scored then can be
    neither replayed nor repaired once the bytes are gone.
    """

    model: str
    version: str
    size: int
    files: tuple[Chunked, ...]
    served: tuple[tuple[str, int, int], ...]


def prunable(state: State, past: Sequence[Past]) -> list[Prunable]:
    """Return the withdrawn versions with files that no living release shares, in log order."""
    published = [body for step in past if (body := _release(step)) is not None]
    living = {
        file.sha256
        for body in published
        if not _withdrawn(state, body)
        for file in body.artifact.files
    }
    found: list[Prunable] = []
    for body in published:
        files = tuple(one for one in _chunked(body) if one.sha256 not in living)
        if files and _withdrawn(state, body):
            served = _served(past, body.model, body.version)
            found.append(Prunable(body.model, body.version, body.artifact.size, files, served))
    return found


def prune_chunks(log: Log, stream: str, found: Sequence[Prunable]) -> int:
    """Remove the chunks of these versions from the log; return how many records that were."""
    removed = 0
    for file in (file for one in found for file in one.files):
        place = Place(stream, file.span.partition)
        # One by one, since chunks of other publishers may lie between.
        for offset, _ in chunks_of(log, place, file.sha256, file.span.first, file.span.last):
            log.delete(place, offset, offset)
            removed += 1
    return removed


def _chunked(body: ReleasePublished) -> Iterator[Chunked]:
    sha256s = {file.name: file.sha256 for file in body.artifact.files}
    for span in body.artifact.chunks:
        yield Chunked(sha256s[span.file], span)


def _withdrawn(state: State, body: ReleasePublished) -> bool:
    known = state.release(body.model, body.version)
    return known is not None and known.withdrawn


def _release(step: Past) -> ReleasePublished | None:
    record = step.entry.record
    if isinstance(record, ControlRecord) and isinstance(record.body, ReleasePublished):
        return record.body if step.verdict.accepted and step.verdict.repeats < 0 else None
    return None


def _served(past: Sequence[Past], model: str, version: str) -> tuple[tuple[str, int, int], ...]:
    """Return when each route's documents gave the version events: until the next document."""
    spans: list[tuple[str, int, int]] = []
    documents = [a for step in past for a in step.documents]
    for index, accepted in enumerate(documents):
        if accepted.document.model != model or version not in accepted.document.weighted():
            continue
        begin = accepted.accepted if accepted.effective == ALWAYS else accepted.effective
        later = (
            a.accepted
            for a in documents[index + 1 :]
            if a.document.route == accepted.document.route
        )
        spans.append((accepted.document.route, begin, next(later, begin)))
    return tuple(spans)
