"""One version, one event or 64: `predict` over onnxruntime's own `run`, counters on."""

from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import flights
from benchmarks.bed import ROUTE, made
from benchmarks.measure import Figure, in_turns, of, ratios
from modelwire.loading.onnx import onnxruntime
from modelwire.serving.route import Route
from tests.models.good import mlp

CALLS, ROUNDS = 400, 61
NUMERIC = flights.EXAMPLE / "numeric.onnx"
BATCH = 64


def figures() -> list[Figure]:
    """Measure the example's numeric model, and a network of 3 kB on twelve columns."""
    with made() as bed:
        network = bed.folder / "network.onnx"
        network.write_bytes(mlp(12, hidden=48))
        contract = bed.folder / "contract.yaml"
        contract.write_text(_contract(), encoding="utf-8")
        bed.publish(NUMERIC, "1", model="four")
        bed.publish(network, "1", model="twelve", fields=(), contract=contract)
        bed.flip("1", route=ROUTE, model="four")
        bed.flip("1", route="twelve")
        with bed.connect() as models:
            four, twelve = models.route(ROUTE), models.route("twelve")
            four.wait_until_ready()
            twelve.wait_until_ready()
            return [
                *_of_arrays("4 columns", four, NUMERIC, flights.FOUR),
                *_of_arrays("12 columns", twelve, network, flights.TWELVE),
                *_of_events("4 columns", four, NUMERIC, flights.FOUR),
                *_of_events("12 columns", twelve, network, flights.TWELVE),
            ]


def _contract() -> str:
    columns = [
        name if name in flights.FOUR else f"{{field: {name}, nullable: true}}"
        for name in flights.TWELVE
    ]
    return f"inputs:\n  features: [{', '.join(columns)}]\n"


def _of_arrays(what: str, route: Route, file: Path, fields: tuple[str, ...]) -> list[Figure]:
    run, names = session(file).run, ["late"]
    rows = np.nan_to_num(flights.matrix(BATCH, fields))
    row = rows[:1]
    raw, ours = in_turns(
        [lambda: run(names, {"features": row}), lambda: route.predict(row)], CALLS, ROUNDS
    )
    raws, batches = in_turns(
        [lambda: run(names, {"features": rows}), lambda: route.predict_batch(rows)], CALLS, ROUNDS
    )
    return [
        of(f"array → answer over session.run, {what}, batch 1", "x", ratios(raw, ours), 1.10),
        of(f"array → answers over session.run, {what}, batch 64", "x", ratios(raws, batches), 1.05),
        of(f"  session.run, {what}, batch 1", "µs", [ns / 1000 for ns in raw]),
        of(f"  session.run, {what}, batch 64", "µs", [ns / 1000 for ns in raws]),
    ]


def _of_events(what: str, route: Route, file: Path, fields: tuple[str, ...]) -> list[Figure]:
    run, names, get = session(file).run, ["late"], itemgetter(*fields)
    events = flights.events(BATCH)
    event = events[0]

    def by_hand() -> object:
        return run(names, {"features": np.array([get(event)], np.float32)})

    def many_by_hand() -> object:
        return run(names, {"features": np.array([get(e) for e in events], np.float32)})

    hand, ours = in_turns([by_hand, lambda: route.predict(event)], CALLS, ROUNDS)
    hands, batches = in_turns(
        [many_by_hand, lambda: route.predict_batch(events)], CALLS // 4, ROUNDS
    )
    return [
        of(f"event → answer over hand-made, {what}, batch 1", "x", ratios(hand, ours), 1.25),
        of(f"events → answers over hand-made, {what}, batch 64", "x", ratios(hands, batches), 1.15),
        of(f"  hand-made, {what}, batch 1", "µs", [ns / 1000 for ns in hand]),
        of(f"  hand-made, {what}, batch 64", "µs", [ns / 1000 for ns in hands]),
    ]


def session(file: Path) -> Any:  # noqa: ANN401 - the library ships no types
    """Return a session with the settings that the SDK gives it."""
    settings = onnxruntime().SessionOptions()
    settings.log_severity_level = 4
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime().InferenceSession(str(file), settings, ["CPUExecutionProvider"])
