"""What a metric's findings come to, look after look: go on, go back, ask, or wait."""

from collections.abc import Iterable, Sequence

from modelwire_router.analysis.evidence import Standing
from modelwire_router.rollout.plan import Metric
from modelwire_schemas.rollout import Finding, Judgement

_WORST_FIRST = (Judgement.FAIL, Judgement.INCONCLUSIVE, Judgement.NO_DATA, Judgement.TOO_FEW)


def settle(metric: Metric, findings: Sequence[Finding]) -> Judgement:
    """Return what all looks at a metric, oldest first, come to.

    `fail`: more than `failure_limit` failures, or more than `error_limit` looks in a row without
    data. `inconclusive`: more than `inconclusive_limit` looks that were. Both are for good.
    Otherwise the newest look holds; one that is tolerated is `too_few`: look again. So only `pass`
    goes on, `fail` goes back, `inconclusive` asks an operator, and the others wait.
    """
    found = [finding.judgement for finding in findings]
    if not found:
        return Judgement.NO_DATA
    if found.count(Judgement.FAIL) > metric.failure_limit:
        return Judgement.FAIL
    if _longest_silence(found) > metric.error_limit:
        return Judgement.FAIL
    if found.count(Judgement.INCONCLUSIVE) > metric.inconclusive_limit:
        return Judgement.INCONCLUSIVE
    tolerated = found[-1] in {Judgement.FAIL, Judgement.INCONCLUSIVE}
    return Judgement.TOO_FEW if tolerated else found[-1]


def overall(standings: Iterable[Standing]) -> Judgement:
    """Return what all metrics together say: the worst of those that decide; `pass` if none does."""
    said = {standing.judgement for standing in standings if not standing.finding.dry_run}
    return next((judgement for judgement in _WORST_FIRST if judgement in said), Judgement.PASS)


def _longest_silence(found: Sequence[Judgement]) -> int:
    longest = run = 0
    for judgement in found:
        run = run + 1 if judgement is Judgement.NO_DATA else 0
        longest = max(longest, run)
    return longest
