"""Consumers that read the control log at different speed agree on every settled flight: SQLite.

A fifth of the flights, evenly taken; all 50,018 in the long run (make soak).
"""

from pathlib import Path

import pytest

from tests.cutover import ALL, Slow, play
from tests.router.cli.desk import Desk


@pytest.mark.soak
@pytest.mark.timeout(400)
def test_a_consumer_that_hears_late_of_changes_gives_every_flight_the_same(
    tmp_path: Path, *, soak: bool
) -> None:
    count = ALL if soak else ALL // 5
    desk = Desk(tmp_path)
    slow = Slow(desk.url, lambda consumer, seconds: consumer.tell(f"{seconds}"))
    counts = play(desk, slow, count)
    assert counts["compared"] > counts["events"] >= count
