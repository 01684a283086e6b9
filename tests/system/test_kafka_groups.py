"""Groups and processes on a real Kafka: shares, positions, sleepers and forks."""

import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence

import pytest
from confluent_kafka import TopicPartition

from modelwire_log.contract import START, Consumer, Group, Message, Place, Position, Record
from modelwire_log.kafka.log import KafkaLog
from tests.system.broker import Broker
from tests.waiting import eventually

pytestmark = pytest.mark.system

WITHIN_S = 30.0


def unused(kind: str) -> str:
    return f"{kind}-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def log(kafka_broker: Broker) -> Iterator[KafkaLog]:
    with KafkaLog(kafka_broker.url) as opened:
        yield opened


def poll_some(member: Consumer, count: int) -> list[Record]:
    records: list[Record] = []
    deadline = time.monotonic() + WITHIN_S
    while len(records) < count:
        assert time.monotonic() < deadline, f"{len(records)} of {count} records came"
        records += member.poll(100, 0.1)
    return records


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="ours"),
        pytest.param({"partition.assignment.strategy": "range"}, id="all-at-once"),
        pytest.param({"group.protocol": "consumer"}, id="newer-protocol"),
    ],
)
def test_two_members_share_and_hand_over_whatever_the_protocol(
    kafka_broker: Broker, settings: dict[str, str]
) -> None:
    stream, name = unused("stream"), unused("group")
    handed_over: set[Place] = set()
    with KafkaLog(kafka_broker.url, settings) as log:
        log.create(stream, 4)
        log.append_batch(stream, [Message(b"x", partition=n % 4) for n in range(40)])

        def revoked(places: Sequence[Place]) -> None:
            first.commit([Position(place, 9, control=5) for place in places])
            handed_over.update(places)

        first = log.consumer(Group(name, (stream,), on_revoked=revoked))
        assert len(poll_some(first, 40)) == 40
        positions: list[Position] = []
        second = log.consumer(Group(name, (stream,), on_assigned=positions.extend))
        eventually(
            lambda: (first.poll(1, 0.02), second.poll(1, 0.02), len(positions) == 2)[-1],
            within=WITHIN_S,
        )
        assert {position.place for position in positions} <= handed_over
        assert {(position.after, position.control) for position in positions} == {(9, 5)}
        second.close()
        eventually(lambda: (first.poll(1, 0.02), len(first.assignment()) == 4)[-1], within=WITHIN_S)
        first.close()


def test_a_group_that_begins_at_the_end_has_written_down_where(log: KafkaLog) -> None:
    stream, name = unused("stream"), unused("group")
    log.create(stream)
    log.append(stream, Message(b"before"))
    member = log.consumer(Group(name, (stream,), "end"))
    eventually(lambda: member.poll(1, 0.02) or member.assignment(), within=WITHIN_S)
    member.close()
    log.append(stream, Message(b"between two members"))
    member = log.consumer(Group(name, (stream,), "end"))
    assert [record.value for record in poll_some(member, 1)] == [b"between two members"]
    member.close()


def test_another_programs_position_is_taken_over_without_c_and_h(log: KafkaLog) -> None:
    stream, name = unused("stream"), unused("group")
    log.create(stream)
    log.append_batch(stream, [Message(b"x")] * 3)
    member = log.session().clients.member(name)
    member.commit(offsets=[TopicPartition(stream, 0, 2, metadata="c=ours")], asynchronous=False)
    member.close()
    assert log.positions(name) == (Position(Place(stream), 1),)


SLEEPING = """
import sys
from modelwire_log.contract import Group, Place, Position
from modelwire_log.kafka.log import KafkaLog
from modelwire_schemas.errors import ModelwireError

url, stream, name = sys.argv[1:]
member = KafkaLog(url).consumer(Group(name, (stream,)))
while not member.poll(10, 0.1):
    pass
print("read", flush=True)
sys.stdin.readline()
try:
    member.commit([Position(Place(stream), 0)])
    print("committed")
except ModelwireError as error:
    print(error.code)
"""


def test_who_slept_while_another_took_over_is_fenced(log: KafkaLog) -> None:
    stream, name = unused("stream"), unused("group")
    place = Place(stream)
    log.create(stream)
    log.append_batch(stream, [Message(b"x")] * 6)
    command = [sys.executable, "-c", SLEEPING, log.url, stream, name]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as sleeper:
        assert sleeper.stdout is not None
        assert sleeper.stdout.readline() == "read\n"
        sleeper.send_signal(signal.SIGSTOP)
        try:
            heir = log.consumer(Group(name, (stream,)))
            poll_some(heir, 6)  # once the sleeper's session is over
            heir.commit([Position(place, 5)])
        finally:
            sleeper.send_signal(signal.SIGCONT)
        said, _ = sleeper.communicate("wake up\n", timeout=WITHIN_S)
    assert said == "E_FENCED\n"
    assert log.positions(name) == (Position(place, 5),)
    heir.close()


FORKING = """
import os, sys
from modelwire_log.contract import Group, Message, Place
from modelwire_log.kafka.log import KafkaLog

url, stream, child = sys.argv[1:]
log = KafkaLog(url)
log.append(stream, Message(b"parent"))
member = log.consumer(Group("forking" + stream, (stream,)))
while not member.poll(1, 0.1):
    pass
pid = os.fork()
if pid == 0:
    if child == "busy":
        log.append(stream, Message(b"child"))
        assert len(log.read(Place(stream), -1)) == 2
        log.close()
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
log.append(stream, Message(b"parent"))
member.close()
log.close()
"""


@pytest.mark.parametrize(("child", "written"), [("busy", 3), ("idle", 2)])
def test_a_forked_child_has_clients_of_its_own_and_ends_in_good_order(
    log: KafkaLog, child: str, written: int
) -> None:
    stream = unused("stream")
    log.create(stream)
    subprocess.run(
        [sys.executable, "-c", FORKING, log.url, stream, child], check=True, timeout=WITHIN_S
    )
    assert len(log.read(Place(stream), START)) == written
