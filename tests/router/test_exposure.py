"""An exposure budget on the real flights: real scoring, two real controllers, virtual hours."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.decisions.exposure import Played, desk_in, flights, play

pytestmark = pytest.mark.timeout(120)
HOURS, RATE = 3, 3000


@pytest.fixture(scope="module")
def played() -> dict[int, Played]:
    return {budget: play(budget, hours=HOURS, rate=RATE) for budget in (60, 120)}


def test_no_hour_has_more_changed_decisions_than_the_budget(played: dict[int, Played]) -> None:
    for budget, found in played.items():
        assert len(found.hours()) == HOURS
        assert max(found.hours()) <= budget
        assert min(found.hours()[1:]) > budget / 4
        assert sum(minute.exposed for minute in found.minutes) > budget


def test_twice_the_budget_is_about_twice_the_share(played: dict[int, Played]) -> None:
    once, twice = (played[budget].share(since=60) for budget in (60, 120))
    assert 1.5 < twice / once < 2.7


def test_the_log_holds_few_changes_of_the_share(played: dict[int, Played]) -> None:
    assert all(found.changes <= 10 * HOURS for found in played.values())


def test_telemetry_that_stops_takes_the_candidate_out_and_lets_it_in_again(tmp_path: Path) -> None:
    many = 50
    events = iter(flights(40 * many))
    with desk_in(tmp_path) as desk:

        def minute(*, told: bool = True) -> int:
            landing = [next(events) for _ in range(many)]
            return desk.minute(landing, np.zeros(many, np.bool_), told=told).weight

        desk.only("2")  # warm already: its loading would take many of these minutes
        desk.begin(budget=600)
        given = next(weight for _ in range(15) if (weight := minute()))
        silent = [minute(told=False) for _ in range(4)]
        assert min(silent[:3]) > given / 2, "two minutes are in hand"
        assert silent[3] == 0
        assert any(minute() for _ in range(15))
