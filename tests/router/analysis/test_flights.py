"""On the real flights, a good version is not blamed; labels find a bad one, a sample new inputs."""

import csv
import gzip
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import mmh3
import numpy as np
import onnxruntime as ort
import pytest

from modelwire.reporting.spread import Spread
from modelwire_publisher.reference import reference
from modelwire_router.analysis.arithmetic import Array, Flags
from modelwire_router.analysis.assess import assess
from modelwire_router.analysis.evidence import Evidence, Planned, Side
from modelwire_router.analysis.settle import overall
from modelwire_router.rollout.plan import Measure, Metric, Query, Template
from modelwire_schemas.release import Column, Contract, Feed, Tensor
from modelwire_schemas.rollout import Judgement
from modelwire_schemas.telemetry import Moments, Outcome, Output, Window
from tests.router.analysis.made import SPAN, T0, sketch, window

FLIGHTS = Path(__file__).parents[3] / "examples" / "flights"
WINDOWS = 25
NOW = T0 + WINDOWS * SPAN


def metric(measure: Measure, most: float | None = None, least: float | None = None) -> Metric:
    relative = measure not in {Measure.PSI, Measure.KS}
    return Metric(measure, Query(measure, "late"), relative=relative, most=most, least=least)


DRIFT = Template("drift", (metric(Measure.PSI, most=0.2), metric(Measure.KS, most=0.1)))
QUALITY = Template(
    "quality",
    (
        metric(Measure.LOG_LOSS, most=1.1),
        metric(Measure.BRIER, most=1.1),
        metric(Measure.AUC, least=0.95),
    ),
)


@cache
def flights() -> list[dict[str, str]]:
    with gzip.open(FLIGHTS / "flights_2013_jan_feb.csv.gz", "rt") as file:
        return list(csv.DictReader(file))


@cache
def scores(version: str) -> Array:
    session: Any = ort.InferenceSession(FLIGHTS / f"v{version}.onnx")
    feed: dict[str, object] = {}
    for wanted in session.get_inputs():
        column = [flight[wanted.name] for flight in flights()]
        if "string" in wanted.type:
            feed[wanted.name] = np.array(column, dtype=object)[:, None]
        else:
            numbers = [float(value or "nan") for value in column]
            feed[wanted.name] = np.array(numbers, dtype=np.float32)[:, None]
    return np.asarray(session.run(None, feed)[0], dtype=np.float64).reshape(-1)


@cache
def labels() -> Array:
    delays = np.array([float(flight["arr_delay"] or "nan") for flight in flights()])
    return np.where(np.isnan(delays), np.nan, delays >= 15)


def reported(version: str, scored: Array, rows: Flags) -> list[Window]:
    place = np.arange(len(rows)) * WINDOWS // len(rows)
    return [_window(version, scored, rows & (place == one), one) for one in range(WINDOWS)]


def _window(version: str, scored: Array, rows: Flags, place: int) -> Window:
    known = rows & ~np.isnan(labels())
    score, late = np.clip(scored[known], 1e-6, 1 - 1e-6), labels()[known] == 1
    outcome = Outcome(
        "late",
        len(score),
        sketch((-np.log(np.where(late, score, 1 - score))).tolist()).moments,
        sketch(((late - score) ** 2).tolist()).moments,
        Moments(),
        sketch(score[late].tolist()).bins,
        sketch(score[~late].tolist()).bins,
    )
    outputs = (Output("late", sketch(scored[rows].tolist())),)
    plain = window(version, place, events=int(rows.sum()), outputs=outputs)
    return replace(plain, outcomes=(outcome,))


def judged(template: Template, stable: str, candidate: str, salt: str) -> Judgement:
    """Split the flights 90 to 10 by plane, and return what all metrics come to."""
    keys = [f"{salt}|{flight['tailnum']}".encode() for flight in flights()]
    ours = np.array([mmh3.hash(key, signed=False) * 10_000 >> 32 for key in keys]) < 1_000
    windows = reported("2", scores(candidate), ours) + reported("1", scores(stable), ~ours)
    planned = (Planned(2, 0.1, 0.9),)
    evidence = Evidence(tuple(windows), NOW, planned=planned, keys=1_000)
    return overall(assess(template, Side("2"), Side("1"), evidence, T0, NOW))


@pytest.mark.parametrize("salt", ["one", "two", "three", "four", "five", "six"])
def test_a_version_against_itself_is_not_blamed(salt: str) -> None:
    both = Template("both", DRIFT.metrics + QUALITY.metrics)
    assert judged(both, "2", "2", salt) in {Judgement.PASS, Judgement.TOO_FEW}


def test_a_better_version_passes_by_its_labels() -> None:
    assert judged(QUALITY, "1", "2", "one") is Judgement.PASS


def test_the_broken_version_fails_by_its_labels() -> None:
    assert judged(QUALITY, "2", "3", "one") is Judgement.FAIL


def test_a_worse_version_that_makes_no_errors_fails_by_its_labels() -> None:
    assert judged(QUALITY, "2", "1", "one") is Judgement.FAIL


def test_the_broken_version_fails_by_drift() -> None:
    assert judged(DRIFT, "2", "3", "one") is Judgement.FAIL


# -- inputs against a sample of January

NUMBERS = ("dep_delay", "distance", "sched_hour", "wind_speed", "precip", "visib")
STEADY = NUMBERS[:3]
"""What does not follow the weather, of which a single day is unlike a whole month."""

Flight = Mapping[str, float]


@cache
def months() -> tuple[list[Flight], list[Flight]]:
    """Return the numbers of January and of February, in order."""
    read = [{name: float(f[name] or "nan") for name in (*NUMBERS, "month")} for f in flights()]
    return [f for f in read if f["month"] == 1], [f for f in read if f["month"] == 2]


@cache
def drawn() -> tuple[tuple[Output, ...], list[Flight]]:
    """Return the sample of a release on flights of January, and the others of that month."""
    order: list[int] = np.random.default_rng(1).permutation(len(months()[0])).tolist()
    mixed = [months()[0][place] for place in order]
    fed = Feed("x", tuple(Column(name) for name in NUMBERS))
    contract = Contract((Tensor("x", "float32", (None, None)),), (), (fed,))
    return reference(mixed[:10_000], contract), mixed[10_000:]


def unlike_january(stream: Sequence[Flight], fields: Sequence[str] = NUMBERS) -> dict[str, str]:
    """Return what is said of each field, where it is not that it passes."""
    place = np.arange(len(stream)) * WINDOWS // len(stream)
    windows: list[Window] = []
    for one in range(WINDOWS):
        part = [stream[row] for row in np.flatnonzero(place == one).tolist()]
        spreads = {name: Spread() for name in fields}
        for name, spread in spreads.items():
            spread.add(np.array([flight[name] for flight in part]))
        inputs = tuple(Output(name, spread.sketch()) for name, spread in spreads.items())
        windows.append(replace(window("2", one, events=len(part)), inputs=inputs))
    metrics = tuple(
        Metric(f"{measure} {name}", Query(measure, name), most=most, interval=SPAN)
        for name in fields
        for measure, most in ((Measure.INPUT_DRIFT, 0.2), (Measure.OUTLIERS, 0.01))
    )
    evidence = Evidence(tuple(windows), NOW, references=drawn()[0])
    found = assess(Template("inputs", metrics), Side("2"), Side("1"), evidence, T0, NOW)
    return {s.finding.metric: s.judgement for s in found if s.judgement is not Judgement.PASS}


def test_other_flights_of_the_same_month_are_not_unlike_their_sample() -> None:
    assert unlike_january(drawn()[1]) == {}


@pytest.mark.parametrize("month", [0, 1], ids=["January", "February"])
def test_flights_in_their_order_are_unlike_a_sample_in_their_weather_only(month: int) -> None:
    assert unlike_january(months()[month], STEADY) == {}
    assert "input_drift visib" in unlike_january(months()[month])


@pytest.mark.parametrize(
    ("name", "times", "more", "said"),
    [
        ("dep_delay", 1.0, 20.0, {"input_drift"}),
        ("wind_speed", 1.609, 0.0, {"input_drift", "outliers"}),
        ("visib", 1.609, 0.0, {"input_drift", "outliers"}),
        ("distance", math.nan, 0.0, {"input_drift", "outliers"}),
    ],
    ids=["later", "wind in km/h", "sight in km", "no distance"],
)
def test_a_shifted_field_is_found_and_no_other_is_blamed(
    name: str, times: float, more: float, said: set[str]
) -> None:
    stream = [{**flight, name: times * flight[name] + more} for flight in drawn()[1]]
    assert unlike_january(stream) == {f"{measure} {name}": Judgement.FAIL for measure in said}
