"""Changes that nobody appended, folded: what the log would come to (pure)."""

from modelwire.control.fold import fold
from modelwire.control.state import Entry, State
from modelwire_schemas.control import Body, Command, ControlRecord, fold_of

SOON = 60_000
"""Ms after which a command that is only thought of expires."""


def folded(state: State, body: Body, now: int) -> State:
    """Return the state behind `body`, appended at `now` (ms) behind all that `state` knows.

    Raises Conflict or Rejected where the fold refuses it.
    """
    offset = state.offset + 1
    now = max(state.now, now)
    command = Command(f"virtual-{offset}", "", now + SOON, fold_of(body))
    after, (verdict,) = fold(state, [Entry(offset, now, ControlRecord(command, body))])
    verdict.check()
    return after
