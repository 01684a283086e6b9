"""Which document an event met, as it was known then, and what comes or came behind it (pure)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modelwire.control.history import Past, documents, in_force_then
from modelwire.control.state import ALWAYS, Accepted


@dataclass(frozen=True, slots=True)
class Met:
    """The document that an event of some time meets, as it was known at control offset `known`.

    `scored_now` is what it meets when it is scored only now, where that is another one: a change
    that was made at once reaches back. `later` are the documents that events of later times meet,
    as it was known then, and the time (ms) from which each does.
    """

    found: Accepted
    known: int
    scored_now: Accepted | None
    later: tuple[tuple[int, Accepted], ...]


def met(past: Sequence[Past], route: str, ts: int, bt: int, known: int | None) -> Met | None:
    """Return what an event of `ts` and business time `bt` (ms) meets; None if there was nothing.

    `known` is the control offset that is asked for. By default the event is taken to be scored in
    its time, by what the log had then; where the log is younger than the event, by all there is.
    """
    accepted = documents(past, route)
    then = known_at(past, accepted, ts) if known is None else known
    found = in_force_then(accepted, ts, bt, then)
    if found is None:
        return None
    now = in_force_then(accepted, ts, bt, past[-1].entry.offset) if known is None else None
    is_same = now is None or now.revision == found.revision
    later = tuple(_later(accepted, found, ts, bt, then))
    return Met(found, then, None if is_same else now, later)


def known_at(past: Sequence[Past], accepted: Sequence[Accepted], ts: int) -> int:
    """Return the newest control offset at a time (ms), or of all, if no document was known yet."""
    then = max((p.entry.offset for p in past if p.entry.appended <= ts), default=ALWAYS)
    return then if then >= accepted[0].offset else past[-1].entry.offset


def _later(
    accepted: Sequence[Accepted], found: Accepted, ts: int, bt: int, known: int
) -> Iterator[tuple[int, Accepted]]:
    by_business = bool(accepted[-1].document.time_field)
    times = {a.effective if by_business else max(a.visible, a.effective) for a in accepted}
    last = found
    for time in sorted(time for time in times if time > bt):
        then = in_force_then(accepted, ts if by_business else time, time, known)
        if then is not None and then.revision != last.revision:
            yield time, then
            last = then
