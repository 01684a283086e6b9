"""Names of streams, and the partition that a message goes to."""

import re
import zlib

from modelwire_schemas.errors import Rejected

PATTERN = re.compile(r"[A-Za-z0-9._-]{1,249}", re.ASCII)
OWN = "modelwire."
"""How the streams of modelwire's own begin."""

PASSING = (".fleet", ".telemetry")
"""How those of them end in which instances say every two seconds how they do."""


def stream_name(value: str) -> str:
    """Return `value` if it may name a stream; raises Rejected `E_NAME`."""
    if PATTERN.fullmatch(value) and value not in {".", ".."}:
        return value
    raise Rejected(
        "E_NAME",
        f"stream {value!r} is no valid name",
        expected="1 to 249 of A-Z a-z 0-9 . _ -, as in a Kafka topic",
        todo="choose another stream name",
    )


def partition_of(key: bytes | None, keyless: int, partitions: int) -> int:
    """Return the partition of a key; without one they take turns: `keyless` came before."""
    return (keyless if not key else zlib.crc32(key)) % partitions


def checked_partition(stream: str, partition: int, partitions: int) -> int:
    """Return `partition` if the stream has it; raises Rejected `E_PARTITION`."""
    if 0 <= partition < partitions:
        return partition
    raise Rejected(
        "E_PARTITION",
        f"stream {stream} has no partition {partition}",
        expected=f"0 to {partitions - 1}",
    )
