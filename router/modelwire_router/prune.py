"""What the bytes of withdrawn versions are still good for, and their removal."""

from collections.abc import Sequence
from dataclasses import dataclass

from modelwire.control.history import Past
from modelwire.control.state import ALWAYS, State
from modelwire_log.contract import Log, Place
from modelwire_schemas.control import ControlRecord
from modelwire_schemas.release import ChunkSpan, ReleasePublished


@dataclass(frozen=True, slots=True)
class Prunable:
    """A withdrawn version whose bytes lie on the log.

    `served` are the routes and times (ms) in which it had events: what was scored then can be
    neither replayed nor repaired once the bytes are gone.
    """

    model: str
    version: str
    size: int
    chunks: tuple[ChunkSpan, ...]
    served: tuple[tuple[str, int, int], ...]


def prunable(state: State, past: Sequence[Past]) -> list[Prunable]:
    """Return the withdrawn versions whose chunks no other release shares, by model and version."""
    published = [(p.entry.appended, body) for p in past if (body := _release(p)) is not None]
    shared = {
        body.artifact.digest
        for _, body in published
        if (known := state.release(body.model, body.version)) and not known.withdrawn
    }
    return [
        Prunable(
            body.model,
            body.version,
            body.artifact.size,
            body.artifact.chunks,
            _served(past, body.model, body.version),
        )
        for _, body in published
        if body.artifact.chunks
        and body.artifact.digest not in shared
        and (known := state.release(body.model, body.version))
        and known.withdrawn
    ]


def prune_chunks(log: Log, stream: str, found: Sequence[Prunable]) -> int:
    """Remove the chunks of these versions from the log; return how many records that were."""
    removed = 0
    for one in found:
        for span in one.chunks:
            log.delete(Place(stream, span.partition), span.first, span.last)
            removed += span.last - span.first + 1
    return removed


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
