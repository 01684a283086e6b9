"""Two versions on the same events: what is counted, paired, labelled and compared."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import pytest

from modelwire.scoring.labels import Joiner, Terms
from modelwire.serving.servable import Servable
from modelwire.testing.functions import FunctionModel, WholeEvents
from modelwire_log.contract import Record
from modelwire_router.rehearsal.compare import Compared, Sides, compared
from modelwire_router.rehearsal.play import SPAN, WINDOWS, Labels, Pair, Play
from modelwire_router.retained import Retained
from modelwire_schemas.release import Contract
from modelwire_schemas.routing import ModelVersion
from modelwire_schemas.telemetry import Role

Event = Mapping[str, Any]

COUNT = 3_000


def servable(version: str, answer: Callable[[Event], object], output: str = "late") -> Servable:
    """Return a version that is a function."""
    model = FunctionModel(answer, [output])
    named = ModelVersion("flights", version)
    return Servable(named, "ab" * 32, Contract((), (), ()), model, WholeEvents())


def pair(stable: Callable[[Event], object], candidate: Callable[[Event], object]) -> Pair:
    return Pair("delays", servable("1", stable), servable("2", candidate))


def events(count: int = COUNT) -> Retained:
    """Return events whose `x` runs from 0 to 1."""
    fields = [{"x": number / count} for number in range(count)]
    return Retained([record(number, one) for number, one in enumerate(fields)], fields, 0)


def record(number: int, fields: Event) -> Record:
    return Record("flights", 0, number, number, number, orjson.dumps(fields))


def played(made: Pair, given: Retained, labels: Labels | None = None) -> Sides:
    play = Play(made, labels)
    assert list(play.run(given))[-1] == len(given.fields)
    return Sides(play.windows(), "2", "1")


def found(sides: Sides) -> dict[str, Compared]:
    return {one.measure: one for one in compared(sides)}


def test_what_both_answer_is_compared_event_by_event() -> None:
    drawn = np.random.default_rng(1).normal(0.1, 0.02, COUNT)
    given = events()
    apart = {one["x"]: drawn[number] for number, one in enumerate(given.fields)}
    sides = played(pair(lambda e: e["x"], lambda e: e["x"] + apart[e["x"]]), given)
    mean = found(sides)["mean_difference"]
    assert mean.finding.measured == pytest.approx(drawn.mean(), abs=1e-9)
    assert mean.finding.reference == pytest.approx(0.5, abs=1e-3)
    assert mean.low is not None
    assert mean.high is not None
    assert mean.low < 0.1 < mean.high < mean.low + 0.01
    assert found(sides)["disagreement"].finding.measured == 1
    assert found(sides)["ks"].finding.measured == pytest.approx(0.1, abs=0.03)


def test_the_same_version_twice_differs_in_nothing() -> None:
    measured = found(played(pair(lambda e: e["x"], lambda e: e["x"]), events()))
    for measure in ("disagreement", "mean_difference", "psi", "ks", "error_rate"):
        assert measured[measure].finding.measured == pytest.approx(0, abs=1e-9), measure


def test_each_side_has_its_own_errors_and_pairs_are_of_what_both_answered() -> None:
    def fails(low: float, high: float) -> Callable[[Event], float]:
        def answer(event: Event) -> float:
            if low <= event["x"] < high:
                raise ValueError("no such plane")
            return float(event["x"])

        return answer

    sides = played(pair(fails(0.1, 0.2), fails(0.15, 0.4)), events())
    live, shadow = sides.whole(Role.LIVE), sides.whole(Role.SHADOW)
    assert (dict(live.errors), live.predictions) == ({"E_MODEL": 300}, 2_700)
    assert (dict(shadow.errors), shadow.predictions) == ({"E_MODEL": 750}, 2_250)
    (one,) = shadow.pairs
    assert (one.difference.moments.count, one.difference.moments.odd) == (2_100, 0)
    assert found(sides)["error_rate"].finding.measured == 0.25
    assert found(sides)["error_rate"].finding.reference == 0.1


def test_versions_that_fail_on_everything_are_told_without_numbers() -> None:
    def never(_: Event) -> float:
        raise ValueError("no")

    measured = found(played(pair(never, never), events(600)))
    assert measured.keys() == {"error_rate"}
    assert measured["error_rate"].finding.measured == 1


def test_texts_are_the_same_or_not() -> None:
    def word(event: Event) -> str:
        return "late" if event["x"] > 0.5 else "in time"

    sides = played(pair(word, lambda e: word({"x": e["x"] + 0.1})), events())
    measured = found(sides)
    assert measured["disagreement"].finding.measured == pytest.approx(0.1, abs=0.001)
    assert "mean_difference" not in measured


def happened(given: Retained, joiner: Joiner) -> None:
    for one in given.records:
        place = f"{one.stream}/{one.partition}/{one.offset}"
        joiner.label({"id": place, "late": float(orjson.loads(one.value)["x"] > 0.5)})


def labelled(until: int, then: Sequence[Retained] = ()) -> dict[str, Compared]:
    """Return what is compared when labels have come for events of before `until`."""
    joiner, given = Joiner(Terms(route="delays", label_field="late", span=SPAN)), events()
    play = Play(pair(lambda _: 0.5, lambda e: e["x"]), Labels(joiner, until))
    list(play.run(given))
    for each in then or [given]:
        happened(each, joiner)
    return found(Sides(play.windows(), "2", "1"))


def test_labels_say_which_side_was_better() -> None:
    measured = labelled(COUNT)
    loss = measured["log_loss"].finding
    assert (loss.samples, loss.reference_samples) == (COUNT, COUNT)
    assert loss.reference == pytest.approx(np.log(2))
    assert loss.measured is not None
    assert loss.measured < 0.4
    assert measured["auc"].finding.measured == pytest.approx(1, abs=0.01)


def test_labels_of_events_that_are_too_young_do_not_count() -> None:
    assert labelled(1_200)["log_loss"].finding.samples == 1_200
    assert "log_loss" not in labelled(0)


def test_windows_follow_each_other_and_stay_few() -> None:
    few = played(pair(lambda e: e["x"], lambda e: e["x"]), events(5_000))
    starts = sorted({window.start for window in few.windows})
    assert starts == [SPAN * number for number in range(20)]
    many = played(pair(lambda e: e["x"], lambda e: e["x"]), events(40_000))
    assert len({window.start for window in many.windows}) == WINDOWS
    assert many.whole(Role.SHADOW).routed == many.whole(Role.LIVE).routed == 40_000
