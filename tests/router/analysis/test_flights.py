"""On the real flights, divided by plane, a good version is not blamed, labels find a bad one."""

import csv
import gzip
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import mmh3
import numpy as np
import onnxruntime as ort
import pytest

from modelwire_router.analysis.arithmetic import Array, Flags
from modelwire_router.analysis.assess import assess
from modelwire_router.analysis.evidence import Evidence, Planned, Side
from modelwire_router.analysis.settle import overall
from modelwire_router.rollout.plan import Measure, Metric, Query, Template
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
