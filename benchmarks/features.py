"""Events to a model's inputs by its contract, over the hand-made way: itemgetter and np.array."""

from collections.abc import Mapping
from operator import itemgetter

import numpy as np

from benchmarks import flights
from benchmarks.measure import Figure, Way, in_turns, of, ratios
from modelwire.serving.features import compile_features
from modelwire_schemas.release import Column, Contract, Feed, Tensor

CALLS, ROUNDS, BATCH = 200, 31, 64
FIELDS = flights.TWELVE


def figures() -> list[Figure]:
    """Make the inputs of one flight and of 64, on twelve columns of which weather may be null."""
    features, get = compile_features(_contract()), itemgetter(*FIELDS)
    whole = [e for e in flights.events(200) if None not in e.values()][:BATCH]
    nulls = [_without(event, "visib") if n % 8 == 0 else event for n, event in enumerate(whole)]
    bad = [*whole[:7], {**whole[7], "temp": "odd"}, *whole[8:]]
    event, matrix = whole[0], flights.matrix(1, FIELDS)

    def one_by_hand() -> object:
        return {"features": np.array([get(event)], np.float32)}

    def by_hand() -> object:
        return {"features": np.array([get(event) for event in whole], np.float32)}

    one = in_turns([one_by_hand, lambda: features.one(event)], CALLS, ROUNDS)
    arrays = in_turns([lambda: features.array(matrix)], CALLS, ROUNDS)
    return [
        of("  event → inputs over hand-made", "x", ratios(*one)),
        of("  array → inputs", "µs", [ns / 1000 for ns in arrays[0]]),
        _many("64 events → inputs over hand-made", by_hand, lambda: features.rows(whole)),
        _many("the same, every eighth with a null", by_hand, lambda: features.rows(nulls)),
        _many("the same, one of 64 faulty", by_hand, lambda: features.rows(bad)),
    ]


def _many(what: str, hand: Way, ours: Way) -> Figure:
    return of(f"  {what}", "x", ratios(*in_turns([hand, ours], CALLS // 5, ROUNDS)))


def _without(event: Mapping[str, object], field: str) -> Mapping[str, object]:
    return {**event, field: None}


def _contract() -> Contract:
    columns = tuple(Column(field, nullable=field not in flights.FOUR) for field in FIELDS)
    return Contract(
        (Tensor("features", "float32", (None, len(FIELDS))),),
        (Tensor("late", "float32", (None,)),),
        (Feed("features", columns),),
    )
