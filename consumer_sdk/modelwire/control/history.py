"""The past, read from the log: every command with its verdict, every document that ever held."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from modelwire.control.fold import steps
from modelwire.control.reading import control_place, read_entries
from modelwire.control.state import Accepted, Entry, State, Verdict
from modelwire_log.contract import Log


@dataclass(frozen=True, slots=True)
class Past:
    """One record of the control log, what became of it, and the documents that it brought."""

    entry: Entry
    verdict: Verdict
    documents: tuple[Accepted, ...]


def read_past(
    log: Log, namespace: str, *, last: int | None = None, timeout: float = 5.0
) -> list[Past]:
    """Fold the whole control log record by record; off the event path, for people and for undo.

    With `last`, up to that offset.
    """
    place = control_place(namespace)
    end = log.end(place, timeout=timeout) if last is None else last
    return [Past(*step) for step in steps(State(), _entries(log, namespace, end, timeout))]


def _entries(log: Log, namespace: str, end: int, timeout: float) -> Iterator[Entry]:
    offset = -1
    while offset < end:
        entries = read_entries(log, namespace, offset, timeout=timeout)
        if not entries:
            return
        yield from (entry for entry in entries if entry.offset <= end)
        offset = entries[-1].offset


def documents(past: Iterable[Past], route: str) -> list[Accepted]:
    """Return every document of a route that was accepted, oldest first."""
    return [a for step in past for a in step.documents if a.document.route == route]


def in_force_then(accepted: Sequence[Accepted], ts: int, bt: int, offset: int) -> Accepted | None:
    """Return the document in force for an event under control offset `offset`, by R5 itself.

    `accepted` are all documents of the route; the answer is exact however old the event is.
    """
    return next(
        (
            a
            for a in reversed(accepted)
            if a.offset <= offset and a.visible <= ts and a.effective <= bt
        ),
        None,
    )
