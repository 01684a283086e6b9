"""When a drill counts as passed: a metric took the bad version back, and nothing else did."""

import pytest

from modelwire_router.drill.outcome import Outcome
from modelwire_schemas.rollout import Finding, Judgement, Phase

FAILED = Finding("errors", Judgement.FAIL, 0)
PASSED = Finding("outputs", Judgement.PASS, 0)
NOT_READY = Finding("readiness", Judgement.FAIL, 0)
NO_DATA = Finding("errors", Judgement.NO_DATA, 0)


@pytest.mark.parametrize(
    ("phase", "findings", "found"),
    [
        pytest.param(Phase.ROLLED_BACK, (FAILED,), True, id="a metric failed"),
        pytest.param(Phase.ROLLED_BACK, (PASSED, FAILED), True, id="one of two failed"),
        pytest.param(Phase.ROLLED_BACK, (NOT_READY,), False, id="nobody was ready"),
        pytest.param(Phase.ROLLED_BACK, (NO_DATA, PASSED), False, id="there was nothing to judge"),
        pytest.param(Phase.PAUSED, (FAILED,), False, id="it only paused"),
        pytest.param(Phase.COMPLETED, (), False, id="it was promoted"),
        pytest.param(Phase.PROGRESSING, (FAILED,), False, id="it is still under way"),
    ],
)
def test_only_a_metric_that_takes_it_back_counts(
    phase: Phase, findings: tuple[Finding, ...], *, found: bool
) -> None:
    assert Outcome(phase, 1.0, 10, 5, 5, 0, findings, "").found is found
