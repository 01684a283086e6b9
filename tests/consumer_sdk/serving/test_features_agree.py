"""One event, rows, columns and a slow second opinion agree on any event under any contract."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from modelwire.serving.features import compile_features
from modelwire.serving.slots import Batch
from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import Column, Contract, Scalar
from tests.consumer_sdk.serving.making import (
    ANY_VALUE,
    DEFAULTS,
    GOOD,
    Wrong,
    contracts,
    equal,
    events,
    reference,
    same,
    tensor_contract,
)

Events = list[dict[str, object]]


@st.composite
def batches(draw: st.DrawFn) -> tuple[Contract, Events]:
    contract = draw(contracts())
    return contract, draw(st.lists(events(contract), min_size=1, max_size=6))


def judged(contract: Contract, event: dict[str, object]) -> tuple[str, str] | None:
    try:
        reference(contract, event)
    except Wrong as wrong:
        return str(wrong.args[0]), str(wrong.args[1])
    return None


def assert_batch(contract: Contract, rows: Events, batch: Batch) -> None:
    """Hold a batch against the second opinion, and its good rows against `one`, to the bit."""
    features = compile_features(contract)
    verdicts = [judged(contract, row) for row in rows]
    good = [number for number, verdict in enumerate(verdicts) if verdict is None]
    assert batch.size == len(rows)
    assert (batch.good is None) == (len(good) == len(rows))
    assert batch.good is None or batch.good.tolist() == good
    told = {fault.row: (fault.error.code, fault.error.what) for fault in batch.faults}
    assert list(told) == [number for number in range(len(rows)) if number not in good]
    for row, (code, what) in told.items():
        verdict = verdicts[row]
        assert verdict is not None
        assert code == verdict[0]
        assert f"field '{verdict[1]}'" in what
    for place, number in enumerate(good):
        alone = {name: array[place : place + 1] for name, array in batch.inputs.items()}
        assert equal(alone, features.one(rows[number]))


@settings(max_examples=200)
@given(batches())
def test_one_event_is_read_as_the_contract_says(case: tuple[Contract, Events]) -> None:
    contract, rows = case
    features = compile_features(contract)
    for row in rows:
        verdict = judged(contract, row)
        if verdict is None:
            made = features.one(row)
            assert same(made, reference(contract, row))
            assert all(array.flags.c_contiguous for array in made.values())
        else:
            with pytest.raises(Rejected) as caught:
                features.one(row)
            assert caught.value.code == verdict[0]
            assert f"field '{verdict[1]}'" in caught.value.what


@settings(max_examples=200)
@given(batches())
def test_rows_are_read_as_each_event_alone(case: tuple[Contract, Events]) -> None:
    contract, rows = case
    assert_batch(contract, rows, compile_features(contract).rows(rows))


@settings(max_examples=200)
@given(batches())
def test_lists_as_columns_are_read_as_rows(case: tuple[Contract, Events]) -> None:
    contract, rows = case
    fields = [column.field for column in contract.fields]
    whole: Events = [{field: row.get(field) for field in fields} for row in rows]
    table = {field: [row[field] for row in whole] for field in fields}
    assert_batch(contract, whole, compile_features(contract).columns(table))


ARRAYS = (
    *(dtype for dtype in sorted(GOOD) if dtype != "string"),
    *("U", "O", "S", "datetime64[ns]", "timedelta64[s]", "complex64", ">f8", ">i4"),
)


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray[Any, np.dtype[Any]]:
    dtype = draw(st.sampled_from(ARRAYS))
    if dtype == "O":
        values = draw(st.lists(ANY_VALUE, min_size=1, max_size=5))
        array = np.empty(len(values), object)
        array[:] = values
        return array
    numbers = [0, 1, 2, 5, 100] if dtype[0] in "USdt" else [0, 1, 2.5, -3, 255, 2**31]
    if "f" in dtype:
        numbers += [float("nan"), float("inf"), 1e5, 1e30, 1e39]
    if dtype == "uint64":
        numbers += [2**63, 2**64 - 1]
    picked = draw(st.lists(st.sampled_from(numbers), min_size=1, max_size=5))
    with np.errstate(all="ignore"):
        return np.array(picked).astype(dtype)[:: draw(st.sampled_from([1, 1, 2]))]


@settings(max_examples=300)
@given(arrays(), st.sampled_from(sorted(GOOD)), st.sampled_from([None, 3]))
def test_arrays_as_columns_are_read_as_rows(
    array: np.ndarray[Any, np.dtype[Any]], dtype: str, default: Scalar | None
) -> None:
    default = default and DEFAULTS.get(dtype, default)
    contract = tensor_contract([Column("x", default=default)], dtype)
    before = array.copy()
    batch = compile_features(contract).columns({"x": array})
    assert_batch(contract, [{"x": value} for value in array], batch)
    assert array.tobytes() == before.tobytes() or array.dtype == object


@settings(max_examples=200)
@given(batches(), st.data())
def test_a_faulty_row_changes_nothing_for_its_neighbours(
    case: tuple[Contract, Events], data: st.DataObject
) -> None:
    contract, rows = case
    features = compile_features(contract)
    good = [row for row in rows if judged(contract, row) is None]
    if not good:
        return
    quiet = features.rows(good)
    place = data.draw(st.integers(0, len(good)))
    bad = features.rows([*good[:place], {}, *good[place:]])
    if bad.good is not None:  # a contract may do without every field
        assert [fault.row for fault in bad.faults] == [place]
        assert equal(bad.inputs, quiet.inputs)
