"""The states of a version in one process: one table, and nothing else decides what may follow."""

from enum import StrEnum
from typing import Protocol


class VersionState(StrEnum):
    """How far a version has come."""

    WANTED = "wanted"
    FETCHING = "fetching"
    VERIFIED = "verified"
    PROBED = "probed"
    LOADED = "loaded"
    WARM = "warm"
    SERVING = "serving"
    RETIRED = "retired"
    FREED = "freed"
    FAILED = "failed"


class Told(Protocol):
    """Hears of every state of a version on its way, and how far it is in it."""

    def __call__(self, state: VersionState, detail: str = "", /) -> None:
        """Take the news; the same state may come again with another detail."""


TRANSITIONS: dict[VersionState, frozenset[VersionState]] = {
    VersionState.WANTED: frozenset(
        {VersionState.FETCHING, VersionState.FREED, VersionState.FAILED}
    ),
    VersionState.FETCHING: frozenset(
        {VersionState.VERIFIED, VersionState.WANTED, VersionState.FAILED}
    ),
    VersionState.VERIFIED: frozenset({VersionState.PROBED, VersionState.FAILED}),
    VersionState.PROBED: frozenset({VersionState.LOADED, VersionState.FREED, VersionState.FAILED}),
    VersionState.LOADED: frozenset({VersionState.WARM, VersionState.FAILED}),
    VersionState.WARM: frozenset({VersionState.SERVING, VersionState.RETIRED, VersionState.FAILED}),
    VersionState.SERVING: frozenset({VersionState.WARM, VersionState.RETIRED, VersionState.FAILED}),
    VersionState.RETIRED: frozenset({VersionState.FREED, VersionState.WARM}),
    VersionState.FREED: frozenset({VersionState.WANTED}),
    VersionState.FAILED: frozenset({VersionState.WANTED, VersionState.FREED}),
}


def follows(before: VersionState, after: VersionState) -> bool:
    """Whether a version in state `before` may go to `after`."""
    return after in TRANSITIONS[before]
