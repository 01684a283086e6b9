"""What a policy must keep: patterns that are words, few enough rows, times in order."""

from collections.abc import Callable, Mapping
from typing import Any as Anything

from modelwire_schemas.bounds import at_least, text, word
from modelwire_schemas.errors import Rejected
from modelwire_schemas.limits import MAX_POLICY
from modelwire_schemas.policy import Approvals, Blackout, PolicySet, Right


def _right(right: Right) -> None:
    _few("patterns", (*right.names, *right.authors, *right.roles))
    for pattern in (*right.names, *right.authors, *right.roles):
        word("pattern", pattern, least=1)


def _approvals(approvals: Approvals) -> None:
    _few("patterns", approvals.routes)
    for pattern in approvals.routes:
        word("pattern", pattern, least=1)
    at_least(1, "needed", approvals.needed)


def _blackout(blackout: Blackout) -> None:
    at_least(0, "start", blackout.start)
    at_least(blackout.start + 1, "end", blackout.end)
    text("reason", blackout.reason)


def _policy(policy: PolicySet) -> None:
    at_least(0, "lead", policy.lead)
    _few("rights", policy.rights)
    _few("approvals", policy.approvals)
    _few("blackouts", policy.blackouts)


def _few(kind: str, rows: tuple[object, ...]) -> None:
    if len(rows) > MAX_POLICY:
        raise Rejected("E_RANGE", f"{len(rows)} {kind}", expected=f"at most {MAX_POLICY}")


POLICY_CHECKS: Mapping[object, Callable[[Anything], None]] = {
    Approvals: _approvals,
    Blackout: _blackout,
    PolicySet: _policy,
    Right: _right,
}
