"""Which share an exposure budget allows: narrower at once, wider only well below it (pure)."""

import math

from modelwire_router.analysis.exposure import HOUR, Exposed
from modelwire_router.rollout.plan import Exposure, Plan, SetWeight
from modelwire_schemas.rollout import Finding, Judgement, Rollout
from modelwire_schemas.routing import BUCKETS

METRIC = "exposure"
"""The name under which a budget is a finding."""

FEWEST = 100
"""Pairs before a candidate gets more."""

WIDER = 1.25
"""A share is widened by so much at least, so that the log holds few changes."""

LAG = 120_000
"""Ms until a narrower share holds and telemetry shows it, amply; who is silent longer has none."""

QUIET = 30_000
"""Ms without telemetry after which nothing is known."""


def holding(plan: Plan, rollout: Rollout) -> Exposure | None:
    """Return the budget that holds: from its step on, until another step has set the share."""
    if rollout.phase.over:
        return None
    done, under_way = plan.steps[: rollout.step], plan.steps[rollout.step]
    if isinstance(under_way, Exposure):
        return under_way
    last = next((s for s in reversed(done) if isinstance(s, SetWeight | Exposure)), None)
    return last if isinstance(last, Exposure) else None


def allowed(budget: Exposure, weight: int, known: Exposed, now: int) -> int:
    """Return the candidate's buckets by a budget; `weight`, which it has, where nothing changes.

    A budget that is used up leaves nothing, until the hour has room again; so does telemetry that
    stopped, as events may go on. What a share would spend may come to the budget; a new share is
    aimed below it. Without numbers there is no more.
    """
    most = min(weight, budget.weight)
    each = known.rate * known.chance / BUCKETS
    used_up = known.spent + each * weight * LAG / HOUR >= budget.changed
    if used_up or _silent(known, now, LAG):
        return 0
    if not each or known.compared < FEWEST:
        return most
    wish = int(aim(budget.changed) / each)
    if each * most > budget.changed:
        return min(wish, most)
    roomy = known.spent <= aim(budget.changed) and wish >= max(1.0, WIDER * weight)
    return max(most, min(wish, budget.weight)) if roomy else most


def aim(changed: int) -> float:
    """Return the mean of which chance makes more than so many once in a hundred hours.

    Counts of rare events are spread like their mean, and the square root of such a count is nearly
    normal with a standard deviation of a half (Anscombe, Biometrika 1948).
    """
    return (math.sqrt(changed + 1) - 2.326 / 2) ** 2


def judgement(budget: Exposure, known: Exposed, now: int) -> Judgement:
    """Return how a budget stands: only `pass` widens."""
    if _silent(known, now, QUIET) or not known.rate or not known.compared:
        return Judgement.NO_DATA
    if known.spent > budget.changed:
        return Judgement.FAIL
    return Judgement.TOO_FEW if known.compared < FEWEST else Judgement.PASS


def finding(budget: Exposure, known: Exposed, now: int) -> Finding:
    """Return what is spent, of how much, and why the share is what it is."""
    last = "never" if known.heard is None else f"{(now - known.heard) / 1000:.0f} s ago"
    silent = f"telemetry came {last}; " if _silent(known, now, QUIET) else ""
    silent += f"{known.rate:,.0f} events an hour; "
    changed = f"{known.changed:,} of {known.compared:,} decisions changed"
    return Finding(
        METRIC,
        judgement(budget, known, now),
        now,
        measured=round(known.spent, 1),
        limit=float(budget.changed),
        samples=known.compared,
        detail=f"{silent}{changed}, {100 * known.chance:.3g} % at most",
    )


def _silent(known: Exposed, now: int, ms: int) -> bool:
    return known.heard is None or now - known.heard > ms
