"""What it costs to find out which version answers an event, beside a function written by hand.

The document has two rules: an attribute decides for version 8, else a tenth of the keys get it.
Subjects take turns in rounds of about a millisecond, so that a slow moment of the machine meets
all of them; each figure is the median of its rounds, with the quickest and the slowest tenth
beside it. The first call of a turn is not counted: it pays for what the subject before has left
in the caches.
"""

from collections.abc import Callable, Mapping
from time import perf_counter_ns
from typing import NamedTuple

import mmh3

from benchmarks.measure import Figure, of
from modelwire.routing.assign import CompiledDocument
from modelwire.routing.batch import assign_batch
from modelwire.routing.predicate import compile_predicate
from modelwire.routing.ranges import reweigh
from modelwire_schemas.routing import (
    BUCKETS,
    All,
    Clause,
    Op,
    RoutingDocument,
    Rule,
    Split,
    Variant,
)

ROUNDS = 101
BATCH = 1024
SALT = "late-2026-11"

TWO_RULES = RoutingDocument(
    "flights-late",
    "late",
    (
        Rule(
            "staff",
            (Variant("candidate", "8", ((0, BUCKETS),)),),
            match=Clause("tier", Op.IN, ("staff",)),
        ),
        Rule(
            "everyone",
            reweigh((), [("candidate", "8", 1000), ("stable", "7", 9000)]),
            Split(salt=SALT),
        ),
    ),
)
SPLIT_ONLY = RoutingDocument("flights-late", "late", TWO_RULES.rules[1:])
THREE_CLAUSES = All(
    (
        Clause("tier", Op.IN, ("staff", "gold")),
        Clause("delay", Op.GT, (15,)),
        Clause("distance", Op.LE, (2500.0,)),
    )
)

KEYS = [f"N{i * 7919 % 100_000:05d}-k{i % 1000:03d}"[:13] for i in range(BATCH)]
STAFF: dict[str, object] = {"tier": "staff", "delay": 3}
FREE: dict[str, object] = {"tier": "free", "delay": 3}
GOLD: dict[str, object] = {"tier": "gold", "delay": 20, "distance": 1400.0}
ROWS = [STAFF if i % 10 == 0 else FREE for i in range(BATCH)]
NOTHING: dict[str, object] = {}


class Subject(NamedTuple):
    """Something to measure: `call` does `each` things, and is called `times` a round."""

    what: str
    goal: float | None
    call: Callable[[], object]
    each: int
    times: int


def by_hand(key: str, attributes: Mapping[str, object]) -> str:
    """Return the version as an application without modelwire would find it."""
    if attributes["tier"] == "staff":
        return "8"
    return "8" if mmh3.hash(f"{SALT}|{key}", 0, signed=False) * BUCKETS >> 32 < 1000 else "7"


def subjects() -> list[Subject]:
    """Return what is measured; answers per bucket are warm, as they are after a second."""
    two, split = CompiledDocument(TWO_RULES, 7), CompiledDocument(SPLIT_ONLY, 7)
    asks = compile_predicate(THREE_CLAUSES, lambda: None)
    coordinates = ("flights", 3, 1042)

    def each(row: dict[str, object]) -> Callable[[], object]:
        return lambda: [two.assign(key, row, NOTHING, None) for key in KEYS]

    return [
        Subject("  by hand, one key", None, lambda: [by_hand(k, FREE) for k in KEYS], BATCH, 2),
        Subject("assign, two rules, one key: split", 0.4, each(FREE), BATCH, 2),
        Subject("assign, two rules, one key: match", 0.4, each(STAFF), BATCH, 2),
        Subject(
            "  assign, two rules, no key",
            None,
            lambda: [two.assign(None, FREE, NOTHING, coordinates) for _ in KEYS],
            BATCH,
            2,
        ),
        Subject(
            "assign a batch of 1,024, two rules, a key",
            0.12,
            lambda: assign_batch(two, KEYS, ROWS),
            BATCH,
            5,
        ),
        Subject(
            "assign a batch of 1,024, split, a key",
            0.12,
            lambda: assign_batch(split, KEYS),
            BATCH,
            5,
        ),
        Subject(
            "  batch of 64, two rules",
            None,
            lambda: assign_batch(two, KEYS[:64], ROWS[:64]),
            64,
            50,
        ),
        Subject(
            "  predicate of three clauses",
            None,
            lambda: [asks(GOLD, NOTHING) for _ in KEYS],
            BATCH,
            2,
        ),
        Subject(
            "  compile a document of two rules", None, lambda: CompiledDocument(TWO_RULES, 7), 1, 20
        ),
    ]


def figures() -> list[Figure]:
    """Measure everything, in turns."""
    todo = subjects()
    took: list[list[float]] = [[] for _ in todo]
    for _ in range(ROUNDS):
        for subject, spans in zip(todo, took, strict=True):
            spans.append(_microseconds(subject))
    return [
        of(subject.what, "µs", spans, subject.goal)
        for subject, spans in zip(todo, took, strict=True)
    ]


def _microseconds(subject: Subject) -> float:
    call = subject.call
    call()
    began = perf_counter_ns()
    for _ in range(subject.times):
        call()
    return (perf_counter_ns() - began) / 1000 / subject.times / subject.each
