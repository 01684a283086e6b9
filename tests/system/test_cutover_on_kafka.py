"""Consumers that read the control log at different speed agree on every settled flight: Kafka.

A fifth of the flights, evenly taken; all 50,018 in the long run (make soak).
"""

from pathlib import Path

import pytest

from tests.cutover import ALL, Slow, play
from tests.router.cli.desk import Desk
from tests.system.broker import Broker
from tests.system.detour import Detour

pytestmark = [pytest.mark.system, pytest.mark.soak, pytest.mark.timeout(400)]


def test_a_consumer_whose_control_log_is_held_up_on_the_way_gives_every_flight_the_same(
    tmp_path: Path, *, soak: bool
) -> None:
    count = ALL if soak else ALL // 5
    with Broker(tmp_path / "kafka", aside=True) as broker, Detour(*broker.side) as detour:
        desk = Desk(tmp_path, broker.url)
        desk.ok("topics", "create")
        slow = Slow(
            f"kafka://127.0.0.1:{broker.side[0]}",
            lambda _, seconds: setattr(detour, "delay", seconds),
        )
        counts = play(desk, slow, count)
    assert counts["compared"] > counts["events"] >= count
