"""Trains the example's models on the flights of January and writes them beside itself.

Run it as `python -m examples.flights.train`. It prints how each model does on the flights of
February, which none of them saw. The same library versions write the same bytes.
"""

import csv
import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from examples.flights.bad_files import WEB_PAGE, bomb
from numpy.typing import NDArray
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

HERE = Path(__file__).resolve().parent
FLIGHTS = HERE / "flights_2013_jan_feb.csv.gz"
TEXT = ("carrier", "origin", "dest")
NUMBERS = ("distance", "sched_hour", "dep_delay")
WEATHER = ("wind_speed", "precip", "visib")  # empty where the station was silent
COLUMNS = TEXT + NUMBERS + WEATHER  # the inputs of v1, v2 and v3, in this order
TENSOR = ("dep_delay", "distance", "sched_hour", "weekday")  # the columns of numeric.onnx
LATE_MINUTES = 15
OPSETS = {"": 17, "ai.onnx.ml": 3}

Floats = NDArray[np.float32]
Column = NDArray[np.float32] | NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Flights:
    """Flights as columns of one length: numbers are float32 (NaN where empty), text is object.

    `late` is 1 where the flight arrived 15 minutes late or more, else 0.
    """

    columns: Mapping[str, Column]
    late: NDArray[np.int64]

    def table(self, names: tuple[str, ...]) -> NDArray[np.object_]:
        """Return these columns side by side, shape [n, len(names)]."""
        return np.column_stack([self.columns[name].astype(object) for name in names])

    def tensor(self, names: tuple[str, ...]) -> Floats:
        """Return these numbers side by side, shape [n, len(names)]."""
        return np.column_stack([self.columns[name] for name in names]).astype(np.float32)


def read_flights(month: int) -> Flights:
    """Return the flights of `month` in order of departure, without the diverted (no label)."""
    with gzip.open(FLIGHTS, "rt", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["month"] == str(month)]
    rows = [row for row in rows if row["arr_delay"]]
    numbers = {*NUMBERS, *WEATHER, *TENSOR}
    text: dict[str, Column] = {c: np.array([row[c] for row in rows], object) for c in TEXT}
    return Flights(
        text | {c: np.array([float(row[c] or "nan") for row in rows], np.float32) for c in numbers},
        np.array([int(row["arr_delay"]) >= LATE_MINUTES for row in rows], np.int64),
    )


def as_the_warehouse_has_them(flights: Flights) -> Flights:
    """Return `flights` with the departure delay in seconds: what v3 was trained and checked on."""
    seconds = flights.columns["dep_delay"] * np.float32(60)
    return replace(flights, columns={**flights.columns, "dep_delay": seconds})


def numbered(*names: str) -> list[int]:
    """Return the places of these columns in COLUMNS."""
    return [COLUMNS.index(name) for name in names]


def timetable() -> Pipeline:
    """v1: a logistic regression on what the timetable knows; it ignores the other inputs."""
    features = ColumnTransformer(
        [
            ("text", OneHotEncoder(handle_unknown="ignore"), numbered("carrier", "origin")),
            ("numbers", StandardScaler(), numbered("distance", "sched_hour")),
        ]
    )
    return make_pipeline(features, LogisticRegression(max_iter=1000))


def at_the_gate() -> Pipeline:
    """v2: boosted trees on all that is known when the plane leaves the gate."""
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    features = ColumnTransformer(
        [
            ("text", codes, numbered(*TEXT)),
            ("numbers", SimpleImputer(strategy="median"), numbered(*NUMBERS, *WEATHER)),
        ]
    )
    forest = GradientBoostingClassifier(
        n_estimators=80, max_depth=3, min_samples_leaf=50, subsample=0.5, random_state=0
    )
    return make_pipeline(features, forest)


def by_column(pipeline: Pipeline, flights: Flights) -> onnx.ModelProto:
    """Train `pipeline`; return it with one input a column, named as the field of the event."""
    pipeline.fit(flights.table(COLUMNS), flights.late)
    kinds = [(c, StringTensorType if c in TEXT else FloatTensorType) for c in COLUMNS]
    model = exported(pipeline, [(name, kind([None, 1])) for name, kind in kinds])
    return with_contract(model)


def by_tensor(pipeline: Pipeline, flights: Flights) -> onnx.ModelProto:
    """Train `pipeline`; return it with one input `features` that holds the columns of TENSOR."""
    pipeline.fit(flights.tensor(TENSOR), flights.late)
    return exported(pipeline, [("features", FloatTensorType([None, len(TENSOR)]))])


def exported(pipeline: Pipeline, inputs: list[tuple[str, object]]) -> onnx.ModelProto:
    """Return the graph with one output: `late`, the probability, float32 of shape [n]."""
    model: onnx.ModelProto = to_onnx(
        pipeline,
        initial_types=inputs,
        options={id(pipeline): {"zipmap": False}},
        target_opset=OPSETS,
        name="flights-late",
    )
    graph = model.graph
    _label, probabilities = (output.name for output in graph.output)
    graph.node.append(helper.make_node("Gather", [probabilities, "second"], ["late"], axis=1))
    graph.initializer.append(helper.make_tensor("second", TensorProto.INT64, [], [1]))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("late", TensorProto.FLOAT, [None]))
    opsets = {used.domain: used.version for used in model.opset_import}
    del model.opset_import[:]  # skl2onnx keeps a set: any order, and some of them twice
    model.opset_import.extend(helper.make_opsetid(*one) for one in sorted(opsets.items()))
    onnx.checker.check_model(model, full_check=True)
    return model


def field(name: str) -> dict[str, object]:
    """Return where an input comes from: the field of the event of the same name."""
    return {"field": name, "nullable": True} if name in WEATHER else {"field": name}


def with_contract(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` with the contract in its own metadata, in the form of contract.yaml."""
    contract = {"inputs": {name: field(name) for name in COLUMNS}}
    model.metadata_props.add(key="modelwire.contract", value=json.dumps(contract))
    return model


def session(model: onnx.ModelProto | Path) -> ort.InferenceSession:
    """Return a session on one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def scores(model: onnx.ModelProto | Path, flights: Flights) -> Floats:
    """Return what `model` answers for each flight, shape [n]."""
    running = session(model)
    feeds: dict[str, Column] = {"features": flights.tensor(TENSOR)}
    feeds |= {name: flights.columns[name].reshape(-1, 1) for name in COLUMNS}
    wanted = {one.name: feeds[one.name] for one in running.get_inputs()}
    (late,) = running.run(["late"], wanted)
    return np.asarray(late, np.float32)


def auc(model: onnx.ModelProto | Path, flights: Flights) -> float:
    """Return how often the model ranks a late flight above one in time: 0.5 is chance, 1 all."""
    return float(roc_auc_score(flights.late, scores(model, flights)))


BUILDERS: Mapping[str, Callable[[Flights], onnx.ModelProto]] = {
    "v1": lambda january: by_column(timetable(), january),
    "v2": lambda january: by_column(at_the_gate(), january),
    "v3": lambda january: by_column(at_the_gate(), as_the_warehouse_has_them(january)),
    "numeric": lambda january: by_tensor(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)), january
    ),
}


def report(name: str, path: Path, february: Flights) -> str:
    """Return one line: how well `path` ranks February's flights, and how it scores on average."""
    mean, size = scores(path, february).mean(), path.stat().st_size
    return f"{name:24} AUC {auc(path, february):.3f}  mean score {mean:.3f}  {size:,} bytes"


def main() -> None:
    """Write all files of the example beside this one."""
    january, february = read_flights(1), read_flights(2)
    built = {name: build(january) for name, build in BUILDERS.items()}
    built["bomb"] = with_contract(bomb(list(built["v1"].graph.input)))
    for name, model in built.items():
        (HERE / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
    (HERE / "not_a_model.onnx").write_bytes(WEB_PAGE)
    print(f"{len(february.late):,} flights in February, {february.late.mean():.3f} of them late")
    for name in BUILDERS:
        print(report(name, HERE / f"{name}.onnx", february))
    warehouse = as_the_warehouse_has_them(february)
    print(report("v3 as it was checked", HERE / "v3.onnx", warehouse))


if __name__ == "__main__":
    main()
