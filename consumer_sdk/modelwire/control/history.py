"""The past: every command with its verdict, every document that ever held; pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from modelwire.control.fold import steps
from modelwire.control.state import Accepted, Entry, State, Verdict


@dataclass(frozen=True, slots=True)
class Past:
    """One record of the control log, what became of it, and the documents that it brought."""

    entry: Entry
    verdict: Verdict
    documents: tuple[Accepted, ...]


def past_of(entries: Iterable[Entry]) -> list[Past]:
    """Return what became of every entry of a control log, from its first one on."""
    return [Past(*step) for step in steps(State(), entries)]


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
