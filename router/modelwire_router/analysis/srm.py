"""Whether the events were divided as planned; where not, no comparison can be trusted."""

import math
from collections.abc import Sequence

import numpy as np

from modelwire_router.analysis.arithmetic import Array
from modelwire_router.analysis.evidence import Planned
from modelwire_router.analysis.strata import Strata
from modelwire_schemas.rollout import Finding, Judgement

NAME = "sample-ratio"
ALPHA = 0.001

DEVIATIONS = 3.5
"""So many standard deviations a draw of keys may be off: more in one of 2,000 plans."""

_ODDS = np.exp(0.016 * 2.5 ** np.arange(6))
_BOTH_WAYS = np.concatenate([_ODDS, 1 / _ODDS])


def mismatch(ours: Array, total: Array, planned: Array) -> Array:
    """Return the log e-value that shares are not as planned, after each stratum (the last axis).

    `ours` of `total` events were routed to the candidate, where `planned` is its share of both.
    A sequential test of counts against their plan as in Lindon and Malek ("Anytime-valid inference
    for multinomial count data", NeurIPS 2022), with a grid of odds instead of their Dirichlet
    mixture, so that the plan may change from stratum to stratum.
    """
    share = np.clip(planned, 1e-9, 1 - 1e-9)
    each = [ours * np.log(t) - total * np.log1p(share * (t - 1)) for t in _BOTH_WAYS]
    mixed: Array = np.logaddexp.reduce([np.cumsum(one, -1) for one in each], axis=0)
    return mixed - math.log(len(_BOTH_WAYS))


def drawn(strata: Strata, planned: Sequence[Planned], keys: int) -> Array:
    """Return the candidate's share of both sides' events by stratum; 0 where nothing is planned.

    Events of `keys` equally busy keys (0: each event by itself) are off the plan as a draw of so
    many is, whatever their number; of what this allows it is the nearest to what was routed.
    """
    ours, theirs = strata.counts(lambda window: window.routed)
    revisions, found = np.array(strata.revisions), np.zeros(len(strata.revisions))
    for plan in planned:
        if not plan.candidate > 0:
            continue
        own = revisions == plan.revision
        share = plan.candidate / (plan.candidate + plan.stable)
        off = DEVIATIONS * math.sqrt((1 - share) / (share * keys)) if keys else 0.0
        routed = ours[own].sum() / max((ours + theirs)[own].sum(), 1.0)
        found[own] = min(max(routed, share * (1 - off)), share * (1 + off), 1.0)
    return found


def sample_ratio(strata: Strata, planned: Sequence[Planned], keys: int, now: int) -> Finding:
    """Judge the ratio of routed events; a mismatch is `inconclusive`: an operator should look.

    They are held against the nearest shares that a draw of `keys` allows; see `drawn`.
    """
    share, nearest = (drawn(strata, planned, of) for of in (0, keys))
    ours, theirs = strata.counts(lambda window: window.routed)
    counted = (share > 0) & (share < 1)
    ours, total = ours[counted], (ours + theirs)[counted]
    if not total.sum():
        return Finding(NAME, Judgement.TOO_FEW, now, detail="no event was divided yet")
    wrong = bool(mismatch(ours, total, nearest[counted])[-1] >= -math.log(ALPHA))
    return Finding(
        NAME,
        Judgement.INCONCLUSIVE if wrong else Judgement.PASS,
        now,
        measured=float(ours.sum() / total.sum()),
        reference=float((total * share[counted]).sum() / total.sum()),
        samples=int(ours.sum()),
        reference_samples=int(total.sum() - ours.sum()),
        detail="events are not divided as planned" if wrong else "",
    )
