"""The answer to "which version?", its reason, and what is counted on the way."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Reason(StrEnum):
    """Why an event got its version.

    sole       the document has one rule, and one variant of it has everything: nothing was asked
    match      a rule's condition matched, and one variant has everything there
    default    no condition matched, and one variant has everything in the last rule
    split      the bucket of its key
    no_key     it has no key, so the bucket of its coordinates
    event      the bucket of its coordinates, as the rule asks
    partition  the partition that it came from
    forced     a header named the version, and the document allows that
    """

    SOLE = "sole"
    MATCH = "match"
    DEFAULT = "default"
    SPLIT = "split"
    NO_KEY = "no_key"
    EVENT = "event"
    PARTITION = "partition"
    FORCED = "forced"


class Assignment(NamedTuple):
    """The version of one event; `bucket` is None where none was needed."""

    version: str
    variant: str
    rule: str
    bucket: int | None
    revision: int
    reason: Reason


class Arm(NamedTuple):
    """One way through a document: a variant of a rule, and why an event takes it."""

    rule: str
    variant: str
    version: str
    reason: Reason

    def assignment(self, bucket: int | None, revision: int) -> Assignment:
        """Return the answer for an event that goes this way."""
        rule, variant, version, reason = self
        return Assignment(version, variant, rule, bucket, revision, reason)


@dataclass(slots=True)
class Counts:
    """How often an event lacked what the rules asked for; it only grows."""

    no_key: int = 0
    missing_field: int = 0
    unknown_forced: int = 0

    def missing(self) -> None:
        """Count one field that a condition asked for and the event did not have."""
        self.missing_field += 1
