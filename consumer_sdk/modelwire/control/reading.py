"""Reading the control log: records into entries, the fold of a prefix of it, its whole past."""

from collections.abc import Callable, Iterator
from itertools import chain

from modelwire.control.fold import fold
from modelwire.control.history import Past, past_of
from modelwire.control.snapshots import beginning
from modelwire.control.state import Entry, State, Verdict
from modelwire_log.contract import START, Log, Place, Record
from modelwire_log.envelope import open_envelope
from modelwire_schemas.control import ControlRecord
from modelwire_schemas.errors import ModelwireError, Rejected, TooNew
from modelwire_schemas.names import topic

BATCH = 1000


def control_place(namespace: str) -> Place:
    """Return where a namespace's control log lies."""
    return Place(topic(namespace, "control"))


def read_entries(
    log: Log, namespace: str, after: int, limit: int = BATCH, *, timeout: float = 5.0
) -> list[Entry]:
    """Return up to `limit` entries behind offset `after`; empty at the end.

    Raises TooNew when the next record needs a newer modelwire: the reader stops there (R25).
    """
    entries: list[Entry] = []
    for record in log.read(control_place(namespace), after, limit, timeout=timeout):
        try:
            entries.append(_entry(record))
        except TooNew:
            if not entries:
                raise
            break
    return entries


def entries_up_to(
    log: Log, namespace: str, after: int, last: int, *, timeout: float = 5.0
) -> Iterator[list[Entry]]:
    """Yield the entries behind offset `after` up to offset `last`, batch by batch."""
    while after < last:
        entries = read_entries(log, namespace, after, timeout=timeout)
        batch = [entry for entry in entries if entry.offset <= last]
        if not batch:
            return
        yield batch
        after = batch[-1].offset


def _entry(record: Record) -> Entry:
    try:
        event = open_envelope(record)
    except TooNew:
        raise
    except ModelwireError as error:
        return Entry(record.offset, record.appended, error)
    if not isinstance(event, ControlRecord):
        none = Rejected("E_SCHEMA", "a record that is no command", expected="a control record")
        return Entry(record.offset, record.appended, none)
    return Entry(record.offset, record.appended, event)


def fold_log(
    log: Log,
    namespace: str,
    *,
    state: State | None = None,
    last: int | None = None,
    each: Callable[[Entry, Verdict], None] | None = None,
    timeout: float = 5.0,
) -> State:
    """Fold the control log from `state` on, or from its newest snapshot, and return the state.

    Stops at offset `last`, by default at the end of the log as it is now. `each` sees every entry
    and its verdict, so with it no snapshot is used.
    """
    end = log.end(control_place(namespace), timeout=timeout) if last is None else last
    if state is None:
        whole = each is not None
        state = State() if whole else beginning(log, namespace, end, timeout=timeout)
    for entries in entries_up_to(log, namespace, state.offset, end, timeout=timeout):
        state, verdicts = fold(state, entries)
        if each is not None:
            for entry, verdict in zip(entries, verdicts, strict=True):
                each(entry, verdict)
    return state


def read_past(
    log: Log, namespace: str, *, last: int | None = None, timeout: float = 5.0
) -> list[Past]:
    """Fold the whole control log record by record; off the event path, for people and for undo.

    With `last`, up to that offset.
    """
    end = log.end(control_place(namespace), timeout=timeout) if last is None else last
    entries = entries_up_to(log, namespace, START, end, timeout=timeout)
    return past_of(chain.from_iterable(entries))
