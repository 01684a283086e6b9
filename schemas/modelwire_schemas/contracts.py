"""Whether a contract is whole in itself, and whether another one fits in its place."""

from collections.abc import Iterator

from modelwire_schemas.release import Contract, Tensor


def faults(contract: Contract) -> list[str]:
    """Return what is wrong with a contract in itself; empty when it is whole."""
    return list(_faults(contract))


def differences(old: Contract, new: Contract) -> list[str]:
    """Return why a version with contract `new` cannot stand in for one with `old`; empty: it can.

    It fits when it gives every output that the old one gave, with the same type and shape, and
    needs no event field that the old one did not. Further outputs, and further fields that may be
    missing, do no harm.
    """
    return [] if old == new else [*_lost_outputs(old, new), *_new_needs(old, new)]


def _faults(contract: Contract) -> Iterator[str]:
    if not contract.outputs:
        yield "it has no output"
    for kind, tensors in (("input", contract.inputs), ("output", contract.outputs)):
        names = [tensor.name for tensor in tensors]
        yield from (
            f"{kind} {n!r} stands twice" for n in dict.fromkeys(names) if names.count(n) > 1
        )
    inputs = {tensor.name: tensor for tensor in contract.inputs}
    fed = [feed.input for feed in contract.feeds]
    yield from (f"no event field feeds input {n!r}" for n in inputs if n not in fed)
    yield from (f"input {n!r} is fed twice" for n in dict.fromkeys(fed) if fed.count(n) > 1)
    for feed in contract.feeds:
        if feed.input not in inputs:
            yield f"fields feed {feed.input!r}, which is no input"
        else:
            yield from _width_fault(inputs[feed.input], len(feed.columns))


def _width_fault(tensor: Tensor, columns: int) -> Iterator[str]:
    width = tensor.shape[1] if len(tensor.shape) == 2 else 1
    if len(tensor.shape) not in (1, 2):
        yield f"input {tensor.name!r} has {len(tensor.shape)} axes, and columns feed 1 or 2"
    elif width is not None and width != columns:
        yield f"input {tensor.name!r} takes {width} columns, and {columns} fields feed it"


def _lost_outputs(old: Contract, new: Contract) -> Iterator[str]:
    given = {tensor.name: tensor for tensor in new.outputs}
    for wanted in old.outputs:
        got = given.get(wanted.name)
        if got is None:
            yield f"output {wanted.name!r} is gone"
        elif got.dtype != wanted.dtype or not _same_shape(wanted.shape, got.shape):
            yield f"output {wanted.name!r} was {_kind(wanted)} and is {_kind(got)}"


def _new_needs(old: Contract, new: Contract) -> Iterator[str]:
    had = {column.field for column in old.fields}
    optional = {c.field for c in old.fields if c.nullable or c.default is not None}
    for column in new.fields:
        needed = not column.nullable and column.default is None
        if needed and column.field not in had:
            yield f"event field {column.field!r} is needed and was not"
        elif needed and column.field in optional:
            yield f"event field {column.field!r} could be missing and cannot any more"


def _same_shape(a: tuple[int | None, ...], b: tuple[int | None, ...]) -> bool:
    return len(a) == len(b) and all(x == y for x, y in zip(a[1:], b[1:], strict=True))


def _kind(tensor: Tensor) -> str:
    axes = ", ".join("?" if size is None else str(size) for size in tensor.shape)
    return f"{tensor.dtype}[{axes}]"
