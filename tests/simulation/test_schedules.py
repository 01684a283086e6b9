"""Random schedules over the real fold, follower, horizon, lanes and assignment, in virtual time.

Writers change routes now, later, at once and from old revisions; consumers poll, stand still,
crash, and take partitions over from each other; records come late to sight, clocks step back.
"""

import pytest

from tests.simulation.planted import PLANTED, Planted
from tests.simulation.runs import first_fault, how_to_replay, play

PARTS = 10
SCHEDULES = 200
"""Schedules in a part; ten times as many under --soak."""

SEEDS_FOR_A_PLANTED_FAULT = 600


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", range(PARTS))
def test_settled_assignments_agree_and_replays_are_exact(part: int, soak: bool) -> None:  # noqa: FBT001
    count = SCHEDULES * (10 if soak else 1)
    found = first_fault(range(part * count, (part + 1) * count))
    assert found is None, how_to_replay(*found)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED)
def test_a_rule_that_is_reverted_is_found(planted: Planted) -> None:
    seeds = iter(range(SEEDS_FOR_A_PLANTED_FAULT))
    told: set[str] = set()
    while planted.breaks not in told:
        found = first_fault(seeds, planted.product)
        assert found is not None, f"not found in {SEEDS_FOR_A_PLANTED_FAULT} schedules"
        told |= {fault.split(":")[0] for fault in found[1]}


def test_a_schedule_is_the_same_in_every_run() -> None:
    first, second = play(5), play(5)
    assert first.story == second.story
    assert first.stream.outputs == second.stream.outputs


def test_schedules_meet_what_they_are_for() -> None:
    runs = [play(seed) for seed in range(60)]
    documents = [a for run in runs for a in run.shared.accepted]
    told = "\n".join(line for run in runs for line in run.story)
    scorings = [s for run in runs for s in run.stream.outputs]
    assert sum(a.at_once for a in documents) > 20
    assert sum(a.effective > a.accepted for a in documents) > 20
    assert sum(bool(a.document.time_field) for a in documents) > 20
    assert sum(s.settled for s in scorings) > 0.8 * len(scorings)
    assert any(not s.settled for s in scorings)
    assert sum(a.automatic for a in documents) > 20
    assert sum(bool(a.undoes) and not a.at_once for a in documents) > 0
    assert sum(bool(a.takes_back) for a in documents) > 10
    for word in (
        "crashes",
        "takes",
        "E_CONFLICT",
        "RouteConfirmed: accepted",
        "RouteConfirmed: E_WENT_BACK",
        "E_SCHEDULED",
        "E_TOO_EARLY",
        "E_CORRUPT",
        "E_FROZEN",
    ):
        assert word in told, word
