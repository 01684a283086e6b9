"""Layers over rollouts of several routes: no key in two experiments, a holdout that stays."""

import csv
import gzip
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import chi2_contingency  # pyright: ignore[reportUnknownVariableType]

from modelwire.control.state import State
from modelwire.routing.assign import CompiledDocument
from modelwire.routing.layers import HOLDOUT, OUTSIDE, experiment
from modelwire_router.decide import arms, compared
from modelwire_router.demo.files import flights
from modelwire_router.rollout import machine, plan_text
from modelwire_router.rollout.layers import allotted, check_begun
from modelwire_router.rollout.plan import Pause, Plan, SetWeight
from modelwire_router.rollout_file.reading import rollouts
from modelwire_schemas.errors import Conflict, Rejected
from modelwire_schemas.routing import (
    BUCKETS,
    RolloutAborted,
    RoutingDocument,
    Rule,
    Split,
    Variant,
)
from tests.consumer_sdk.control.making import MINUTE, MODEL, Book, change, document, release

ROUTES = ("late", "early", "fares")
UI = Split(salt="layer:ui", field="tailnum")


def file(
    route: str,
    *experiments: tuple[str, float],
    layer: str = "ui",
    holdout: float = 5,
    key: str = "event.tailnum",
) -> Plan:
    """Return the plan of a file with these experiments of a layer, half new and half old each."""
    listed = "".join(
        f"          - {{name: {name}, weight: {weight:g}, to: [{{name: new, version: '2', "
        "weight: 50}, {name: old, version: '1', weight: 50}]}\n"
        for name, weight in experiments
    )
    text = (
        "apiVersion: modelwire.io/v1\nkind: Rollout\n"
        f"metadata: {{name: {route}}}\nspec:\n  model: {MODEL}\n"
        "  stable: '1'\n  candidate: '2'\n  strategy: {ab: {}}\n  routes:\n    - name: all\n"
        f"      layer:\n        name: {layer}\n        key: {key}\n        holdout: {holdout:g}\n"
        f"        experiments:\n{listed}"
    )
    (wanted,) = rollouts([("x.yaml", text.encode())], None)
    return wanted.plan


def served() -> Book:
    book = Book()
    for version in ("1", "2"):
        book.must(release(version))
    for route in ROUTES:
        book.must(change(document("1", route), 0))
    book.wait(MINUTE)
    return book


def begin(book: Book, *plans: Plan) -> None:
    """Begin rollouts as `apply` does."""
    for plan in allotted(plans, book.state):
        asked = machine.begin(plan, book.state.routes.get(plan.route), f"r{book.now}", book.now)
        book.must(asked)
        book.wait(MINUTE)


def step(book: Book, route: str) -> str:
    """Take a rollout's next step; return the code of a refusal."""
    there = book.state.routes[route]
    rollout = there.head.document.rollout
    assert rollout
    asked = machine.advance(machine_plan(book, route), there, book.now).change
    verdict = book.say(asked)
    book.wait(MINUTE)
    return verdict.code


def machine_plan(book: Book, route: str) -> Plan:
    rollout = book.state.routes[route].head.document.rollout
    assert rollout
    return plan_text.load(rollout.plan)


def run(book: Book, *plans: Plan) -> None:
    begin(book, *plans)
    for plan in plans:
        assert step(book, plan.route) == ""


def rule(book: Book, route: str) -> Rule:
    return book.state.routes[route].head.document.rules[0]


def buckets(rule: Rule, *names: str) -> set[int]:
    """Return the buckets of some variants; without names, those of all experiments."""
    return {
        bucket
        for v in rule.variants
        if (v.name in names if names else v.name not in (HOLDOUT, OUTSIDE))
        for start, end in v.buckets
        for bucket in range(start, end)
    }


@cache
def tails() -> tuple[str, ...]:
    """Return the tail numbers of the real flights."""
    with gzip.open(flights(), "rt") as rows:
        return tuple(sorted({row["tailnum"] for row in csv.DictReader(rows) if row["tailnum"]}))


def variants(of: RoutingDocument, keys: Sequence[str]) -> dict[str, str]:
    """Return the variant of each key, as consumers assign it."""
    made = CompiledDocument(of, 1)
    return {key: made.assign(None, {"tailnum": key}, {}, None).variant for key in keys}


def treated(of: RoutingDocument, keys: Sequence[str]) -> set[str]:
    return {k for k, v in variants(of, keys).items() if v not in (HOLDOUT, OUTSIDE, "stable")}


# No key is in two experiments


def test_real_planes_are_in_one_experiment_at_most_and_those_held_out_in_none() -> None:
    book = served()
    run(book, file("late", ("hours", 40)))
    run(book, file("early", ("fares", 30), ("seats", 25)))
    late, early = (book.state.routes[r].head.document for r in ("late", "early"))
    assert len(tails()) > 2_000
    one, two = treated(late, tails()), treated(early, tails())
    assert one
    assert two
    assert not one & two
    out = {k for k, v in variants(late, tails()).items() if v == HOLDOUT}
    assert out == {k for k, v in variants(early, tails()).items() if v == HOLDOUT}
    assert 0.03 < len(out) / len(tails()) < 0.07
    assert one | two | out == set(tails()), "the layer is full"


weights = st.sampled_from([1, 2, 5, 10, 20, 33, 40, 95])
doings = st.lists(
    st.tuples(st.sampled_from(ROUTES), st.lists(weights, min_size=1, max_size=3), st.booleans()),
    max_size=8,
)


@given(doings, st.sampled_from([0, 1, 5, 20]))
@settings(max_examples=60)
def test_whatever_comes_and_goes_no_bucket_is_in_two_experiments(
    doings: list[tuple[str, list[float], bool]], holdout: float
) -> None:
    book = served()
    for number, (route, shares, ends) in enumerate(doings):
        there = book.state.routes[route].head.document.rollout
        if there is not None and not there.phase.over:
            book.must(RolloutAborted(route, there.id))
            book.wait(MINUTE)
        if sum(shares) + holdout > 100:
            continue
        named = [(f"e{number}-{i}", share) for i, share in enumerate(shares)]
        try:
            run(book, file(route, *named, holdout=holdout))
        except Rejected as error:
            assert error.code == "E_LAYER_FULL"  # noqa: PT017 - whether it is, is the state's
            assert sum(shares) * 100 + sum(_held(book)) + holdout * 100 > BUCKETS
        if ends:
            book.wait(MINUTE)
        _check_apart(book, round(holdout * 100))


def _layered(book: Book) -> Iterator[Rule]:
    for route in ROUTES:
        found = rule(book, route)
        if found.split.salt == "layer:ui":
            yield found


def _held(book: Book) -> list[int]:
    return [len(buckets(found)) for found in _layered(book)]


def _check_apart(book: Book, holdout: int) -> None:
    """The experiments of all routes are disjoint, and nobody touches the holdout."""
    held = [buckets(found) for found in _layered(book)]
    every = [bucket for mine in held for bucket in mine]
    assert len(set(every)) == len(every)
    for found, mine in zip(_layered(book), held, strict=True):
        assert buckets(found, HOLDOUT) == set(range(holdout))
        assert not mine & set(range(holdout))


def test_experiments_of_one_file_and_of_segments_share_a_layer_too() -> None:
    book = served()
    plan = file("late", ("hours", 30))
    (all_,) = plan.rules
    segment = replace(all_, name="eu")
    (made,) = allotted([replace(plan, rules=(segment, all_))], book.state)
    assert not buckets(made.rules[0]) & buckets(made.rules[1])
    one, two = allotted([file("late", ("hours", 40)), file("early", ("fares", 40))], book.state)
    assert not buckets(one.rules[0]) & buckets(two.rules[0])


def test_a_rollout_that_has_begun_holds_its_share_before_its_first_step() -> None:
    book = served()
    begin(book, file("late", ("hours", 60)))
    with pytest.raises(Rejected, match="E_LAYER_FULL") as caught:
        allotted([file("early", ("fares", 60))], book.state)
    assert "35 % left" in str(caught.value)
    assert "held by hours of late" in str(caught.value)


def test_what_has_ended_is_free_again() -> None:
    book = served()
    run(book, file("late", ("hours", 60)))
    assert step(book, "late") == ""
    assert machine_plan(book, "late").strategy == "ab"
    run(book, file("early", ("fares", 60)))


def test_an_experiment_that_still_has_an_end_to_come_holds_its_share() -> None:
    book = served()
    plan = replace(file("late", ("hours", 60)), at=book.now + 60 * MINUTE)
    run(book, replace(plan, steps=(SetWeight(0), SetWeight(0))))
    assert step(book, "late") == "", "the end is on the log, and scheduled"
    with pytest.raises(Rejected, match="E_LAYER_FULL"):
        allotted([file("early", ("fares", 60))], book.state)
    book.wait(60 * MINUTE)
    book.must(release("9"))  # time goes on
    begin(book, file("early", ("fares", 60)))


def test_a_document_that_is_to_come_holds_its_share() -> None:
    book = served()
    arms = Variant("mine", "2", ((500, 6_500),)), Variant(OUTSIDE, "1", ((6_500, 10_000),))
    found = Rule("all", (Variant(HOLDOUT, "1", ((0, 500),)), *arms), UI)
    by_hand = replace(document("1", "late"), rules=(found,))
    book.must(change(by_hand, 1, at=book.now + 60 * MINUTE))
    with pytest.raises(Rejected, match="E_LAYER_FULL"):
        allotted([file("early", ("fares", 60))], book.state)
    (made,) = allotted([file("early", ("fares", 35))], book.state)
    assert buckets(made.rules[0]) == set(range(6_500, 10_000))


def test_the_fold_lets_one_of_two_that_began_at_once_take_its_step() -> None:
    book = served()
    plans = [file("late", ("hours", 60)), file("early", ("fares", 60))]
    blind = [allotted([plan], book.state)[0] for plan in plans]
    for plan in blind:
        book.must(machine.begin(plan, book.state.routes[plan.route], "r", book.now))
    with pytest.raises(Conflict, match="E_LAYER") as caught:
        check_begun(blind[1:], book.state)
    assert "modelwire abort early" in str(caught.value)
    assert step(book, "late") == ""
    assert step(book, "early") == "E_LAYER"
    book.must(RolloutAborted("late", "r"))
    book.wait(MINUTE)
    assert step(book, "early") == ""


def test_an_experiment_keeps_its_keys_when_it_grows_and_when_it_is_applied_again() -> None:
    book = served()
    run(book, file("early", ("fares", 20)))
    run(book, file("late", ("hours", 20)))
    before = buckets(rule(book, "late"))
    assert step(book, "early") == "", "now there are lower ones free"
    (same,) = allotted([file("late", ("hours", 20))], book.state)
    assert same.rules[0].variants == rule(book, "late").variants
    (more,) = allotted([file("late", ("hours", 30))], book.state)
    assert before < buckets(more.rules[0])
    news = [buckets(each, "hours.new") for each in (rule(book, "late"), more.rules[0])]
    assert news[0] < news[1], "who had the new version keeps it"


# What does not fit is refused


def test_a_layer_has_one_holdout_and_one_key() -> None:
    book = served()
    run(book, file("late", ("hours", 20)))
    for other, code in (
        (file("early", ("fares", 20), holdout=6), "E_HOLDOUT"),
        (file("early", ("fares", 20), holdout=0), "E_HOLDOUT"),
        (file("early", ("fares", 20), key="event.carrier"), "E_LAYER_KEY"),
    ):
        with pytest.raises(Rejected, match=code):
            allotted([other], book.state)
    begin(book, file("early", ("fares", 20), layer="prices", holdout=6, key="event.carrier"))


def test_documents_written_by_hand_are_held_to_it_too() -> None:
    book = served()
    run(book, file("late", ("hours", 20)))
    split = rule(book, "late").split
    whole = Variant("mine", "1", ((0, 9_000),)), Variant("yours", "2", ((9_000, 10_000),))
    by_hand = replace(document("1", "early"), rules=(Rule("all", whole, split),))
    assert book.say(change(by_hand, 1)).code == "E_HOLDOUT"
    high = Variant(HOLDOUT, "1", ((9_500, 10_000),)), Variant("mine", "2", ((0, 9_500),))
    by_hand = replace(by_hand, rules=(Rule("all", high, split),))
    assert "lowest buckets" in book.say(change(by_hand, 1)).detail
    low = Variant(HOLDOUT, "1", ((0, 500),)), Variant("mine", "2", ((500, 10_000),))
    by_hand = replace(by_hand, rules=(Rule("all", low, split),))
    verdict = book.say(change(by_hand, 1))
    assert verdict.code == "E_LAYER"
    assert "mine of early and hours of late both hold bucket 500 of layer ui" in verdict.detail


def test_a_flip_leaves_the_layer_to_others() -> None:
    from modelwire_router.changes import flip

    book = served()
    run(book, file("late", ("hours", 90)))
    book.must(flip(book.state, "late", "1"))
    book.wait(MINUTE)
    assert rule(book, "late").split == Split(salt="late")
    run(book, file("early", ("fares", 90)))


# A holdout stays the same keys


def test_a_layers_holdout_is_the_same_over_successive_rollouts_and_never_treated() -> None:
    book = served()
    seen: set[frozenset[str]] = set()
    for number, route in enumerate((*ROUTES, *ROUTES)):
        run(book, file(route, (f"e{number}", 10 + number)))
        there = book.state.routes[route].head.document
        seen.add(frozenset(k for k, v in variants(there, tails()).items() if v == HOLDOUT))
        assert step(book, route) == ""
        assert treated(book.state.routes[route].head.document, tails()) == set()
    assert len(seen) == 1


def canary(candidate: str, stable: str, salt: str = "late", holdout: int = 500) -> Plan:
    steps = (SetWeight(1_000), Pause(), SetWeight(9_800), Pause(), SetWeight(BUCKETS))
    split = Split(salt=salt, field="tailnum")
    return Plan("late", MODEL, stable, candidate, "canary", split, steps, holdout=holdout)


def test_a_canarys_holdout_is_the_same_over_successive_rollouts_and_last_to_come() -> None:
    book = served()
    out: set[str] = set()
    for candidate, stable in (("2", "1"), ("1", "2")):
        begin(book, canary(candidate, stable))
        found: dict[str, str] = {}
        for _ in range(4):
            assert step(book, "late") == ""
            assert buckets(rule(book, "late"), HOLDOUT) == set(range(500))
            found = variants(book.state.routes["late"].head.document, tails())
            out = out or {k for k, v in found.items() if v == HOLDOUT}
            assert {k for k, v in found.items() if v == HOLDOUT} == out
        assert {k for k, v in found.items() if v == "candidate"} == set(tails()) - out
        assert step(book, "late") == ""
        assert book.state.routes["late"].head.document.sole_version() == candidate
    assert len(out) > 50


def test_a_canary_with_another_holdout_is_refused_until_it_is_ended() -> None:
    from modelwire_router.changes import flip

    book = served()
    begin(book, canary("2", "1"))
    book.must(RolloutAborted("late", f"r{book.now - MINUTE}"))
    book.wait(MINUTE)
    for other in (canary("2", "1", salt="new"), canary("2", "1", holdout=0)):
        with pytest.raises(Rejected, match="E_HOLDOUT") as caught:
            allotted([other], book.state)
        assert "held out 5 % by salt late" in str(caught.value)
    with pytest.raises(Rejected, match="E_HOLDOUT"):
        allotted([file("late", ("hours", 20))], book.state)
    book.must(flip(book.state, "late", "1"))
    assert allotted([canary("2", "1", salt="new")], book.state)


# Layers know nothing of each other


@pytest.mark.parametrize("real", [True, False])
def test_two_layers_are_independent(real: bool) -> None:  # noqa: FBT001
    drawn = random.Random(2013)  # noqa: S311 - the same keys in every run
    keys = tails() if real else [f"k{drawn.getrandbits(60)}" for _ in range(50_000)]
    book = served()
    run(book, file("late", ("hours", 45), ("seats", 50)))
    run(book, file("early", ("fares", 45), ("meals", 50), layer="prices"))
    one, two = (variants(book.state.routes[r].head.document, keys) for r in ("late", "early"))
    rows, columns = sorted(set(one.values())), sorted(set(two.values()))
    table = [[sum(1 for k in keys if (one[k], two[k]) == (r, c)) for c in columns] for r in rows]
    assert dependence(table) > 0.001
    again = variants(book.state.routes["late"].head.document, keys)
    same = [[sum(1 for k in keys if (one[k], again[k]) == (r, c)) for c in rows] for r in rows]
    assert dependence(same) < 1e-9, "the test sees what belongs together"


def dependence(table: list[list[int]]) -> float:
    """Return the p-value of a chi-square test of two ways to divide the same keys."""
    found: tuple[float, float] = tuple(chi2_contingency(table)[:2])  # pyright: ignore
    return found[1]


# An experiment is judged by its own arms


def test_a_candidate_is_compared_with_the_control_of_its_own_experiment() -> None:
    book = served()
    run(book, file("late", ("hours", 40)))
    plan = machine_plan(book, "late")
    found = compared(book.state.routes["late"].head.document, plan)
    assert [variant.name for variant in arms(found, plan)] == ["hours.new", "hours.old"]
    assert {experiment(name) for name in ("hours.new", "hours.old")} == {"hours"}


def test_nobody_gets_an_experiment_before_the_fleet_is_ready() -> None:
    book = served()
    begin(book, file("late", ("hours", 40)))
    there = book.state.routes["late"].head.document
    assert there.sole_version() == "1"
    assert there.versions() == ("1", "2")


def test_a_plan_without_layers_is_left_alone() -> None:
    plan = canary("2", "1")
    assert allotted([plan], State()) == [plan]
