"""Whatever happens to the bytes of a log file: it is noticed, and never read as a record."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from modelwire_log.contract import START, Group, Message, Place, Position, Record
from modelwire_log.sqlite.headers import packed, unpacked
from modelwire_log.sqlite.log import SqliteLog
from modelwire_schemas.errors import Corrupt, ModelwireError

FLIPS = 300
FLIPS_SOAK = 10_000
PLACES = (Place("events", 0), Place("events", 1), Place("large"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def log(path: Path) -> Iterator[SqliteLog]:
    with SqliteLog(path) as opened:
        opened.append_batch("events", [Message(str(n).encode(), b"key") for n in range(5)])
        yield opened


def change(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


@pytest.mark.parametrize(
    "damage",
    [
        "timestamp = timestamp + 1",
        "appended = appended - 1",
        "high = high + 1",
        "crc = crc + 1",
        "key = x'00'",
        "key = NULL",
        "key = 7",
        "headers = '{}'",
        "value = x'ff'",
        "value = NULL",
        "value = 7",
        "value = 'text'",
        "id = id + 100",
    ],
)
def test_a_damaged_record_is_named_once_all_before_it_have_been_read(
    path: Path, log: SqliteLog, damage: str
) -> None:
    change(path, f"UPDATE records SET {damage} WHERE id & 255 = 2")  # noqa: S608
    place = Place("events")
    assert [r.value for r in log.read(place, START)] == [b"0", b"1"]
    with pytest.raises(Corrupt, match=r"events\[0\]@2") as error:
        log.read(place, 1)
    assert error.value.code == "E_CORRUPT"
    if "id" not in damage:
        assert [r.value for r in log.read(place, 2)] == [b"3", b"4"]


def test_a_missing_record_is_damage(path: Path, log: SqliteLog) -> None:
    change(path, "DELETE FROM records WHERE id & 255 = 4")
    place = Place("events")
    assert len(log.read(place, START)) == 4
    with pytest.raises(Corrupt, match=r"events\[0\]@4"):
        log.read(place, 3)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE places SET next = 3",
        "UPDATE places SET next = 9",
        "UPDATE places SET high = 0",
        "UPDATE places SET partitions = 2",
        "UPDATE places SET partition = 1",
        "UPDATE places SET place = 77",
        "UPDATE places SET stream = 'evants'",
    ],
)
def test_a_damaged_end_of_a_partition_is_noticed(path: Path, log: SqliteLog, damage: str) -> None:
    change(path, damage)
    for use in (
        lambda: log.end(Place("events")),
        lambda: log.read(Place("events"), START),
        lambda: log.append("events", Message(b"x")),
    ):
        with pytest.raises(Corrupt):
            use()


@pytest.mark.parametrize("damage", ["after = 1", "control = 9", "settled = 0", "partition = 1"])
def test_a_damaged_position_is_noticed(path: Path, log: SqliteLog, damage: str) -> None:
    member = log.consumer(Group("group", ("events",)))
    member.poll(10, 5)
    member.commit([Position(Place("events"), 4, 5, 6)])
    assert log.positions("group") == (Position(Place("events"), 4, 5, 6),)
    change(path, f"UPDATE positions SET {damage}")  # noqa: S608
    with pytest.raises(Corrupt, match="position of group group"):
        log.positions("group")
    member.close()


def test_a_damaged_time_of_the_log_is_noticed(path: Path, log: SqliteLog) -> None:
    change(path, "UPDATE log SET appended = appended + 1000000")
    with pytest.raises(Corrupt, match="own line"):
        log.append("events", Message(b"x"))


def read_all(log: SqliteLog, place: Place) -> list[Record]:
    records: list[Record] = []
    while some := log.read(place, records[-1].offset if records else START, 37):
        records += some
    return records


def filled(path: Path) -> dict[Place, list[Record]]:
    """Fill a log with records of many shapes, and return them."""
    dice = random.Random(1)  # noqa: S311
    headers = (("ce_id", b"1"), ("ce_type", b"flight"), ("blob", b"\xff\x00"))
    with SqliteLog(path) as log:
        log.create("events", 2)
        batch = [
            Message(dice.randbytes(dice.randrange(60)), bytes([n]), headers if n % 3 else ())
            for n in range(150)
        ]
        log.append_batch("events", batch)
        log.append_batch("large", [Message(dice.randbytes(6000)) for _ in range(4)])
        return {place: read_all(log, place) for place in PLACES}


def damaged_reads(path: Path, good: dict[Place, list[Record]]) -> Iterator[bool]:
    """Read each place; yield whether it was as written (True) or refused (False)."""
    with SqliteLog(path) as log:
        for place, records in good.items():
            try:
                assert read_all(log, place) == records
                yield True
            except ModelwireError:
                yield False


def test_no_flipped_bit_of_the_file_is_ever_read_as_something_else(
    path: Path, tmp_path: Path, *, soak: bool
) -> None:
    good = filled(path)
    content = path.read_bytes()
    dice = random.Random(2)  # noqa: S311
    seen = {True: 0, False: 0}
    for n in range(FLIPS_SOAK if soak else FLIPS):
        damaged = bytearray(content)
        damaged[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
        copy = tmp_path / f"copy-{n}.db"
        copy.write_bytes(damaged)
        for whole in damaged_reads(copy, good):
            seen[whole] += 1
        for file in tmp_path.glob(f"copy-{n}.db*"):
            file.unlink()
    assert seen[True] > 0
    assert seen[False] > 0


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_a_file_that_was_cut_short_is_refused_or_read_up_to_there(path: Path, keep: float) -> None:
    good = filled(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    assert not all(damaged_reads(path, good))


NAMES = st.text(max_size=12) | st.sampled_from(["ce_id", "ce_type", "ce_time", "content-type"])
HEADERS = st.lists(st.tuples(NAMES, st.binary(max_size=20)), max_size=6).map(tuple)


@given(HEADERS)
@settings(max_examples=300)
def test_headers_come_back_in_their_order_whatever_they_hold(
    headers: tuple[tuple[str, bytes], ...],
) -> None:
    assert unpacked(packed(headers)) == headers


def test_the_attributes_of_cloud_events_are_columns(path: Path) -> None:
    headers = (
        ("ce_id", b"17"),
        ("ce_type", b"flight"),
        ("ce_subject", "Zürich".encode()),
        ("content-type", b"application/avro"),
        ("provenance", b"\x00\xff"),
    )
    with SqliteLog(path) as log:
        log.append_batch("events", [Message(b"x", headers=headers), Message(b"y")])
        with closing(sqlite3.connect(path)) as connection:
            query = "SELECT ce_id, ce_type, ce_subject, ce_time, content_type FROM records"
            first, second = connection.execute(query).fetchall()
    assert first == ("17", "flight", "Zürich", None, "application/avro")
    assert second == (None,) * 5
