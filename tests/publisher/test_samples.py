"""Events to try a model on: read, checked against the contract, spread, and of fair size."""

import gzip
import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from modelwire.loading import tensors
from modelwire.serving.features import compile_features
from modelwire_publisher.events import MOST_EVENTS, read_events
from modelwire_publisher.samples import from_events, made_up
from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import Column, Contract, Feed, Tensor
from tests.models.good import bytes_of, model_of
from tests.publisher.conftest import Write
from tests.publisher.desk import EVENTS, FLIGHTS, TENSOR, Desk

CONTRACT = Contract(
    inputs=(
        Tensor("x", "float32", (None, 2)),
        Tensor("n", "int64", (None, 1)),
        Tensor("s", "string", (None, 1)),
        Tensor("b", "bool", (None,)),
    ),
    outputs=(Tensor("y", "float32", (None,)),),
    feeds=(
        Feed("x", (Column("x1"), Column("x2", nullable=True))),
        Feed("n", (Column("n", default=0),)),
        Feed("s", (Column("s"),)),
        Feed("b", (Column("b"),)),
    ),
)


def wide(columns: int, dtype: str = "float32") -> Contract:
    names = tuple(Column(f"c{i}") for i in range(columns))
    one = Tensor("x", dtype, (None, columns))
    return Contract((one,), (Tensor("y", "float32", (None,)),), (Feed("x", names),))


# -- reading


def test_cells_become_what_the_contract_wants(write: Write) -> None:
    path = write("x1,x2,n,s,b,more\n1.5,,7,007,true,x\n-2,nan,,true,False,\n", "e.csv")
    assert read_events(path, CONTRACT)[0] == {
        "x1": 1.5, "x2": None, "n": 7, "s": "007", "b": True, "more": "x",
    }  # fmt: skip
    assert read_events(path, CONTRACT)[1]["n"] is None


def test_a_cell_that_is_no_number_stays_text_and_is_told(write: Write) -> None:
    lines = "x1,x2,n,s,b\n" + "1,1,1,a,true\n" * 10 + "far,1,1,a,true\n"
    events = read_events(write(lines, "e.csv"), CONTRACT)
    assert events[10]["x1"] == "far"
    rows = from_events(events, compile_features(CONTRACT), CONTRACT, "e.csv")
    assert rows.check.found == "10 of 11 events fit the contract"


def test_json_lines_are_read(write: Write) -> None:
    event = {"x1": 1, "x2": None, "n": 2**40, "s": "a", "b": False}
    path = write(f"{json.dumps(event)}\n\n{json.dumps(event)}\n", "e.jsonl")
    assert read_events(path, CONTRACT) == [event, event]


def test_a_packed_file_is_unpacked(write: Write) -> None:
    path = write(gzip.compress(b"x1,x2,n,s,b\n1,2,3,a,true\n"), "e.csv.gz")
    assert len(read_events(path, CONTRACT)) == 1
    assert len(read_events(EVENTS, CONTRACT)) == MOST_EVENTS


@pytest.mark.parametrize(
    ("content", "name", "why"),
    [
        (b"x1,x2\n1,2,3\n", "e.csv", "line 2 has another number of cells"),
        (b"x1,x2\n1\n", "e.csv", "line 2 has another number of cells"),
        (b'x1,x2\n"1,2\n', "e.csv", "no events"),
        (b'{"x1": 1}\n{"x1"\n', "e.jsonl", "line 2 is no JSON"),
        (b'{"x1": 1}\n[1]\n', "e.jsonl", "line 2 is no object"),
        (b'{"x1": NaN}\n', "e.jsonl", "line 1 is no JSON"),
        (b"\xff\xfe\x00", "e.csv", "no events"),
        (b"x1\n1\n", "e.csv.gz", "no events"),
        (gzip.compress(b"x1\n" * 999, mtime=0)[:-9], "e.csv.gz", "no events"),
    ],
)
def test_what_holds_no_events_is_told(write: Write, content: bytes, name: str, why: str) -> None:
    with pytest.raises(Rejected, match="E_SAMPLE") as caught:
        read_events(write(content, name), CONTRACT)
    assert why in str(caught.value)


def test_a_flood_is_cut(write: Write) -> None:
    """A file that unpacks to 70 MB of one line is not unpacked to the end."""
    flood = gzip.compress(b"x" * 70_000_000, compresslevel=1)
    with pytest.raises(Rejected, match="E_SAMPLE"):
        from_events(
            list(read_events(write(flood, "e.csv.gz"), CONTRACT)),
            compile_features(CONTRACT),
            CONTRACT,
            "e.csv.gz",
        )


# -- choosing


def test_rows_are_spread_over_the_events_that_fit() -> None:
    contract = wide(1)
    events: list[dict[str, object]] = [{"c0": float(i)} for i in range(1000)]
    events[0] = {"c0": None}
    rows = from_events(events, compile_features(contract), contract, "e")
    golden, warmup = (tensors.to_array(values[0]) for values in (rows.golden, rows.warmup))
    assert golden.shape == (16, 1)
    assert warmup.shape == (64, 1)
    assert (golden[0, 0], golden[-1, 0]) == (1, 999)
    assert np.all(np.diff(warmup[:, 0]) > 10)


def test_a_sample_has_ten_events_that_fit(write: Write, desk: Desk) -> None:
    few = write("dep_delay,distance,sched_hour,weekday\n" + "1,2,3,4\n" * 9, "few.csv")
    why = desk.why_not(file=FLIGHTS / "numeric.onnx", fields=TENSOR, sample=few)
    assert why.startswith("E_SAMPLE: 9 of 9 events fit the contract")


def test_a_sample_that_mostly_does_not_fit_is_refused(write: Write, desk: Desk) -> None:
    lines = "dep_delay,distance,sched_hour,weekday\n" + "1,2,3,4\n" * 10 + "late,2,3,4\n" * 11
    why = desk.why_not(file=FLIGHTS / "numeric.onnx", fields=TENSOR, sample=write(lines, "bad.csv"))
    assert "10 of 21 events fit the contract: row 11: E_FIELD_TYPE: field 'dep_delay'" in why


def test_a_sample_without_events_is_refused(write: Write, desk: Desk) -> None:
    lines = "dep_delay,distance,sched_hour,weekday\n"
    why = desk.why_not(file=FLIGHTS / "numeric.onnx", fields=TENSOR, sample=write(lines, "no.csv"))
    assert why.startswith("E_SAMPLE: the sample has no events")


@pytest.mark.parametrize(
    ("columns", "dtype"), [(1000, "float32"), (20_000, "float64"), (500, "string")]
)
def test_wide_rows_are_fewer(columns: int, dtype: str) -> None:
    contract = wide(columns, dtype)
    value: object = "text" if dtype == "string" else 1.0
    events = [{f"c{i}": value for i in range(columns)}] * 70
    rows = from_events(events, compile_features(contract), contract, "e")
    for values in (rows.golden, rows.warmup):
        assert 1 <= values[0].shape[0] < 64
        assert len(values[0].data) < 200_000
        assert len(values[0].strings) <= 1024


def test_made_up_rows_have_the_right_types() -> None:
    rows = made_up(CONTRACT)
    assert rows.golden == ()
    assert [(v.dtype, v.shape) for v in rows.warmup] == [
        ("float32", (64, 2)), ("int64", (64, 1)), ("string", (64, 1)), ("bool", (64,)),
    ]  # fmt: skip


def test_made_up_rows_that_a_model_cannot_take_are_left_out(desk: Desk, write: Write) -> None:
    """The square root of -0.5 is no reason to refuse a model, only not to warm it up so."""
    one = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1])
    nodes = [
        helper.make_node("Neg", ["x"], ["minus"]),
        helper.make_node("Sqrt", ["minus"], ["root"]),
        helper.make_node("ReduceSum", ["root"], ["late"], keepdims=1),
    ]
    model = model_of(nodes, [one])
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    path = write(bytes_of(model))
    released = desk.publish(file=path, sample=write("x\n" + "-1\n" * 20, "e.csv"), model="roots")
    assert released.contract.outputs[0].shape == (None, 1)
    released = desk.publish("2", path, model="roots", new_contract=True)
    assert desk.releases()[1].warmup == ()
    assert "made-up rows do not warm it up" in " ".join(map(str, released.checks))


def test_a_model_that_throws_dice_is_refused(desk: Desk, write: Write) -> None:
    one = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1])
    nodes = [
        helper.make_node("RandomNormalLike", ["x"], ["noise"]),
        helper.make_node("Add", ["x", "noise"], ["sum"]),
        helper.make_node("Squeeze", ["sum", "axis"], ["late"]),
    ]
    axis = onnx.numpy_helper.from_array(np.array([1], np.int64), "axis")
    path = write(bytes_of(model_of(nodes, [one], [axis])))
    why = desk.why_not(file=path, sample=write("x\n" + "1\n" * 20, "e.csv"))
    assert why.startswith("E_GOLDEN: the model answers the same rows differently each time")
