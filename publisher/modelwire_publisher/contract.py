"""A release's contract: the model's own inputs and outputs, and the fields that feed them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from modelwire.serving.features import Features, compile_features
from modelwire_publisher.contract_file import ONLY, Feeding
from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import Column, Contract, Feed, Tensor


def by_names(inputs: Sequence[Tensor]) -> Feeding:
    """Return that each input has one column, and takes the field of its own name.

    Raises Rejected `E_CONTRACT` when an input has several: their fields have to be told.
    """
    for tensor in inputs:
        if len(tensor.shape) > 1 and tensor.shape[1] != 1:
            count = tensor.shape[1] or "several"
            raise Rejected(
                "E_CONTRACT",
                f"input {tensor.name!r} takes {count} columns, and nothing says which event fields",
                expected="--fields a,b,…, a contract.yaml, or modelwire.contract in the metadata",
                todo="name the fields in the order of the columns",
            )
    columns = {tensor.name: (Column(tensor.name),) for tensor in inputs}
    return Feeding(columns, (), "the names of the inputs")


def build(
    feeding: Feeding, inputs: Sequence[Tensor], outputs: Sequence[Tensor]
) -> tuple[Contract, Features]:
    """Return the contract of a model with these inputs and outputs, and the way from events to it.

    Raises Rejected `E_CONTRACT` with all that does not fit.
    """
    said = _named(feeding, inputs)
    faults = list(_faults(feeding, said, inputs, outputs))
    if faults:
        raise Rejected("E_CONTRACT", "; ".join(faults), where=feeding.where)
    wanted = [t for t in outputs if t.name in feeding.outputs or not feeding.outputs]
    feeds = tuple(Feed(tensor.name, said[tensor.name]) for tensor in inputs)
    contract = Contract(
        inputs=tuple(_sized(tensor, len(said[tensor.name])) for tensor in inputs),
        outputs=tuple(_free(tensor) for tensor in wanted),
        feeds=feeds,
    )
    try:
        return contract, compile_features(contract)
    except Rejected as error:
        raise Rejected(
            error.code, error.what, where=feeding.where, expected=error.expected, todo=error.todo
        ) from None


def _named(feeding: Feeding, inputs: Sequence[Tensor]) -> Mapping[str, tuple[Column, ...]]:
    if ONLY not in feeding.inputs:
        return feeding.inputs
    if len(inputs) != 1:
        raise Rejected(
            "E_CONTRACT",
            f"a list of fields feeds one input, and the model has {len(inputs)}",
            where=feeding.where,
            expected="a contract.yaml that names the fields of each input",
        )
    return {inputs[0].name: feeding.inputs[ONLY]}


def _faults(
    feeding: Feeding,
    said: Mapping[str, tuple[Column, ...]],
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
) -> Iterator[str]:
    known = [tensor.name for tensor in inputs]
    given = [tensor.name for tensor in outputs]
    for name in said:
        if name not in known:
            yield f"the model has no input {name!r}, it has {_list(known)}"
    yield from (f"nothing feeds input {name!r}" for name in known if name not in said)
    for name in feeding.outputs:
        if name not in given:
            yield f"the model has no output {name!r}, it has {_list(given)}"
    for tensor in inputs:
        if tensor.shape and tensor.shape[0] is not None:
            yield (
                f"input {tensor.name!r} has a fixed first axis of {tensor.shape[0]}, which has to "
                "be free, as it is the batch: export the model with a dynamic one"
            )


def _sized(tensor: Tensor, columns: int) -> Tensor:
    """Return an input with as many columns as feed it, where the model leaves that open."""
    if len(tensor.shape) == 2 and tensor.shape[1] is None:
        return replace(tensor, shape=(None, columns))
    return tensor


def _free(tensor: Tensor) -> Tensor:
    return replace(tensor, shape=(None, *tensor.shape[1:])) if tensor.shape else tensor


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def like(contract: Contract, other: Contract) -> Contract:
    """Return a contract with the shapes that the other one knows of outputs of unknown shape."""
    known = {(tensor.name, tensor.dtype): tensor for tensor in other.outputs}
    outputs = tuple(
        tensor if tensor.shape else known.get((tensor.name, tensor.dtype), tensor)
        for tensor in contract.outputs
    )
    return replace(contract, outputs=outputs)
