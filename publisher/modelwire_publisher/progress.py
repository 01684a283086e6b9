"""How far a release has come: its stages, and who is told."""

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol, TypeAlias


class Stage(StrEnum):
    """The steps of a release, in order; nothing is written before STORE."""

    READ = "read"
    MAP = "map"
    PROBE = "probe"
    STORE = "store"
    RELEASE = "release"


Progress: TypeAlias = Callable[[Stage, int, int], None]
"""Told a stage, what is done of it and how much there is: bytes, or steps where nothing moves."""


def silent(stage: Stage, done: int, total: int) -> None:
    """Tell nobody."""


class Stop(Protocol):
    """Says when to end, such as a threading.Event."""

    def is_set(self) -> bool:
        """Tell whether it is time."""
        ...


class Never:
    """Goes on until the process is interrupted."""

    def is_set(self) -> bool:
        """Return False."""
        return False
