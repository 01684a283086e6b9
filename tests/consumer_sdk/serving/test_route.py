"""One route, asked as an application asks it: over stand-ins, so that every answer is known."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

import modelwire
from modelwire.control.state import LEAD
from modelwire.testing import Function, ManualClock, StandIn, models
from modelwire_schemas.errors import NotReady, Rejected
from modelwire_schemas.routing import (
    RoutingDocument,
    Rule,
    Split,
    SplitBy,
    Staleness,
    Variant,
)
from tests.waiting import eventually
from tests.world import listening

ROUTE = "late"


def nothing(event: object) -> float:
    del event
    return 0.0


VERSIONS: Mapping[str, Mapping[str, Function]] = {
    "late": {"1": lambda e: e["x"] + 1.0, "2": lambda e: e["x"] + 2.0}
}


@pytest.fixture
def made() -> Iterator[StandIn]:
    with models(VERSIONS) as standing:
        yield standing


def variants(**weights: int) -> tuple[Variant, ...]:
    """Return variants v1=… v2=… by buckets, one behind the other."""
    found: list[Variant] = []
    start = 0
    for name, weight in weights.items():
        found.append(Variant(name, name[1:], ((start, start + weight),) if weight else ()))
        start += weight
    return tuple(found)


def write(made: StandIn, *rules: Rule, **more: Any) -> None:  # noqa: ANN401
    """Set the route's document, at once, and wait until it is in force."""
    document = RoutingDocument(ROUTE, "late", rules, **more)
    made.change(document)


def rule(*, by: SplitBy = SplitBy.KEY, field: str = "", **weights: int) -> Rule:
    return Rule("all", variants(**weights), Split(by, ROUTE, field))


# -- one event


def test_an_answer_says_what_and_by_whom(made: StandIn) -> None:
    answer = made.route(ROUTE).predict({"x": 1.0}, key="N14228")
    assert answer.value == 2.0
    assert answer.outputs == {"value": 2.0}
    assert isinstance(answer.value, np.floating)
    told = (answer.route, answer.model, answer.version, answer.served_by, answer.routed_to)
    assert told == ("late", "late", "1", "1", "1")
    assert (answer.variant, answer.rule, answer.reason) == ("1", "all", "sole")
    assert (answer.revision, answer.bucket, answer.stale, answer.unsettled) == (
        1,
        None,
        False,
        False,
    )
    assert answer.offset == made.status().offset
    assert len(answer.digest) == 64


def test_a_flip_changes_who_answers(made: StandIn) -> None:
    made.flip(ROUTE, "2")
    answer = made.route(ROUTE).predict({"x": 1.0})
    assert (answer.value, answer.version, answer.revision) == (3.0, "2", 2)


def test_a_route_is_one_object_however_often_it_is_asked_for(made: StandIn) -> None:
    assert made.route(ROUTE) is made.route(ROUTE)


def test_a_name_that_can_be_no_route_is_refused_at_once(made: StandIn) -> None:
    for name in ("a/b", "a\0b", "", "x" * 300):
        with pytest.raises(Rejected, match="E_NAME"):
            made.route(name)


@pytest.mark.parametrize("key", ["N14228", b"N14228", 14228])
def test_a_key_keeps_an_event_on_its_side(made: StandIn, key: str | bytes | int) -> None:
    made.flip(ROUTE, {"1": "50", "2": "50"})
    answers = [made.route(ROUTE).predict({"x": 0.0}, key=key) for _ in range(20)]
    assert len({(a.version, a.bucket) for a in answers}) == 1
    assert answers[0].reason == "split"


def test_text_and_its_bytes_are_one_key(made: StandIn) -> None:
    made.flip(ROUTE, {"1": "50", "2": "50"})
    route = made.route(ROUTE)
    for key in ("a", "ä", "東"):
        assert route.predict({"x": 0.0}, key=key).bucket == (
            route.predict({"x": 0.0}, key=key.encode()).bucket
        )


def test_without_a_key_the_coordinates_decide_and_that_is_counted(made: StandIn) -> None:
    made.flip(ROUTE, {"1": "50", "2": "50"})
    route = made.route(ROUTE)
    answer = route.predict({"x": 0.0}, source=("events", 3, 17))
    assert answer.reason == "no_key"
    assert answer.bucket == route.predict({"x": 0.0}, source=("events", 3, 17)).bucket
    assert dict(made.status().errors)["no_key"] == 2


def test_with_neither_key_nor_coordinates_there_is_no_answer(made: StandIn) -> None:
    made.flip(ROUTE, {"1": "50", "2": "50"})
    with pytest.raises(Rejected, match="E_NO_KEY"):
        made.route(ROUTE).predict({"x": 0.0})


def test_a_field_of_the_event_can_be_its_key(made: StandIn) -> None:
    write(made, rule(field="tail", v1=5000, v2=5000))
    route = made.route(ROUTE)
    by_field = route.predict({"x": 0.0, "tail": "N1"}, key="other")
    assert by_field.bucket == route.predict({"x": 0.0, "tail": "N1"}).bucket
    assert by_field.reason == "split"


def test_a_header_forces_a_version_where_the_document_allows_it(made: StandIn) -> None:
    route, headers = made.route(ROUTE), {"x-model-version": b"2"}
    assert route.predict({"x": 0.0}, headers=headers).version == "1"
    write(made, rule(v1=10_000, v2=0), force_header="x-model-version")
    forced = route.predict({"x": 0.0}, headers=headers)
    assert (forced.version, forced.reason) == ("2", "forced")
    assert route.predict({"x": 0.0}).version == "1"
    assert route.predict({"x": 0.0}, headers={"x-model-version": "9"}).version == "1"
    assert dict(made.status().errors)["unknown_forced"] == 1


def test_partitions_decide_in_a_rolling_deployment(made: StandIn) -> None:
    arms = (Variant("new", "2", partitions=(("events", 0),)), Variant("old", "1"))
    write(made, Rule("all", arms, Split(SplitBy.PARTITION, ROUTE)))
    route = made.route(ROUTE)
    new = route.predict({"x": 0.0}, source=("events", 0, 5))
    assert (new.version, new.reason, new.variant) == ("2", "partition", "new")
    assert route.predict({"x": 0.0}, source=("events", 1, 5)).version == "1"


def test_every_event_for_itself(made: StandIn) -> None:
    write(made, rule(by=SplitBy.EVENT, v1=5000, v2=5000))
    route = made.route(ROUTE)
    answers = [route.predict({"x": 0.0}, key="same", source=("e", 0, n)) for n in range(60)]
    assert {a.version for a in answers} == {"1", "2"}
    assert {a.reason for a in answers} == {"event"}


def test_the_default_is_for_when_nothing_is_ready() -> None:
    with models({"other": {"1": nothing}}) as made:
        route = made.route("nobody")
        assert route.predict({"x": 1.0}, default=None) is None
        assert route.predict({"x": 1.0}, default=-1.0) == -1.0
        assert not route.ready
        with pytest.raises(NotReady, match=r"no routing document yet.*modelwire flip nobody"):
            route.predict({"x": 1.0})


def test_the_default_does_not_hide_a_bad_event(made: StandIn) -> None:
    with pytest.raises(Rejected, match="E_SHAPE"):
        made.route(ROUTE).predict(5, default=None)


def test_waiting_for_a_route_without_a_document_says_so(made: StandIn) -> None:
    with pytest.raises(NotReady, match=r"not ready.*modelwire flip nobody VERSION makes a"):
        made.route("nobody").wait_until_ready(0.05)


async def test_coroutines_ask_without_blocking_the_loop() -> None:
    def slowly(event: dict[str, float]) -> float:
        return event["x"] + 1.0

    with models({"late": {"1": slowly, "2": slowly}}) as made:
        route = made.route("late")
        answers = await asyncio.gather(*(route.apredict({"x": float(n)}) for n in range(50)))
        assert [a.value for a in answers] == [n + 1.0 for n in range(50)]
        assert (await route.apredict({"x": 1.0}, key="k", at=datetime.now(UTC))).value == 2.0
        assert await made.route("nobody").apredict({"x": 1.0}, default="none") == "none"
        assert await refused(made.route("nobody")) == "E_NO_DOCUMENT"


async def refused(route: modelwire.Route) -> str:
    """Return the code of a refusal; keeping the error would keep what was running."""
    try:
        await route.apredict({"x": 1.0})
    except NotReady as error:
        return error.code
    return ""


# -- times


def test_a_time_can_be_an_aware_datetime(made: StandIn) -> None:
    route = made.route(ROUTE)
    at = datetime.now(UTC) - timedelta(minutes=1)
    assert route.predict({"x": 1.0}, at=at).value == 2.0
    assert route.predict({"x": 1.0}, at=at.timestamp() * 1000).value == 2.0
    assert route.predict({"x": 1.0}, at=-1).value == 2.0
    for wrong in (datetime(2026, 1, 1), "yesterday", True):  # noqa: DTZ001 - it is the wrong one
        with pytest.raises(Rejected, match="E_TIME"):
            route.predict({"x": 1.0}, at=wrong)  # type: ignore[arg-type]


def test_an_event_of_the_past_gets_the_document_of_then() -> None:
    clock = ManualClock()
    with models(VERSIONS, clock=clock) as made:
        route, before = made.route(ROUTE), clock.now()
        clock.advance(10_000)
        made.change(RoutingDocument(ROUTE, "late", (rule(v2=10_000),)), at_once=False)
        effective = before + 10_000 + LEAD
        clock.advance(5_000)
        eventually(lambda: route.predict({"x": 0.0}).version == "2")
        assert route.predict({"x": 0.0}, at=before).version == "1"
        assert route.predict({"x": 0.0}, at=effective - 1).version == "1"
        assert route.predict({"x": 0.0}, at=effective).version == "2"
        answers = route.predict_batch([{"x": 0.0}] * 3, at=[before, effective, effective - 1])
        assert [answers[n].version for n in range(3)] == ["1", "2", "1"]


def test_an_event_a_day_ahead_is_answered_at_once_and_counted(made: StandIn) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    answer = made.route(ROUTE).predict({"x": 1.0}, at=tomorrow)
    assert (answer.value, answer.unsettled) == (2.0, True)
    counted = dict(made.status().errors)
    assert (counted["clock_ahead"], counted["unsettled"]) == (1, 1)


# -- versions that fail


def asked(route: modelwire.Route, event: object) -> modelwire.Answer | None:
    """Return the answer; None where the model raised."""
    try:
        return route.predict(event)
    except Rejected as error:
        if error.code != "E_MODEL":
            raise
        return None


def test_a_model_that_raises_is_said_by_name(made: StandIn) -> None:
    made.fail("late", "1", ZeroDivisionError("of nothing"))
    with pytest.raises(Rejected, match="E_MODEL: late 1 raised ZeroDivisionError: of nothing"):
        made.route(ROUTE).predict({"x": 1.0})
    made.fail("late", "1", None)
    assert made.route(ROUTE).predict({"x": 1.0}).value == 2.0
    assert dict(made.status().errors)["E_MODEL"] >= 1


def test_a_fallback_answers_for_a_version_that_raises(made: StandIn) -> None:
    write(made, rule(v1=10_000), fallback=("2",))
    made.fail("late", "1", ValueError("no"))
    answer = made.route(ROUTE).predict({"x": 1.0}, key="k")
    assert (answer.value, answer.routed_to, answer.served_by, answer.version) == (
        3.0,
        "1",
        "2",
        "2",
    )
    answers = made.route(ROUTE).predict_batch([{"x": 1.0}, {"x": 2.0}])
    assert answers.outputs["value"].tolist() == [3.0, 4.0]
    assert answers[1].served_by == "2"


def test_a_version_that_keeps_raising_is_cut_off_and_the_ladder_goes_on(made: StandIn) -> None:
    write(made, rule(v2=10_000))
    made.fail("late", "2", ValueError("always"))
    route = made.route(ROUTE)
    refused = 0
    while (answer := asked(route, {"x": 1.0})) is None:
        refused += 1
    assert (answer.routed_to, answer.served_by, answer.value) == ("2", "1", 2.0)
    assert refused <= 50


def test_bad_events_now_and_then_do_not_cut_a_good_version_off() -> None:
    def picky(event: dict[str, float]) -> float:
        return 1.0 / event["x"]

    with models({"late": {"1": picky}}) as made:
        route = made.route("late")
        for _ in range(200):
            assert asked(route, {"x": 0.0}) is None
            assert route.predict({"x": 2.0}).value == 0.5


def test_the_only_version_is_never_cut_off() -> None:
    with models({"late": {"1": nothing}}) as made:
        made.fail("late", "1", ValueError("for a while"))
        for _ in range(200):
            assert asked(made.route("late"), {}) is None
        made.fail("late", "1", None)
        assert made.route("late").predict({}).value == 0.0


# -- staleness


def test_answers_say_when_the_log_is_away_and_when_it_is_back(made: StandIn) -> None:
    route = made.route(ROUTE)
    made.go_stale()
    answer = route.predict({"x": 1.0})
    assert (answer.value, answer.stale) == (2.0, True)
    assert made.status().stale_since > 0
    made.come_back()
    assert not route.predict({"x": 1.0}).stale
    assert made.status().stale_since == 0


@pytest.mark.parametrize("staleness", list(Staleness))
def test_what_is_not_settled_goes_by_the_policy(staleness: Staleness) -> None:
    clock = ManualClock()
    with models(VERSIONS, clock=clock) as made:
        write(made, rule(v1=10_000), fallback=("2",), staleness=staleness)
        before = clock.now()
        made.go_stale()
        clock.advance(60_000)
        route = made.route(ROUTE)
        old = route.predict({"x": 0.0}, at=before)
        assert (old.version, old.stale, old.unsettled) == ("1", True, False)
        if staleness is Staleness.WAIT:
            with pytest.raises(NotReady, match="E_UNSETTLED"):
                route.predict({"x": 0.0})
            assert route.predict({"x": 0.0}, default=7) == 7
            return
        answer = route.predict({"x": 0.0})
        served = {Staleness.CONTINUE: "1", Staleness.FALLBACK: "2"}[staleness]
        assert (answer.served_by, answer.routed_to, answer.unsettled) == (served, "1", True)


def test_not_even_a_policy_to_wait_waits_for_a_day_ahead() -> None:
    clock = ManualClock()
    with models(VERSIONS, clock=clock) as made:
        write(made, rule(v1=10_000), staleness=Staleness.WAIT)
        route, day = made.route(ROUTE), clock.now() + 86_400_000
        answer = route.predict({"x": 0.0}, at=day)
        assert (answer.version, answer.unsettled) == ("1", True)
        answers = route.predict_batch([{"x": 0.0}] * 2, at=[day, clock.now() - 1_000])
        assert [a.unsettled for a in (answers[0], answers[1])] == [True, False]


# -- life


def test_closing_twice_is_closing_once() -> None:
    made = models({"late": {"1": nothing}})
    route = made.route("late")
    made.close()
    made.close()
    with pytest.raises(NotReady):
        route.predict({})
    assert route.predict({}, default=3) == 3
    with pytest.raises(NotReady, match="E_CLOSED"):
        made.status()


class Listener(modelwire.Hooks):
    def __init__(self) -> None:
        self.heard: list[object] = []

    def after_swap(self, route: str, before: str | None, after: str) -> None:
        self.heard.append((route, before, after))

    def on_stale(self, *, stale: bool, why: str) -> None:
        self.heard.append((stale, "away" in why or "E_LOG_UNAVAILABLE" in why))


class Failing(modelwire.Hooks):
    def after_swap(self, route: str, before: str | None, after: str) -> None:
        del route, before, after
        raise RuntimeError("a hook of the application's")


def test_hooks_hear_of_swaps_and_of_silence() -> None:
    listener = Listener()
    with models(VERSIONS, hooks=listener) as made:
        made.flip(ROUTE, "2")
        made.go_stale()
        made.come_back()
        eventually(lambda: (False, False) in listener.heard)
    assert listener.heard == [("late", None, "1"), ("late", "1", "2"), (True, True), (False, False)]


def test_a_hook_that_fails_is_logged_and_nothing_else() -> None:
    with listening() as heard, models(VERSIONS, hooks=Failing()) as made:
        made.flip(ROUTE, "2")
        assert made.route(ROUTE).predict({"x": 0.0}).version == "2"
    first, second = heard.lines(logging.ERROR)
    assert first.startswith("a hook failed\nTraceback")
    assert "a hook of the application's" in second
