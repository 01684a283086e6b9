"""The examples compile to what they say, step by step, and each step is a sound document."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from modelwire.routing.checks import check_document
from modelwire_publisher.plain_yaml import read
from modelwire_router.rollout.documents import finished, prepared, stepped
from modelwire_router.rollout.plan import (
    Analyse,
    Exposure,
    Hook,
    HookKind,
    Measure,
    Metric,
    Mirror,
    MovePartitions,
    Pause,
    Plan,
    Prometheus,
    Query,
    SetWeight,
    Template,
)
from modelwire_router.rollout.plan_text import dump, load
from modelwire_router.rollout_file.reading import read_rollouts
from modelwire_router.rollout_file.schema import schema
from modelwire_schemas.routing import All, Clause, Op, Rule, Shadow, Split, SplitBy, Variant

FOLDER = Path(__file__).parents[3] / "examples/flights/rollouts"
NOW = 1_800_000_000_000
NEW_YEAR_2100 = 4_102_444_800_000
ROUTE = "flights-late"
MINUTE, HOUR = 60_000, 3_600_000
ERRORS = Metric("errors", Query(Measure.ERROR_RATE), most=0.005, min_samples=500)
LATENCY = Metric("latency", Query(Measure.LATENCY), relative=True, most=1.2, min_samples=500)
BASIC = Plan(ROUTE, ROUTE, "1", "2", "basic", Split(salt=ROUTE), (SetWeight(10_000),))
GUARDRAILS = Template(
    "guardrails",
    (
        replace(ERRORS, min_samples=5000, failure_limit=2),
        replace(LATENCY, min_samples=5000),
        Metric(
            "drift",
            Query(Measure.PSI, "late"),
            most=0.2,
            min_samples=20_000,
            interval=5 * MINUTE,
            dry_run=True,
        ),
        Metric(
            "complaints",
            Prometheus(
                "http://prometheus.example:9090",
                'sum(rate(complaints_total{version="{{candidate}}"}[30m]))',
            ),
            most=0.02,
            inconclusive_limit=3,
        ),
    ),
)
QUALITY = Metric(
    "quality", Query(Measure.LOG_LOSS, "late"), relative=True, most=1.02, maturity=6 * HOUR
)


def batch(*numbers: int) -> tuple[MovePartitions, Pause, Analyse]:
    moved = MovePartitions(tuple(("flights", number) for number in numbers))
    return moved, Pause(5 * MINUTE), Analyse(("errors",))


def asked(variant: str, version: str) -> Rule:
    match = Clause("header.x-late-variant", Op.IN, (variant,))
    whole = (Variant(variant, version, ((0, 10_000),)),)
    return Rule(f"forced-{variant}", whole, match=match)


GOLDEN = {
    "basic": BASIC,
    "scheduled": replace(BASIC, at=NEW_YEAR_2100),
    "blue-green": replace(
        BASIC,
        strategy="blueGreen",
        steps=(
            SetWeight(0),
            Analyse(("sound",), 10 * MINUTE),
            Pause(),
            SetWeight(10_000),
            Analyse(("sound",), 10 * MINUTE),
        ),
        shadows=(Shadow("2", 10_000, "shadow-2"),),
        templates=(Template("sound", (ERRORS, replace(LATENCY, relative=False, most=20_000.0))),),
        keep_warm=30 * MINUTE,
    ),
    "canary": replace(
        BASIC,
        strategy="canary",
        split=Split(salt="flights-late-2026-12", field="tailnum"),
        steps=(
            Mirror(Shadow("2", 2000, "shadow-2")),
            Analyse(("guardrails",), 5 * MINUTE),
            SetWeight(100),
            Pause(10 * MINUTE),
            SetWeight(500),
            Analyse(("guardrails",), 30 * MINUTE),
            SetWeight(2500),
            Pause(),
            SetWeight(10_000),
        ),
        templates=(GUARDRAILS, Template("delays", (QUALITY,))),
        background=("guardrails", "delays"),
        background_from=2,
        hooks=(
            Hook(HookKind.CONFIRM_PROMOTION, "http://gate.example/flights-late", 3000),
            Hook(HookKind.ROLLBACK, "http://pager.example/flights-late"),
        ),
    ),
    "exposure": replace(
        BASIC,
        strategy="canary",
        split=Split(salt="flights-late-2026-12", field="tailnum"),
        steps=(
            Mirror(Shadow("2", 10_000, "shadow-2", thresholds=(("late", 0.5),))),
            Exposure(120, "late", 5000, 0.5, 6 * HOUR),
            SetWeight(10_000),
        ),
        shadows=(Shadow("1", 10_000, "shadow-1", thresholds=(("late", 0.5),)),),
        templates=(Template("errors", (ERRORS,)),),
        background=("errors",),
        background_from=2,
    ),
    "rolling": replace(
        BASIC,
        strategy="rolling",
        split=Split(SplitBy.PARTITION),
        steps=(*batch(0, 1), *batch(2, 3), *batch(4, 5)),
        templates=(Template("errors", (ERRORS,)),),
    ),
    "shadow": replace(
        BASIC,
        strategy="shadow",
        stable="2",
        candidate="3",
        steps=(
            Mirror(Shadow("3", 2000, "shadow-3", Clause("origin", Op.IN, ("JFK",)))),
            Analyse(("same",), HOUR),
        ),
        templates=(
            Template(
                "same",
                (
                    Metric("disagreement", Query(Measure.DISAGREEMENT, "late"), most=0.05),
                    Metric(
                        "difference",
                        Query(Measure.MEAN_DIFFERENCE, "late"),
                        most=0.02,
                        least=-0.02,
                    ),
                ),
            ),
        ),
    ),
    "ab": replace(
        BASIC,
        strategy="ab",
        steps=(SetWeight(0), SetWeight(0)),
        at=NEW_YEAR_2100,
        background=("errors",),
        templates=(Template("errors", (ERRORS,)),),
        rules=(
            asked("treatment", "2"),
            asked("control", "1"),
            Rule(
                "test-planes",
                (Variant("treatment", "2", ((0, 10_000),)),),
                Split(salt=ROUTE),
                Clause("tailnum", Op.IN, ("N14228", "N24211")),
            ),
            Rule(
                "long-haul",
                (
                    Variant("control", "1", ((0, 5000),)),
                    Variant("treatment", "2", ((5000, 10_000),)),
                ),
                Split(salt="long-haul-2026", field="tailnum"),
                All(
                    (
                        Clause("distance", Op.GE, (1000,)),
                        Clause("carrier", Op.NOT_IN, ("HA", "NO")),
                    )
                ),
            ),
        ),
    ),
}


def plan(name: str) -> Plan:
    (wanted,) = read_rollouts([FOLDER / f"{name}.yaml"], NOW)
    assert wanted.namespace == ""
    return wanted.plan


def test_every_example_has_its_golden_plan() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(GOLDEN)


@pytest.mark.parametrize("name", GOLDEN)
def test_an_example_compiles_to_what_it_says(name: str) -> None:
    assert plan(name) == GOLDEN[name]
    assert load(dump(plan(name))) == GOLDEN[name]


@pytest.mark.parametrize("name", GOLDEN)
def test_every_step_of_an_example_is_a_sound_document(name: str) -> None:
    made = plan(name)
    document = prepared(made, None)
    check_document(document)
    for step in made.steps:
        document = stepped(made, document, step)
        check_document(document)
    check_document(finished(made, document))


@pytest.mark.parametrize("name", GOLDEN)
def test_an_editor_finds_an_example_right(name: str) -> None:
    path = FOLDER / f"{name}.yaml"
    documents, _ = read(path.read_bytes(), str(path))
    for document in documents:
        jsonschema.validate(document.value, schema())


def test_a_mirror_beside_a_budget_counts_decisions_too(tmp_path: Path) -> None:
    text = (FOLDER / "exposure.yaml").read_text()
    file = tmp_path / "beside.yaml"
    file.write_text(text.replace("        - setWeight: 100", "        - mirror: {percent: 20}"))
    (wanted,) = read_rollouts([file], NOW)
    mirrors = [step.shadow for step in wanted.plan.steps if isinstance(step, Mirror)]
    assert [(m.sample, m.thresholds) for m in mirrors] == [
        (10_000, (("late", 0.5),)),
        (2000, (("late", 0.5),)),
    ]


def test_the_published_schema_is_current() -> None:
    path = FOLDER.parents[2] / "docs/rollout.schema.json"
    assert json.loads(path.read_text(encoding="utf-8")) == schema(), (
        "modelwire lint --schema > docs/rollout.schema.json"
    )
