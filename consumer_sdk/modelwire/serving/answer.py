"""What comes back: an answer that knows where it is from, and a batch of them in columns."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any, Final, TypeAlias

from modelwire_schemas.errors import ModelwireError, Rejected

Value: TypeAlias = Any
"""A numpy array, or one value of it. Numpy is not imported here, since it loads at first use."""

Failure: TypeAlias = tuple[int, ModelwireError]
"""The number of a row, from 0, and why it has no answer."""


_NONE: Mapping[int, ModelwireError] = {}


class Raise:
    """Says that `predict` raises when nothing is ready."""

    def __repr__(self) -> str:
        return "RAISE"


RAISE: Final = Raise()


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where answers are from; all answers that say the same share one object.

    `version` is the one that answered, as is `served_by`; `routed_to` is the one that the rules
    chose. `offset` is how far the control log was known. `stale`: the log could not be asked.
    `unsettled`: a change that was not seen yet may reach back before this event (R10).
    """

    route: str
    model: str
    version: str
    digest: str
    variant: str
    rule: str
    revision: int
    reason: str
    offset: int
    stale: bool
    routed_to: str
    served_by: str
    unsettled: bool = False


class Answer:
    """One event's outputs, and where they are from. Read it, and do not change it.

    It keeps the outputs of its whole batch in memory; keep `.outputs`, not the answer, for long.
    """

    __slots__ = ("_arrays", "_names", "_row", "bucket", "provenance")

    def __init__(
        self,
        arrays: Sequence[Value],
        names: Sequence[str],
        row: int,
        provenance: Provenance,
        bucket: int | None,
    ) -> None:
        self._arrays = arrays
        self._names = names
        self._row = row
        self.provenance = provenance
        self.bucket = bucket

    @property
    def outputs(self) -> dict[str, Value]:
        """Output name to numpy value, without the batch axis."""
        return {n: a[self._row] for n, a in zip(self._names, self._arrays, strict=True)}

    @property
    def value(self) -> Value:
        """The only output; raises Rejected `E_OUTPUTS` when there are several."""
        if len(self._arrays) != 1:
            raise _several(self._names)
        return self._arrays[0][self._row]

    @property
    def route(self) -> str:
        """The route that was asked."""
        return self.provenance.route

    @property
    def model(self) -> str:
        """The model that answered."""
        return self.provenance.model

    @property
    def version(self) -> str:
        """The version that answered, as `served_by`."""
        return self.provenance.served_by

    @property
    def digest(self) -> str:
        """The digest of that version's artifact."""
        return self.provenance.digest

    @property
    def variant(self) -> str:
        """The variant that the rules chose."""
        return self.provenance.variant

    @property
    def rule(self) -> str:
        """The rule that matched."""
        return self.provenance.rule

    @property
    def revision(self) -> int:
        """The revision of the routing document in force."""
        return self.provenance.revision

    @property
    def reason(self) -> str:
        """Why the rules chose that variant."""
        return self.provenance.reason

    @property
    def offset(self) -> int:
        """How far the control log was known."""
        return self.provenance.offset

    @property
    def stale(self) -> bool:
        """Whether the control log could not be asked."""
        return self.provenance.stale

    @property
    def routed_to(self) -> str:
        """The version that the rules chose."""
        return self.provenance.routed_to

    @property
    def served_by(self) -> str:
        """The version that answered."""
        return self.provenance.served_by

    @property
    def unsettled(self) -> bool:
        """Whether a change that was not seen yet may reach back before this event."""
        return self.provenance.unsettled

    def __repr__(self) -> str:
        told = self.provenance
        parts = [f"{name}={_shown(value)}" for name, value in self.outputs.items()]
        parts.append(f"{told.model} {told.served_by}")
        if told.routed_to != told.served_by:
            parts.append(f"instead of {told.routed_to}")
        parts.append(f"{told.variant} by {told.reason}")
        if self.bucket is not None:
            parts.append(f"bucket {self.bucket}")
        parts.append(f"{told.route} revision {told.revision}")
        parts += [mark for mark in ("stale", "unsettled") if getattr(told, mark)]
        return f"Answer({', '.join(parts)})"


class Answers:
    """The answers to a batch, in columns.

    `outputs` maps each output to an array with one row an event. A faulty event has NaN there
    (0, False or "" where the type has no NaN), and stands in `errors` with its row and why.
    `answers[i]` makes one row's Answer, or raises that row's error. Iteration goes over all rows
    in order and gives the error in the answer's place. Row i is from `provenances[which[i]]`
    (`which` None: all from the first), and `buckets[i]` is its bucket. `took[n]` is how long the
    rows of `provenances[n]` ran (ns), where that is known; in the rows `raised` the version that
    was meant raised, and a fallback answered.
    """

    __slots__ = (
        "_arrays",
        "_failed",
        "_names",
        "_size",
        "buckets",
        "errors",
        "provenances",
        "raised",
        "took",
        "which",
    )

    def __init__(
        self,
        arrays: Sequence[Value],
        names: Sequence[str],
        size: int,
        provenances: tuple[Provenance, ...],
        which: Sequence[int] | None = None,
        buckets: Sequence[int | None] | None = None,
        errors: tuple[Failure, ...] = (),
        took: tuple[int, ...] = (),
        raised: frozenset[int] = frozenset(),
    ) -> None:
        self._arrays = arrays
        self._names = names
        self._size = size
        self.took = took
        self.raised = raised
        self.provenances = provenances
        self.which = which
        self.buckets = buckets
        self.errors = errors
        self._failed = dict(errors) if errors else _NONE

    @property
    def outputs(self) -> dict[str, Value]:
        """Output name to numpy array, one row an event."""
        return dict(zip(self._names, self._arrays, strict=True))

    @property
    def value(self) -> Value:
        """The array of the only output; raises Rejected `E_OUTPUTS` when there are several."""
        if len(self._arrays) != 1:
            raise _several(self._names)
        return self._arrays[0]

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, row: int) -> Answer:
        number = index(row)
        if not -self._size <= number < self._size:
            raise IndexError(f"row {number} of {self._size} answers")
        number %= self._size
        failed = self._failed.get(number)
        if failed is not None:
            raise failed.with_traceback(None)
        return self._answer(number)

    def __iter__(self) -> Iterator[Answer | ModelwireError]:
        for number in range(self._size):
            yield self._failed.get(number) or self._answer(number)

    def __repr__(self) -> str:
        versions = {told.served_by: None for told in self.provenances}
        return (
            f"Answers({self._size} rows of {', '.join(self._names)}, {len(self.errors)} faulty, "
            f"by {', '.join(versions)})"
        )

    def _answer(self, number: int) -> Answer:
        told = self.provenances[0 if self.which is None else self.which[number]]
        bucket = None if self.buckets is None else self.buckets[number]
        return Answer(self._arrays, self._names, number, told, bucket)


def _several(names: Sequence[str]) -> Rejected:
    return Rejected(
        "E_OUTPUTS",
        f"the model has {len(names)} outputs",
        expected="one output for .value",
        todo="take one from .outputs: " + ", ".join(names),
    )


def _shown(value: Value) -> str:
    if getattr(value, "size", 1) == 1:
        return repr(value.item() if hasattr(value, "item") else value)
    return f"{value.dtype}{list(value.shape)}"
