"""Whether a model is what its contract says: its signature, and what it really gives."""

from collections.abc import Iterator, Mapping, Sequence

from modelwire.loading.tensors import Array
from modelwire_schemas.release import Contract, Tensor


def misfits(contract: Contract, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> list[str]:
    """Return how a model's signature differs from its contract; empty when it fits.

    Further outputs do no harm. An axis that the model leaves free fits any size; the first axis
    is the batch. A shape that the model does not tell is looked at when it has run.
    """
    named = {tensor.name for tensor in contract.inputs}
    strangers = [
        f"input {tensor.name!r} is needed by the model, not named by the contract"
        for tensor in inputs
        if tensor.name not in named
    ]
    lost = list(_differences("input", contract.inputs, inputs))
    return strangers + lost + list(_differences("output", contract.outputs, outputs))


def wrong_answers(contract: Contract, answers: Mapping[str, Array]) -> list[str]:
    """Return how what a run gave differs from the contract; empty when it fits."""
    found: list[str] = []
    for wanted in contract.outputs:
        array = answers.get(wanted.name)
        if array is None:
            found.append(f"output {wanted.name!r} is not given")
            continue
        dtype = "string" if array.dtype.kind in "OUT" else array.dtype.name
        fits = len(array.shape) == len(wanted.shape) and all(
            size is None or size == real
            for size, real in zip(wanted.shape[1:], array.shape[1:], strict=True)
        )
        if dtype != wanted.dtype or not fits:
            is_ = kind(Tensor(wanted.name, dtype, array.shape))
            found.append(f"output {wanted.name!r} gives {is_}, the contract says {kind(wanted)}")
    return found


def kind(tensor: Tensor) -> str:
    """Return a tensor's type and shape in short: `float32[?, 20]`."""
    axes = ", ".join("?" if size is None else str(size) for size in tensor.shape)
    return f"{tensor.dtype}[{axes}]"


def _differences(what: str, wanted: Sequence[Tensor], real: Sequence[Tensor]) -> Iterator[str]:
    there = {tensor.name: tensor for tensor in real}
    for tensor in wanted:
        found = there.get(tensor.name)
        if found is None:
            names = ", ".join(sorted(there)) or "none"
            yield f"{what} {tensor.name!r} is not in the model, which has {names}"
        elif found.dtype != tensor.dtype or not _fits(tensor.shape, found.shape):
            yield f"{what} {tensor.name!r} is {kind(found)}, the contract says {kind(tensor)}"


def _fits(said: tuple[int | None, ...], real: tuple[int | None, ...]) -> bool:
    if not real:
        return True
    return len(said) == len(real) and all(
        size is None or size == wanted for wanted, size in zip(said, real, strict=True)
    )
