"""What the demo says of who got which version: a good run has no fault, and a bad one is told."""

from dataclasses import replace

import pytest

from modelwire_router.demo.check import Findings
from modelwire_router.demo.ledger import Ledger, Scored
from modelwire_router.demo.sides import Kind, check_sides, two_sided
from modelwire_schemas.rollout import Phase
from tests.router.demo.playing import changed, played, said

SEEN = {
    "canary": {Kind.SHARES},
    "shadow": {Kind.PAIRS},
    "ab": {Kind.SHARES},
    "bluegreen": {Kind.FLIP, Kind.PAIRS},
    "rolling": {Kind.PARTITIONS},
}


def faults(ledger: Ledger) -> list[str]:
    return [one.fault for one in check_sides(ledger) if one.fault]


def under(ledger: Ledger, revision: int, version: str = "") -> list[Scored]:
    found = [one for one in ledger.outputs if one.value["revision"] == revision]
    return [one for one in found if version in {"", one.value["routed_to"]}]


def on_candidate(one: Scored) -> Scored:
    return said(one, variant="candidate", routed_to="2")


@pytest.mark.parametrize("story", SEEN)
def test_a_good_run_has_no_fault_and_shows_what_its_strategy_is_about(story: str) -> None:
    ledger = played(story)
    assert faults(ledger) == []
    assert two_sided(ledger) == 0
    assert {one.kind for one in check_sides(ledger)} == {*SEEN[story], Kind.END}
    assert all(one.told for one in check_sides(ledger))


def test_a_share_that_chance_does_not_explain_is_a_fault() -> None:
    ledger = played("canary")
    stable = under(ledger, 3, "1")
    few = changed(ledger, *map(on_candidate, stable[:5]))
    assert not any("standard errors" in fault for fault in faults(few))
    fault = faults(changed(ledger, *map(on_candidate, stable[:80])))[0]
    assert fault.startswith("revision 3: ")
    assert fault.endswith("standard errors off")


def test_a_key_on_two_sides_of_a_split_is_counted() -> None:
    ledger = played("canary")
    one, other = under(ledger, 5, "1")[:2]
    key = one.event.record.key
    twin = replace(other, event=replace(other.event, record=other.event.record._replace(key=key)))
    assert two_sided(changed(ledger, on_candidate(twin))) == 1


def test_a_plane_that_a_growing_share_moves_back_is_a_fault() -> None:
    ledger = played("canary")
    came = under(ledger, 3, "2")[0]
    again = [o for o in under(ledger, 5) if o.event.record.key == came.event.record.key]
    back = [said(one, variant="stable", routed_to="1") for one in again]
    assert faults(changed(ledger, *back)) == ["1 planes that a growing share moved back"]


def test_an_event_of_a_partition_that_has_not_moved_yet_is_a_fault() -> None:
    ledger = played("rolling")
    early = under(ledger, 3, "1")[0]
    wrong = changed(ledger, said(early, routed_to="2"))
    assert faults(wrong) == ["1 events of a partition on the wrong side"]


def test_an_event_before_or_behind_a_flip_is_a_fault_unless_it_says_so() -> None:
    ledger = played("bluegreen")
    early, late = under(ledger, 4)[-1], under(ledger, 5)[0]
    wrong = (said(early, routed_to="2"), said(late, routed_to="1"))
    assert "2 events beside the flip" in faults(changed(ledger, *wrong))
    marked = [said(one, unsettled=True) for one in wrong]
    assert not any("flip" in fault for fault in faults(changed(ledger, *marked)))


def test_a_pair_of_another_output_or_event_is_a_fault() -> None:
    ledger = played("shadow")
    first, *rest = ledger.pairs
    other = {**first, "live": {**first["live"], "outputs": {"late": -1.0}}}
    strange = ["1 pairs of other events or outputs"]
    assert faults(changed(ledger, pairs=(other, *rest))) == strange
    paired = {pair["source"]["offset"] for pair in ledger.pairs}
    undue = next(o for o in under(ledger, 3) if o.place[1] not in paired)
    more = {**first, "source": undue.value["source"]}
    assert faults(changed(ledger, pairs=(*ledger.pairs, more))) == strange


def test_an_event_without_a_pair_was_counted_as_dropped_or_is_a_fault() -> None:
    ledger = played("shadow")
    fewer = changed(ledger, pairs=ledger.pairs[1:])
    assert faults(fewer) == ["1 events without a pair that nobody counted"]
    assert faults(replace(fewer, spared={"3": 1})) == []


def test_a_document_with_another_share_than_its_step_is_a_fault() -> None:
    ledger = played("canary")
    (run,) = ledger.runs
    tenth, half = run.said[1].accepted.document, run.said[3].accepted
    wrong = replace(run.said[3], accepted=replace(half, document=tenth))
    steps = (*run.said[:3], wrong, *run.said[4:])
    assert "revision 5 has 10 %, not as planned" in faults(
        replace(ledger, runs=(replace(run, said=steps),))
    )


def test_an_event_behind_the_end_on_the_other_version_is_a_fault() -> None:
    ledger = played("bluegreen")
    last = under(ledger, 5)[-1]
    fault = "behind its end revision 5 is not all on 2"
    assert fault in faults(changed(ledger, said(last, routed_to="1")))


def test_two_rollouts_by_plans_that_differ_are_a_fault() -> None:
    ledger = played("canary")
    (run,) = ledger.runs
    other = replace(run, plan=replace(run.plan, stable="2", candidate="3"))
    differ = "the plans of the rollouts differ"
    assert differ not in faults(replace(ledger, runs=(run, other)))
    softer = replace(other, plan=replace(other.plan, templates=()))
    assert differ in faults(replace(ledger, runs=(run, softer)))


def test_a_rollout_that_ends_otherwise_and_a_strategy_that_nobody_saw_are_faults() -> None:
    ledger = played("canary")
    found = Findings(runs=ledger.runs, checked=tuple(check_sides(ledger)))
    ends = {"2": Phase.COMPLETED}
    assert found.faults(ends, (Kind.SHARES,), exactly_once=True) == []
    ends = {"2": Phase.ROLLED_BACK, "3": Phase.ROLLED_BACK}
    assert found.faults(ends, (Kind.SHARES, Kind.FLIP), exactly_once=True) == [
        "the rollout of 2 is to be rolled_back, not completed",
        "the rollout of 3 is to be rolled_back, not missing",
        "nothing was seen of a flip in one record",
    ]
