"""Golden vectors out of a file: inputs, and the outputs that the model has to give for them.

A `.npz` holds one array for each input and output, by name (`inputs/x`, `outputs/x` where one
name is both). JSON lines hold `{"inputs": EVENT, "outputs": {NAME: VALUE}}`.
"""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from modelwire.loading import tensors
from modelwire.loading.tensors import Array
from modelwire.serving.features import Features
from modelwire_publisher.staging import opened
from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import Contract, Golden, Tensor, TensorValue

MOST = 4 * 1024 * 1024
"""Bytes of a file, unpacked; a record holds less than one MiB of it."""


def read(path: Path, contract: Contract, features: Features, tolerance: float) -> Golden:
    """Return what a file holds; raises Rejected `E_GOLDEN`, `E_TOO_BIG`, or for a bad event."""
    with opened(path) as file:
        _check_size(path, file.size)
    try:
        if path.suffix == ".npz":
            inputs, outputs = _from_npz(path, contract)
        else:
            inputs, outputs = _from_lines(path, contract, features)
        golden = Golden(inputs, outputs, tolerance)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise _wrong(path, str(error)) from None
    _check(path, golden)
    return golden


def _from_npz(
    path: Path, contract: Contract
) -> tuple[tuple[TensorValue, ...], tuple[TensorValue, ...]]:
    with zipfile.ZipFile(path) as packed:
        _check_size(path, sum(part.file_size for part in packed.infolist()))
    with np.load(path, allow_pickle=False) as held:
        arrays = {name: held[name] for name in held.files}
    inputs = [_array(arrays, "inputs", tensor) for tensor in contract.inputs]
    wanted = [t for t in contract.outputs if t.name in arrays or f"outputs/{t.name}" in arrays]
    outputs = [_array(arrays, "outputs", tensor) for tensor in wanted]
    return tuple(inputs), tuple(outputs)


def _array(arrays: Mapping[str, Array], side: str, tensor: Tensor) -> TensorValue:
    array = arrays.get(f"{side}/{tensor.name}", arrays.get(tensor.name))
    if array is None:
        raise ValueError(f"there is no array for {side[:-1]} {tensor.name!r}")
    return _value(tensor, array)


def _value(tensor: Tensor, given: Array) -> TensorValue:
    if tensor.dtype == "string":
        return tensors.from_array(tensor.name, given.astype(object))
    if not np.can_cast(given.dtype, tensor.dtype, "same_kind"):
        raise ValueError(f"array {tensor.name!r} is {given.dtype}, expected {tensor.dtype}")
    return tensors.from_array(tensor.name, given.astype(tensor.dtype))


def _from_lines(
    path: Path, contract: Contract, features: Features
) -> tuple[tuple[TensorValue, ...], tuple[TensorValue, ...]]:
    import orjson

    said = [orjson.loads(line) for line in path.read_bytes().splitlines() if line.strip()]
    for number, one in enumerate(said, 1):
        if not _is_pair(one):
            raise ValueError(f'line {number} is not {{"inputs": {{…}}, "outputs": {{…}}}}')
    pairs = cast("list[dict[str, dict[str, Any]]]", said)
    if not pairs:
        raise ValueError("it has no lines")
    batch = features.rows([pair["inputs"] for pair in pairs])
    for fault in batch.faults:
        raise Rejected(
            fault.error.code, f"line {fault.row + 1}: {fault.error.what}", where=str(path)
        )
    inputs = tuple(tensors.from_array(name, array) for name, array in batch.inputs.items())
    return inputs, tuple(
        _column(tensor, pairs) for tensor in contract.outputs if tensor.name in pairs[0]["outputs"]
    )


def _is_pair(said: object) -> bool:
    if not isinstance(said, dict):
        return False
    pair = cast("dict[str, object]", said)
    return pair.keys() == {"inputs", "outputs"} and all(isinstance(v, dict) for v in pair.values())


def _column(tensor: Tensor, pairs: Sequence[Mapping[str, Mapping[str, Any]]]) -> TensorValue:
    values = [pair["outputs"].get(tensor.name) for pair in pairs]
    if any(value is None for value in values):
        raise ValueError(f"output {tensor.name!r} is missing in line {values.index(None) + 1}")
    return _value(tensor, np.array(values))


def _check(path: Path, golden: Golden) -> None:
    rows = {value.shape[0] if value.shape else 0 for value in (*golden.inputs, *golden.outputs)}
    if not golden.outputs:
        raise _wrong(path, "it holds no output of the model")
    if len(rows) != 1 or rows == {0}:
        raise _wrong(path, f"its arrays have {', '.join(map(str, sorted(rows)))} rows")
    found = tensors.first_nan(tensors.feed(golden.outputs))
    if found is not None:
        raise _wrong(path, f"golden {found}")


def _check_size(path: Path, size: int) -> None:
    if size > MOST:
        raise Rejected(
            "E_TOO_BIG",
            f"the golden vectors have {size:,} bytes",
            where=str(path),
            expected=f"at most {MOST:,}",
            todo="take fewer rows",
        )


def _wrong(path: Path, what: str) -> Rejected:
    return Rejected(
        "E_GOLDEN",
        what,
        where=str(path),
        expected='a .npz of arrays by name, or JSON lines of {"inputs": …, "outputs": …}',
    )
