"""One route whose versions fail, whose log is away, and that is closed: over stand-ins."""

import logging

import pytest

import modelwire
from modelwire.testing import ManualClock, StandIn, models
from modelwire_schemas.errors import NotReady, Rejected
from modelwire_schemas.routing import (
    Staleness,
)
from tests.consumer_sdk.serving.standing import ROUTE, VERSIONS, nothing, rule, write
from tests.waiting import eventually
from tests.world import listening

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
