"""Rows to try a model on and to warm it up with: from events, or of the right types only."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelwire.loading import tensors
from modelwire.loading.tensors import Array
from modelwire.serving.features import Features
from modelwire_publisher.order import Check
from modelwire_publisher.reference import reference
from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import Contract, Golden, Tensor, TensorValue
from modelwire_schemas.telemetry import Output

GOLDEN_ROWS = 16
WARMUP_ROWS = 64
FEWEST = 10
"""Rows of a sample that have to fit the contract."""

GOLDEN_BYTES = 96 * 1024
WARMUP_BYTES = 128 * 1024
"""A record holds 1 MiB, 512 KiB of it a small artifact."""

TEXT_BYTES = 128
"""What a text counts as; a record holds 20,000 items, and a text is one."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Inputs for golden vectors and for the warm-up; real ones come from events.

    `sample` says how the fields of those events are distributed.
    """

    golden: tuple[TensorValue, ...]
    warmup: tuple[TensorValue, ...]
    check: Check
    real: bool
    sample: tuple[Output, ...] = ()


def from_events(
    events: Sequence[Mapping[str, object]], features: Features, contract: Contract, where: str
) -> Rows:
    """Return rows spread over the events that fit the contract.

    Raises Rejected `E_SAMPLE` when fewer than 10 events fit, or more do not fit than do.
    """
    if not events:
        raise Rejected("E_SAMPLE", "the sample has no events", where=where)
    batch = features.rows(events)
    good = batch.size - len(batch.faults)
    if good < FEWEST or good < len(batch.faults):
        first = f": row {batch.faults[0].row + 1}: {batch.faults[0].error}" if batch.faults else ""
        raise Rejected(
            "E_SAMPLE",
            f"{good} of {batch.size} events fit the contract{first}",
            where=where,
            expected=f"at least {FEWEST}, and most",
        )
    found = f"{good} of {batch.size} events fit the contract"
    row = _row_bytes(contract.inputs)
    answer = _row_bytes(contract.outputs)
    golden = _spread(good, _fitting(GOLDEN_ROWS, row + answer, GOLDEN_BYTES))
    warmup = _spread(good, _fitting(WARMUP_ROWS, row, WARMUP_BYTES))
    return Rows(
        _pick(batch.inputs, golden),
        _pick(batch.inputs, warmup),
        Check("sample", found),
        real=True,
        sample=reference(events, contract),
    )


def from_golden(golden: Golden) -> Rows:
    """Return the inputs of golden vectors as rows for the warm-up."""
    count = max((value.shape[0] for value in golden.inputs if value.shape), default=0)
    return Rows((), golden.inputs, Check("sample", f"none given, {count} golden rows"), real=True)


def made_up(contract: Contract) -> Rows:
    """Return rows of the right types for the warm-up only: their values mean nothing."""
    count = _fitting(WARMUP_ROWS, _row_bytes(contract.inputs), WARMUP_BYTES)
    values = {tensor.name: _made_up(tensor, count) for tensor in contract.inputs}
    rows = tuple(tensors.from_array(name, array) for name, array in values.items())
    return Rows((), rows, Check("sample", "none given, so no golden vectors"), real=False)


def _made_up(tensor: Tensor, count: int) -> Array:
    shape = (count, *(size or 1 for size in tensor.shape[1:]))
    if tensor.dtype == "string":
        return np.full(shape, "", dtype=object)
    # A half has a logarithm and an inverse, zero has neither; a zero is the safest index.
    value = 0.5 if tensor.dtype.startswith("float") else 0
    return np.full(shape, value, dtype=tensor.dtype)


def _row_bytes(given: Sequence[Tensor]) -> int:
    return sum(_row_of(tensor) for tensor in given)


def _row_of(tensor: Tensor) -> int:
    count = math.prod(size or 1 for size in tensor.shape[1:])
    return count * (TEXT_BYTES if tensor.dtype == "string" else np.dtype(tensor.dtype).itemsize)


def _fitting(rows: int, row: int, room: int) -> int:
    return max(1, min(rows, room // max(1, row)))


def _spread(count: int, wanted: int) -> npt.NDArray[np.intp]:
    return np.unique(np.linspace(0, count - 1, num=min(count, wanted)).astype(np.intp))


def _pick(inputs: dict[str, Array], places: npt.NDArray[np.intp]) -> tuple[TensorValue, ...]:
    return tuple(tensors.from_array(name, array[places]) for name, array in inputs.items())
