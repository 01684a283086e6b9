"""Events to a model's outputs, over the hand-made way: itemgetter, np.array and session.run."""

import random
from collections.abc import Callable, Mapping
from operator import itemgetter
from time import perf_counter_ns
from typing import Any, NamedTuple

import numpy as np
import onnx.helper as onnx_helper
from onnx import numpy_helper

from modelwire.loading.onnx import onnxruntime
from modelwire.serving.answer import Answer, Provenance
from modelwire.serving.features import compile_features
from modelwire_schemas.release import Column, Contract, Feed, Tensor

FIELDS = [f"f{number}" for number in range(20)]
ROUNDS = 31


class Row(NamedTuple):
    """One line of the table; `goal` and `measured` are a ratio or µs, as `unit` says."""

    what: str
    unit: str
    goal: float
    measured: float


def rows() -> list[Row]:
    """Measure the ways in turn, and compare the quickest round of each: other load only adds."""
    session = _session()
    checked, inner = session.run, session._sess.run  # noqa: SLF001 - the private run is measured
    features = compile_features(_contract())
    get, names = itemgetter(*FIELDS), ["score"]
    told = Provenance(
        "r", "m", "1", "", "", "", 1, "", 0, stale=False, routed_to="1", served_by="1"
    )

    def by_hand(events: list[dict[str, object]]) -> object:
        return checked(names, {"x": np.array([get(event) for event in events], np.float32)})

    def one(event: Mapping[str, object]) -> object:
        return Answer(inner(names, features.one(event), None), names, 0, told, None)

    def many(events: list[dict[str, object]]) -> object:
        return inner(names, features.rows(events).inputs, None)

    def make_by_hand(event: dict[str, object]) -> object:
        return {"x": np.array([get(event)], np.float32)}

    numbers, mixed = _events(lambda: random.random() * 100), _events(_mixed)  # noqa: S311
    nulls = [{**event, "f3": None} if n % 8 == 0 else event for n, event in enumerate(numbers)]
    bad = [*numbers[:7], {**numbers[7], "f3": "odd"}, *numbers[8:]]
    matrix = np.ones((1, len(FIELDS)), np.float32)
    single = _compared(2000, lambda: by_hand(numbers[:1]), lambda: one(numbers[0]))
    batch = _compared(300, lambda: by_hand(numbers), lambda: many(numbers))
    flags = _compared(300, lambda: by_hand(mixed), lambda: many(mixed))
    faulty = _compared(300, lambda: by_hand(numbers), lambda: many(bad))
    filled = _compared(300, lambda: by_hand(nulls), lambda: many(nulls))
    making = _compared(2000, lambda: make_by_hand(numbers[0]), lambda: features.one(numbers[0]))
    taking = _compared(2000, lambda: None, lambda: features.array(matrix))
    arrays = _compared(
        2000,
        lambda: checked(names, {"x": matrix}),
        lambda: Answer(inner(names, features.array(matrix), None), names, 0, told, None),
    )
    return [
        Row("event → answer, over hand-made, batch 1", "x", 1.25, single[1] / single[0]),
        Row("events → outputs, over hand-made, batch 64", "x", 1.15, batch[1] / batch[0]),
        Row("the same, a third of the values 0 or 1", "x", 1.5, flags[1] / flags[0]),
        Row("the same, every eighth row with a null", "x", 2.0, filled[1] / filled[0]),
        Row("the same, one row of 64 faulty", "x", 4.0, faulty[1] / faulty[0]),
        Row("event → inputs, beyond hand-made", "µs", 0.5, (making[1] - making[0]) / 1000),
        Row("array → inputs", "µs", 0.3, (taking[1] - taking[0]) / 1000),
        Row("array → answer, over session.run, batch 1", "x", 1.10, arrays[1] / arrays[0]),
    ]


def _compared(
    calls: int, first: Callable[[], object], second: Callable[[], object]
) -> tuple[float, float]:
    """Return the ns of a call of both."""
    spans: tuple[list[float], list[float]] = [], []
    for _ in range(ROUNDS):
        for way, found in zip((first, second), spans, strict=True):
            start = perf_counter_ns()
            for _ in range(calls):
                way()
            found.append((perf_counter_ns() - start) / calls)
    return min(spans[0]), min(spans[1])


def _events(value: Callable[[], object]) -> list[dict[str, object]]:
    return [{field: value() for field in FIELDS} for _ in range(64)]


def _mixed() -> object:
    return random.choice([0, 1, 7, random.random(), 2.5, 719])  # noqa: S311


def _contract() -> Contract:
    return Contract(
        (Tensor("x", "float32", (None, len(FIELDS))),),
        (Tensor("score", "float32", (None, 1)),),
        (Feed("x", tuple(Column(field, nullable=field == "f3") for field in FIELDS)),),
    )


def _session() -> Any:  # noqa: ANN401 - the library ships no types
    """Return a session over a small perceptron, 20 → 32 → 1."""
    numbers = np.random.default_rng(7)
    weights = {
        "w": numbers.normal(size=(20, 32)).astype(np.float32),
        "v": numbers.normal(size=(32, 1)).astype(np.float32),
    }
    nodes = [("MatMul", ["x", "w"], "a"), ("Relu", ["a"], "b"), ("MatMul", ["b", "v"], "score")]
    graph = onnx_helper.make_graph(
        [onnx_helper.make_node(kind, inputs, [output]) for kind, inputs, output in nodes],
        "perceptron",
        [onnx_helper.make_tensor_value_info("x", 1, [None, 20])],
        [onnx_helper.make_tensor_value_info("score", 1, [None, 1])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opset = [onnx_helper.make_opsetid("", 17)]
    model = onnx_helper.make_model(graph, opset_imports=opset, ir_version=8)
    settings = onnxruntime().SessionOptions()
    settings.intra_op_num_threads = 1
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime().InferenceSession(model.SerializeToString(), settings)


if __name__ == "__main__":
    for row in rows():
        print(f"{row.what:48} goal {row.goal:5.2f} {row.unit:2}  measured {row.measured:5.2f}")
