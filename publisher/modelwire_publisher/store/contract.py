"""What every store promises: the bytes are durable before anyone hears of them."""

from collections.abc import Callable
from typing import Protocol, TypeAlias

from modelwire_publisher.artifact import Staged
from modelwire_schemas.errors import Corrupt
from modelwire_schemas.release import Artifact

Told: TypeAlias = Callable[[int], None]
"""Told how many bytes have just been written."""


class Store(Protocol):
    """Takes the files of an artifact. What it has once written, it never changes."""

    def plan(self, staged: Staged) -> Artifact:
        """Return the artifact as `keep` would, as large as that in a record; write nothing."""
        ...

    def keep(self, staged: Staged, told: Told) -> Artifact:
        """Write the files and return the artifact with its place, once all bytes are durable.

        What is there already under the same digest is taken if it is the same. Raises Unavailable
        when the store is out of reach or full.
        """
        ...


def other_bytes(where: str) -> Corrupt:
    """Return the error for a place that holds something else than its digest says."""
    return Corrupt(
        "E_DIGEST",
        "the store has other bytes there already",
        where=where,
        expected="what the digest in its name says",
        todo="remove it, and look who wrote it",
    )
