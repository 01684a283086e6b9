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


def sample_ratio(strata: Strata, planned: Sequence[Planned], keys: int, now: int) -> Finding:
    """Judge the ratio of routed events; a mismatch is `inconclusive`: an operator should look.

    Events of `keys` equally busy keys (0: each event by itself) are off the plan as a draw of so
    many is, whatever their number; they are held against the nearest share that this allows.
    """
    shares = {one.revision: one for one in planned}
    known = [shares.get(revision) for revision in strata.revisions]
    share = np.array([_share(one) for one in known])
    ours, theirs = strata.counts(lambda window: window.routed)
    counted = (share > 0) & (share < 1)
    ours, total = ours[counted], (ours + theirs)[counted]
    if not total.sum():
        return Finding(NAME, Judgement.TOO_FEW, now, detail="no event was divided yet")
    meant = (total * share[counted]).sum()
    expected = float(meant / total.sum())
    off = DEVIATIONS * math.sqrt((1 - expected) / (expected * keys)) if keys else 0.0
    nearest = min(max(ours.sum() / meant, 1 - off), 1 + off)
    log_e = mismatch(ours, total, share[counted] * nearest)[-1]
    wrong = bool(log_e >= -math.log(ALPHA))
    return Finding(
        NAME,
        Judgement.INCONCLUSIVE if wrong else Judgement.PASS,
        now,
        measured=float(ours.sum() / total.sum()),
        reference=expected,
        samples=int(ours.sum()),
        reference_samples=int(total.sum() - ours.sum()),
        detail="events are not divided as planned" if wrong else "",
    )


def _share(planned: Planned | None) -> float:
    both = planned.candidate + planned.stable if planned else 0.0
    return planned.candidate / both if planned and both > 0 else 0.0
