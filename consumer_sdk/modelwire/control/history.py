"""The past, read from the log: every command with its verdict, every document that ever held."""

from dataclasses import dataclass

from modelwire.control.fold import fold
from modelwire.control.reading import control_place, read_entries
from modelwire.control.state import Accepted, Entry, State, Verdict
from modelwire_log.contract import Log


@dataclass(frozen=True, slots=True)
class Past:
    """One record of the control log, what became of it, and the documents that it brought."""

    entry: Entry
    verdict: Verdict
    documents: tuple[Accepted, ...]


def read_past(log: Log, namespace: str, *, timeout: float = 5.0) -> list[Past]:
    """Fold the whole control log record by record; off the event path, for people and for undo."""
    past: list[Past] = []
    state = State()
    end = log.end(control_place(namespace), timeout=timeout)
    while state.offset < end:
        entries = read_entries(log, namespace, state.offset, timeout=timeout)
        if not entries:
            break
        for entry in entries:
            state, verdicts = fold(state, [entry])
            past.append(Past(entry, verdicts[0], _documents(state, verdicts[0])))
    return past


def documents(past: list[Past], route: str) -> list[Accepted]:
    """Return every document of a route that was accepted, oldest first."""
    return [a for step in past for a in step.documents if a.document.route == route]


def in_force_then(accepted: list[Accepted], ts: int, bt: int, offset: int) -> Accepted | None:
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


def _documents(state: State, verdict: Verdict) -> tuple[Accepted, ...]:
    if not verdict.accepted or verdict.repeats >= 0:
        return ()
    return tuple(state.routes[r.route].head for r in verdict.revisions)
