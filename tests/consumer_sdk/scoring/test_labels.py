"""Labels: late, out of order, doubled, unknown or never, and joined to the same end."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, strategies as st

from modelwire.scoring.labelling import LabelJob, LabelJoin
from modelwire.scoring.labels import Joiner, Match, Terms
from modelwire_log.contract import Message
from modelwire_log.open import open_log
from modelwire_router.analysis.samples import Samples
from modelwire_router.telemetry import TelemetryReader
from modelwire_schemas.errors import NotFound, Rejected
from modelwire_schemas.telemetry import Role, Window

Step = Callable[[Joiner], None]
COUNT = 8


def place(number: int) -> str:
    return f"flights/0/{number}"


def output(number: int, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return what `score` writes for an event."""
    standard = {
        "id": place(number),
        "route": "late",
        "model": "late",
        "served_by": "1",
        "routed_to": "1",
        "variant": "stable",
        "revision": 3,
        "outputs": {"late": number / 10},
        "source": {
            "stream": "flights",
            "partition": 0,
            "offset": number,
            "timestamp": 60_000 * number,
        },
    }
    return {**standard, **more}


def pair(number: int) -> dict[str, Any]:
    shadow = {"version": "2", "digest": "", "outputs": {"late": 1 - number / 10}}
    return {**output(number), "shadow": shadow}


def label(number: int, value: object) -> dict[str, Any]:
    return {"id": place(number), "late": value}


def steps() -> list[Step]:
    """Return eight predictions with a shadow each; labels for all but two, one doubled, one odd."""
    outputs = [output(n) for n in range(COUNT)]
    pairs = [pair(n) for n in range(COUNT)]
    labels = [label(n, n % 2) for n in range(COUNT - 2)] + [label(99, 1)]
    made: list[Step] = []
    made += [lambda joiner, value=v: joiner.output(value) for v in outputs]  # type: ignore[misc]
    made += [lambda joiner, value=v: joiner.pair(value) for v in pairs]  # type: ignore[misc]
    made += [lambda joiner, value=v: joiner.label(value) for v in labels]  # type: ignore[misc]
    return made


def joined(order: Sequence[Step]) -> tuple[list[Match], Joiner]:
    joiner = Joiner(Terms(route="late", label_field="late"))
    for step in order:
        step(joiner)
    return sorted(joiner.matches().matches), joiner


@given(st.randoms(use_true_random=False), st.booleans())
def test_the_order_makes_no_difference_and_neither_do_repetitions(
    chance: random.Random,
    twice: bool,  # noqa: FBT001
) -> None:
    whole, _ = joined(steps())
    shuffled = steps() * (2 if twice else 1)
    chance.shuffle(shuffled)
    found, joiner = joined(shuffled)
    assert found == whole
    assert len(found) == 2 * (COUNT - 2)
    totals = joiner.totals
    assert (totals.predictions, totals.matched, totals.unknown) == (2 * COUNT, len(found), 1)
    assert totals.doubled == (COUNT - 1 if twice else 0)


def test_a_match_says_whose_prediction_it_is_and_when() -> None:
    found, _ = joined(steps())
    (live,) = (m for m in found if m.key.role is Role.LIVE and m.key.start == 180_000)
    assert (live.key.version, live.key.variant, live.key.revision) == ("1", "stable", 3)
    assert (live.output, live.score, live.label) == ("late", 0.3, 1.0)
    (shadow,) = (m for m in found if m.key.role is Role.SHADOW and m.key.start == 180_000)
    assert (shadow.key.version, shadow.key.variant, shadow.score) == ("2", "shadow", 0.7)


def test_what_another_version_answered_and_other_routes_are_left_out() -> None:
    joiner = Joiner(Terms(route="late", label_field="late"))
    joiner.output(output(0, served_by="7"))
    joiner.output(output(1, route="early"))
    joiner.pair({**pair(2), "route": "early"})
    assert joiner.totals.predictions == 0


def test_of_several_labels_the_first_counts_and_an_empty_one_is_none() -> None:
    joiner = Joiner(Terms(route="late", label_field="late"))
    joiner.output(output(0))
    for value in (None, "", 1, 0):
        joiner.label(label(0, value))
    assert [match.label for match in joiner.matches().matches] == [1.0]
    assert (joiner.totals.labels, joiner.totals.doubled) == (2, 1)


def test_a_label_may_be_a_threshold_and_ids_may_be_the_applications() -> None:
    terms = Terms(
        route="late", label_field="delay", label_id="flight", event_id="name", at_least=15
    )
    joiner = Joiner(terms)
    for number, delay in enumerate(["14", 15, -3.5]):
        joiner.event(place(number), {"name": f"UA{number}"})
        joiner.output(output(number))
        joiner.label({"flight": f"UA{number}", "delay": delay})
    assert [match.label for match in joiner.matches().matches] == [0.0, 1.0, 0.0]


def test_ids_of_the_application_need_the_events() -> None:
    terms = Terms(route="late", label_field="late", event_id="name")
    with pytest.raises(Rejected, match="E_EVENTS"):
        LabelJob(terms=terms, outputs="scores", labels="labels")


def windows(url: str) -> tuple[Window, ...]:
    samples = Samples()
    with open_log(url) as log:
        for report, at in TelemetryReader(log, "prod").read():
            assert samples.add(report, at) == ()
    return samples.windows("late")


def test_who_joins_again_reports_the_same_once(tmp_path: Path) -> None:
    """A restart, or a second one beside: the windows are the same and do not add up."""
    url = f"sqlite:///{tmp_path}/log.db"
    job = LabelJob(terms=Terms(route="late", label_field="late"), outputs="scores", labels="labels")
    with open_log(url) as log:
        with pytest.raises(NotFound, match="E_NO_STREAM"):
            LabelJoin(log, "prod", job).run(until_end=True)
        log.append_batch("scores", [Message(orjson.dumps(output(n))) for n in range(COUNT)])
        log.append_batch("labels", [Message(orjson.dumps(label(n, n % 2))) for n in range(4)])
        LabelJoin(log, "prod", job).run(until_end=True)
        log.append_batch("labels", [Message(orjson.dumps(label(n, n % 2))) for n in range(4, 6)])
        bad = [b"no JSON", b"[]", orjson.dumps(label(6, "much")), orjson.dumps(label(7, [1]))]
        log.append_batch("labels", [Message(value) for value in bad])
        again = LabelJoin(log, "prod", job).run(until_end=True)
    assert (again.matched, again.damaged) == (6, 4)
    outcomes = [outcome for window in windows(url) for outcome in window.outcomes]
    assert sum(outcome.labels for outcome in outcomes) == 6
    assert sum(one.count for outcome in outcomes for one in outcome.positives) == 3
