"""One route, asked as an application asks it: over stand-ins, so that every answer is known."""

import asyncio
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

import modelwire
from modelwire.control.state import LEAD
from modelwire.testing import ManualClock, StandIn, models
from modelwire_schemas.errors import NotReady, Rejected
from modelwire_schemas.routing import (
    RoutingDocument,
    Rule,
    Split,
    SplitBy,
    Variant,
)
from tests.consumer_sdk.serving.standing import ROUTE, VERSIONS, nothing, rule, write
from tests.waiting import eventually

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
