"""What `modelwire doctor` says of a fleet that does not agree with itself."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from modelwire.control.saved import state_hash
from modelwire_log.envelope import seal
from modelwire_log.sqlite.log import SqliteLog
from modelwire_router.doctor import Finding, examine
from modelwire_router.fleet import newest_reports
from modelwire_schemas.fleet import FleetReport
from modelwire_schemas.names import topic
from tests.waiting import eventually
from tests.world import NAMESPACE, world_on

HASH = "0123456789abcdef" * 2


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    with SqliteLog(tmp_path / "log.db") as log:
        yield log


def tell(log: SqliteLog, instance: str, state_hash: str, *, offset: int = 7) -> None:
    report = FleetReport(
        instance=instance,
        incarnation=instance[-1:],
        application="tests",
        namespace=NAMESPACE,
        host="here",
        pid=1,
        sdk="1",
        fold=1,
        offset=offset,
        state_hash=state_hash,
        horizon=0,
        stale_since=0,
    )
    log.append(topic(NAMESPACE, "fleet"), seal(report, source="tests"))


def about_the_fleet(log: SqliteLog) -> Finding:
    (found,) = [f for f in examine(log.url, NAMESPACE) if f.check == "fleet"]
    return found


def test_two_instances_that_folded_one_log_to_two_states_are_found(log: SqliteLog) -> None:
    tell(log, "a", HASH)
    tell(log, "b", HASH)
    assert about_the_fleet(log).ok
    tell(log, "b", HASH[::-1])
    said = about_the_fleet(log)
    assert not said.ok
    assert said.found == "2 live, and they differ in state at one offset"


def test_who_is_elsewhere_or_tells_no_hash_does_not_differ(log: SqliteLog) -> None:
    tell(log, "a", HASH)
    tell(log, "b", HASH[::-1], offset=8)
    tell(log, "c", "")
    assert about_the_fleet(log).ok


def test_an_instance_tells_its_hash_when_nothing_is_new(tmp_path: Path) -> None:
    with world_on(f"sqlite:///{tmp_path / 'log.db'}", tmp_path) as world, world.connect():
        world.release("1")
        world.flip("1")
        known = state_hash(world.state())
        reports = partial(newest_reports, world.log, NAMESPACE)
        eventually(lambda: [r.state_hash for r, _ in reports()] == [known])
