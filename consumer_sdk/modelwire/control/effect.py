"""What an accepted command changes in the state."""

from typing import NamedTuple

from modelwire.control.state import ALWAYS, Accepted, Proposal, Release, RouteState
from modelwire_schemas.policy import PolicySet


class Effect(NamedTuple):
    """What an accepted body changes, and what its author is told; quick to make.

    `documents` are what it brought, in order; `routes` hold them. `proposals` are new or further
    on, `closed` are those that wait no longer.
    """

    releases: tuple[Release, ...] = ()
    routes: tuple[RouteState, ...] = ()
    policy: PolicySet | None = None
    documents: tuple[Accepted, ...] = ()
    detail: str = ""
    proposals: tuple[Proposal, ...] = ()
    closed: tuple[int, ...] = ()

    @property
    def effective(self) -> int:
        """From when all of the documents hold; a way back comes later."""
        holding = [a for a in self.documents if not a.takes_back] or self.documents
        return max([a.effective for a in holding], default=ALWAYS)
