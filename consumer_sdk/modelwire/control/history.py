"""The past, read from the log: every command with its verdict, every document that ever held."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from modelwire.control.fold import steps
from modelwire.control.reading import control_place, entries_up_to
from modelwire.control.state import Accepted, Entry, State, Verdict
from modelwire_log.contract import START, Log


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
    entries = entries_up_to(log, namespace, START, end, timeout=timeout)
    return [Past(*step) for step in steps(State(), chain.from_iterable(entries))]


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
