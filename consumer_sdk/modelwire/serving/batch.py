"""Many events under one snapshot: by document, by version, one vectorised run for each."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter_ns
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt

from modelwire.control.state import Accepted
from modelwire.control.timeline import mixed
from modelwire.loading.formats import blank
from modelwire.loading.tensors import Array
from modelwire.routing.batch import assign_batch
from modelwire.serving.answer import Answers, Provenance
from modelwire.serving.choosing import decide, document_for, run
from modelwire.serving.past import Past
from modelwire.serving.plan import FOREVER, Decision, Quick, RoutePlan
from modelwire.serving.rows import Given, Rows
from modelwire.serving.servable import Servable
from modelwire_schemas.errors import ModelwireError, NotReady

FEW = 8
"""Rows that are assigned one by one: for so few, arrays cost more than they save."""

Indices: TypeAlias = npt.NDArray[np.intp]
Times: TypeAlias = Sequence[int] | int


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that one version serves for one reason; `rows` None means all of them."""

    servable: Servable
    provenance: Provenance
    accepted: Accepted
    rows: Indices | None
    buckets: Sequence[int] | None = None


class _Work:
    """A batch on its way: who serves which rows, and what could not be served."""

    def __init__(
        self, plan: RoutePlan, rows: Rows, times: Times, horizon: int, patience: int
    ) -> None:
        self.plan = plan
        self.rows = rows
        self.times = times
        self.horizon = horizon
        self.patience = patience
        self.parts: list[Part] = []
        self.errors: dict[int, ModelwireError] = {}
        self.raised: set[int] = set()

    def fail(self, row: int, error: ModelwireError) -> None:
        """Note why a row has no answer; its traceback would keep versions in memory."""
        error.__traceback__ = error.__context__ = None
        self.errors[row] = error

    def time(self, row: int) -> int:
        return self.times if isinstance(self.times, int) else self.times[row]


def predict_whole(
    quick: Quick,
    given: Given,
    keys: Sequence[object] | None,
    headers: Sequence[object] | None,
    sources: Sequence[object] | None,
) -> Answers | None:
    """Return the answers of a batch that one version has; None where there is more to look at.

    It has every row, whatever key, headers and source say; they only have to be as many.
    """
    servable = quick.servable
    if given.__class__ is list and given:
        inputs, size, _, faults = servable.features.rows(given)
        if faults:
            return None
    elif given.__class__ is np.ndarray and given.ndim == 2:
        inputs, size = servable.array(given), len(given)
    else:
        return None
    if not (keys is headers is sources is None) and _ragged(size, keys, headers, sources):
        return None
    try:
        outputs = servable.fast(inputs)
    except Exception:  # what it means is found out row by row
        return None
    quick.answered.add(size)
    return Answers(outputs, servable.names, size, (quick.provenance,))


def _ragged(size: int, *beside: Sequence[object] | None) -> bool:
    return any(column is not None and len(column) != size for column in beside)


def predict_rows(
    plan: RoutePlan,
    rows: Rows,
    times: Times,
    past: Past | None,
    horizon: int,
    patience: int = FOREVER,
) -> Answers:
    """Return the answers of a batch; `times` (ms) is one for all rows, or one a row.

    Rows at or beyond `horizon` (ms) are not settled; those beyond `patience` wait for nothing
    (R10). Raises NotReady when no row can be served for a reason that all share.
    """
    work = _Work(plan, rows, times, horizon, patience)
    for accepted, indices in _documents(work, past):
        _assign(work, accepted, indices)
    return _run(work)


def _documents(work: _Work, past: Past | None) -> Iterator[tuple[Accepted, Indices | None]]:
    """Yield every document in force for some rows, with those rows (R14)."""
    plan, times = work.plan, work.times
    low, high = (times, times) if isinstance(times, int) else (min(times), max(times))
    route = plan.route
    if route is None or not mixed(route, low, high):
        yield document_for(plan, low, {}, past), None
        return
    found: dict[int, tuple[Accepted, list[int]]] = {}
    for row in range(len(work.rows)):
        try:
            accepted = document_for(plan, work.time(row), work.rows.fields(row), past)
        except NotReady as error:
            work.fail(row, error)
            past = past if error.code == "E_NO_DOCUMENT" else None  # who is away is asked once
        else:
            found.setdefault(accepted.revision, (accepted, []))[1].append(row)
    for accepted, which in found.values():
        yield accepted, np.array(which, np.intp)


def _assign(work: _Work, accepted: Accepted, indices: Indices | None) -> None:
    """Give rows of one document to versions; what is not settled or not warm goes row by row."""
    if _unsettled(work, indices):
        _assign_each(work, accepted, _numbers(work, indices))
        return
    plan = work.plan
    compiled = plan.compile(accepted)
    if compiled.sole is not None:
        servable = plan.warm(accepted.document.model, compiled.sole.version)
        if servable is not None:
            told = plan.provenance(accepted, compiled.sole, servable)
            work.parts.append(Part(servable, told, accepted, indices))
            return
        _assign_each(work, accepted, _numbers(work, indices))
        return
    if len(work.rows if indices is None else indices) <= FEW:
        _assign_each(work, accepted, _numbers(work, indices))
        return
    rows = work.rows.take(indices, with_fields=bool(compiled.reads))
    assigned = assign_batch(compiled, rows.keys, rows.bodies, rows.headers, rows.sources)
    numbers = _numbers(work, indices)
    for row, error in assigned.errors.items():
        work.errors[int(numbers[row])] = error
    counts: list[int] = np.bincount(assigned.variant[assigned.variant >= 0]).tolist()
    for arm_index in (index for index, count in enumerate(counts) if count):
        hits = np.flatnonzero(assigned.variant == arm_index)
        arm = assigned.arms[arm_index]
        servable = plan.warm(accepted.document.model, arm.version)
        if servable is None:
            _assign_each(work, accepted, numbers[hits])
            continue
        told = plan.provenance(accepted, arm.assignment(None, accepted.revision), servable)
        buckets = cast("list[int]", assigned.bucket[hits].tolist())
        work.parts.append(Part(servable, told, accepted, numbers[hits], buckets))


def _unsettled(work: _Work, indices: Indices | None) -> bool:
    if isinstance(work.times, int):
        return work.times >= work.horizon
    if indices is None:
        return max(work.times) >= work.horizon
    rows: list[int] = indices.tolist()
    return any(work.times[row] >= work.horizon for row in rows)


def _assign_each(work: _Work, accepted: Accepted, numbers: Indices) -> None:
    found: dict[tuple[int, int], tuple[Decision, list[int], list[int]]] = {}
    for row in numbers.tolist():
        settled = work.time(row) < work.horizon
        try:
            event, ahead = work.rows.event(row), work.time(row) > work.patience
            decision = decide(work.plan, accepted, event, settled=settled, ahead=ahead)
        except ModelwireError as error:
            work.fail(row, error)
            continue
        key = (id(decision.servable), id(decision.provenance))
        _, rows, buckets = found.setdefault(key, (decision, [], []))
        rows.append(row)
        buckets.append(-1 if decision.bucket is None else decision.bucket)
    for decision, rows, buckets in found.values():
        which = np.array(rows, np.intp)
        part = Part(decision.servable, decision.provenance, accepted, which, buckets)
        work.parts.append(part)


def _numbers(work: _Work, indices: Indices | None) -> Indices:
    return np.arange(len(work.rows)) if indices is None else indices


def _run(work: _Work) -> Answers:
    _raise_if_none(work)
    if len(work.parts) == 1 and _has_all(work, work.parts[0]):
        quick = _run_whole(work, work.parts[0])
        if quick is not None:
            return quick
    columns = _Columns(len(work.rows))
    for part in work.parts:
        _run_part(work, part, columns)
    failures = tuple(sorted(work.errors.items()))
    return columns.answers(failures, frozenset(work.raised))


def _raise_if_none(work: _Work) -> None:
    """When every row fails because nothing is ready, say so once instead of n times."""
    if work.parts or not work.errors:
        return
    first = next(iter(work.errors.values()))
    if isinstance(first, NotReady) and len(work.errors) == len(work.rows):
        raise first


def _has_all(work: _Work, part: Part) -> bool:
    return part.rows is None or len(part.rows) == len(work.rows)


def _run_whole(work: _Work, part: Part) -> Answers | None:
    """Run all rows as one; None when some are faulty or the model raises."""
    started = perf_counter_ns()
    inputs = work.rows.inputs(part.servable.features, None)
    if inputs.faults:
        return None
    try:
        outputs = part.servable.fast(inputs.inputs)
    except Exception as error:
        part.servable.failed(error)
        return None
    part.servable.count(inputs.size)
    told, took = (part.provenance,), (perf_counter_ns() - started,)
    found = None if part.buckets is None else _named(part.buckets)
    return Answers(outputs, part.servable.names, inputs.size, told, buckets=found, took=took)


def _run_part(work: _Work, part: Part, columns: "_Columns") -> None:
    started = perf_counter_ns()
    numbers = _numbers(work, part.rows)
    inputs = work.rows.inputs(part.servable.features, part.rows)
    for fault in inputs.faults:
        work.errors[int(numbers[fault.row])] = fault.error
    good = numbers if inputs.good is None else numbers[inputs.good]
    columns.tell(numbers, part.provenance, part.buckets)
    if not len(good):
        none = [array[:0] for array in blank(part.servable.model.outputs).values()]
        columns.put(good, part.servable.names, none)
        return
    try:
        outputs = part.servable.fast(inputs.inputs)
    except Exception as error:
        part.servable.failed(error)
        _run_each(work, part, good, columns)
        return
    part.servable.count(len(good))
    columns.put(good, part.servable.names, outputs)
    columns.took[-1] = perf_counter_ns() - started


def _run_each(work: _Work, part: Part, good: Indices, columns: "_Columns") -> None:
    """One row made the run fail: find it, or let the fallback answer, row by row."""
    for row in good.tolist():
        decision = Decision(part.servable, part.provenance, None)
        where = np.array([row], np.intp)
        try:
            answer = run(decision, work.rows.body(row))
            part.servable.tick()
        except ModelwireError as error:
            other = work.plan.fallback(part.accepted, part.servable)
            if other is None:
                work.fail(row, error)
                continue
            told = work.plan.substitute_provenance(part.provenance, other)
            try:
                answer = run(Decision(other, told, None), work.rows.body(row))
                other.tick()
            except ModelwireError as second:
                work.fail(row, second)
                continue
            columns.tell(where, told, None)
            work.raised.add(row)
        values = [np.asarray(value)[None] for value in answer.outputs.values()]
        columns.put(where, tuple(answer.outputs), values)


class _Columns:
    """Outputs and provenance of n rows, filled part by part."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._outputs: dict[str, Array] = {}
        self._provenances: list[Provenance] = []
        self.took: list[int] = []
        self._which = np.zeros(size, np.intp)
        self._buckets = np.full(size, -1, np.intp)

    def tell(self, rows: Indices, told: Provenance, buckets: Sequence[int] | None) -> None:
        self._which[rows] = len(self._provenances)
        self._provenances.append(told)
        self.took.append(0)
        if buckets is not None:
            self._buckets[rows] = buckets

    def put(self, rows: Indices, names: Sequence[str], outputs: Sequence[Array]) -> None:
        for name, values in zip(names, outputs, strict=True):
            column = self._outputs.get(name)
            if column is None:
                column = self._outputs[name] = _empty(self._size, values)
            column[rows] = values

    def answers(
        self, failures: tuple[tuple[int, ModelwireError], ...], raised: frozenset[int]
    ) -> Answers:
        buckets = _named(self._buckets.tolist())
        which = cast("Sequence[int]", self._which.tolist())
        told = tuple(self._provenances)
        arrays, names = tuple(self._outputs.values()), tuple(self._outputs)
        took = tuple(self.took)
        return Answers(arrays, names, self._size, told, which, buckets, failures, took, raised)


def _named(buckets: Iterable[int]) -> list[int | None]:
    return [None if bucket < 0 else bucket for bucket in buckets]


def _empty(size: int, like: Array) -> Array:
    shape = (size, *like.shape[1:])
    if like.dtype.kind == "f":
        return np.full(shape, np.nan, like.dtype)
    if like.dtype.kind in "OU":
        return np.full(shape, "", object)
    return np.zeros(shape, like.dtype)
