"""Looks settle into one judgement, and metrics into one for all."""

import pytest

from modelwire_router.analysis.evidence import Standing
from modelwire_router.analysis.settle import overall, settle
from modelwire_router.rollout.plan import Measure, Metric, Query
from modelwire_schemas.rollout import Finding, Judgement

LETTERS = {
    "p": Judgement.PASS,
    "f": Judgement.FAIL,
    "t": Judgement.TOO_FEW,
    "n": Judgement.NO_DATA,
    "i": Judgement.INCONCLUSIVE,
}
METRIC = Metric(
    "m", Query(Measure.ERROR_RATE), failure_limit=1, error_limit=2, inconclusive_limit=1
)


def findings(looks: str) -> list[Finding]:
    return [Finding("m", LETTERS[look], at) for at, look in enumerate(looks)]


@pytest.mark.parametrize(
    ("looks", "settled"),
    [
        pytest.param("", "n", id="never-looked-at-is-no-data"),
        pytest.param("p", "p", id="a-pass-passes"),
        pytest.param("pf", "t", id="a-tolerated-failure-waits"),
        pytest.param("fp", "p", id="a-tolerated-failure-may-recover"),
        pytest.param("fpf", "f", id="failures-need-not-be-in-a-row"),
        pytest.param("fpfpp", "f", id="more-failures-than-allowed-are-for-good"),
        pytest.param("nnp", "p", id="a-short-silence-is-forgiven"),
        pytest.param("nn", "n", id="a-short-silence-is-no-success"),
        pytest.param("nnn", "f", id="a-long-silence-fails"),
        pytest.param("nnpnn", "n", id="silences-count-in-a-row"),
        pytest.param("i", "t", id="a-tolerated-doubt-waits"),
        pytest.param("ipi", "i", id="more-doubts-than-allowed-ask"),
        pytest.param("ttttttttt", "t", id="too-few-waits-as-long-as-it-takes"),
        pytest.param("iiff", "f", id="failure-outweighs-doubt"),
    ],
)
def test_looks_settle(looks: str, settled: str) -> None:
    assert settle(METRIC, findings(looks)) is LETTERS[settled]


@pytest.mark.parametrize(
    ("settled", "whole"), [("ppp", "p"), ("ptp", "t"), ("tnp", "n"), ("nip", "i"), ("fin", "f")]
)
def test_the_worst_metric_speaks_for_all(settled: str, whole: str) -> None:
    standings = [Standing(found.judgement, found) for found in findings(settled)]
    assert overall(standings) is LETTERS[whole]


def test_a_dry_run_never_decides() -> None:
    dry = Finding("dry", Judgement.FAIL, 0, dry_run=True)
    assert overall([Standing(Judgement.FAIL, dry)]) is Judgement.PASS
