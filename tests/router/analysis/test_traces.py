"""Every trace of the table is judged as it should be."""

import pytest

from modelwire_router.analysis.assess import assess
from modelwire_router.analysis.evidence import Side
from modelwire_router.rollout.plan import Template
from modelwire_schemas.rollout import Judgement
from tests.router.analysis.made import T0
from tests.router.analysis.traces import TRACES, Trace

CANDIDATE, STABLE = Side("2"), Side("1")


@pytest.mark.parametrize("trace", [pytest.param(trace, id=trace.name) for trace in TRACES])
def test_a_trace_is_judged(trace: Trace) -> None:
    template = Template("t", (trace.metric,))
    (standing,) = assess(template, CANDIDATE, STABLE, trace.evidence, T0, trace.now)
    said = standing.finding.judgement, standing.judgement
    assert said == (trace.finding, trace.settled), standing.finding


def test_there_are_sixty_traces_and_each_has_a_name_of_its_own() -> None:
    assert len({trace.name for trace in TRACES}) == len(TRACES) >= 60
    assert {trace.finding for trace in TRACES} == set(Judgement)
