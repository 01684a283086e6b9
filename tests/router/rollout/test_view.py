"""What people see of a rollout: what it waits for, and what keeps it from going by itself."""

from modelwire.control.state import RouteState
from modelwire_router.decide import Standing
from modelwire_router.rollout.machine import Look, next_step, pause
from modelwire_router.rollout.plan import Analyse, SetWeight
from modelwire_router.rollout.telling import finding_row, numbers
from modelwire_router.rollout_view import rollout_row
from modelwire_schemas.rollout import Finding, Judgement
from tests.router.rollout.test_machine import NOW, ROUTE, accepted, begun, plan, rollout

PLAN = plan(Analyse(("t",), 0), SetWeight(5_000))


def waits(route: RouteState, look: Look) -> str:
    return str(rollout_row(Standing(route, rollout(route), PLAN), look)["waits_for"])


def test_who_paused_by_hand_resumes_and_who_has_doubts_decides() -> None:
    """Resumed on the same numbers it would be paused again."""
    by_hand = accepted(pause(begun(PLAN), "lunch"))
    assert waits(by_hand, Look(NOW)) == f"modelwire resume {ROUTE}"

    doubt = Finding("quality", Judgement.INCONCLUSIVE, NOW)
    look = Look(NOW, findings={"t": (doubt,)})
    paused = next_step(PLAN, begun(PLAN), look)
    assert paused is not None
    assert waits(accepted(paused.change), look) == f"modelwire promote {ROUTE}, or abort"


def test_large_numbers_are_written_out() -> None:
    slow = Finding("latency", Judgement.FAIL, NOW, 178_175.99, 7_872.0, 23_616.0, samples=4_588)
    assert numbers(finding_row(slow)) == "178,176, against 7,872, limit 23,616, n=4,588"
    few = Finding("errors", Judgement.PASS, NOW, 0.00123456, limit=0.005)
    assert numbers(finding_row(few)) == "0.001235, limit 0.005"
