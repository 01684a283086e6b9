"""What a budget is held against: the stream's rate, who would decide otherwise, what is spent."""

import math
from dataclasses import replace

import pytest

from modelwire_router.analysis.exposure import HOUR, Exposed, bound, exposed
from modelwire_schemas.telemetry import Pair, Role, Sketch, Window
from tests.router.analysis.made import SPAN, T0, window

PER_HOUR = HOUR // SPAN


def beside(version: str, place: int, *, compared: int, changed: int, errors: int = 0) -> Window:
    """Return a window of a shadow, compared with the other one of versions 1 and 2."""
    against = {"1": "2", "2": "1"}[version]
    pair = Pair("late", against, Sketch(), Sketch(), Sketch(), 0, compared, changed)
    events = compared + errors
    plain = window(version, place, events=events, errors=errors, role=Role.SHADOW)
    return replace(plain, pairs=(pair, replace(pair, output="other", changed=compared)))


def hour(ours: int = 2, theirs: int = 8, places: int = PER_HOUR + 1) -> list[Window]:
    """Return windows of an hour: so many events each, one of ten decided otherwise."""
    found: list[Window] = []
    for place in range(places):
        found += [window("1", place, events=theirs), window("2", place, events=ours)]
        found.append(beside("2", place, compared=theirs, changed=theirs // 8))
        found.append(beside("1", place, compared=ours, changed=ours // 2))
    return found


def known(windows: list[Window]) -> Exposed:
    return exposed(windows, "late", "2", "1", T0)


def test_nothing_is_known_of_nothing() -> None:
    assert known([]) == Exposed(heard=T0)
    assert known([window("1")]) == Exposed(heard=T0)


def test_an_hour_is_counted_on_the_same_events() -> None:
    found = known(hour())
    assert found.rate == pytest.approx(10 * PER_HOUR)
    assert (found.compared, found.changed) == (10 * (PER_HOUR + 1), 2 * (PER_HOUR + 1))
    assert 0.2 < found.chance < 0.25
    assert found.spent == PER_HOUR + 1  # with what is under way
    assert found.seen == T0 + (PER_HOUR - 1) * SPAN


def test_what_was_not_compared_is_spent_by_the_bound() -> None:
    half = [w for w in hour() if w.role is Role.LIVE or w.version == "2" or w.start % (2 * SPAN)]
    found = known(half)
    lost = 2 * sum(1 for w in hour() if w.version == "1" and w.role is Role.SHADOW) - sum(
        w.predictions for w in half if w.version == "1" and w.role is Role.SHADOW
    )
    counted = sum(p.changed for w in half if w.version == "1" for p in w.pairs[:1])
    assert found.spent == pytest.approx(counted + lost * found.chance)


def test_without_a_pair_every_event_of_the_candidate_is_spent() -> None:
    found = known([w for w in hour() if w.role is Role.LIVE])
    assert (found.compared, found.chance) == (0, 1.0)
    assert found.spent == 2 * (PER_HOUR + 1)


def test_an_event_on_which_the_shadow_fails_would_be_decided_otherwise() -> None:
    found = known([window("1", 0, events=20), beside("2", 0, compared=15, changed=1, errors=5)])
    assert (found.compared, found.changed) == (20, 6)


def test_what_is_older_than_an_hour_is_spent_no_more() -> None:
    later = [
        replace(w, start=w.start + 2 * HOUR)
        for w in (window("1", 0, events=9), window("1", 1, events=9))
    ]
    found = known([*hour(), *later])
    assert found.spent == 0
    assert found.compared == 2000  # old pairs count until there are enough


def test_a_stream_that_rises_is_known_before_the_hour_is_over() -> None:
    rising = [
        window("1", place, events=100 if place >= PER_HOUR - 30 else 10)
        for place in range(PER_HOUR + 1)
    ]
    assert 0.9 * 100 * PER_HOUR < known(rising).rate < 100 * PER_HOUR


def test_a_stream_that_begins_within_a_window_is_not_taken_for_a_slow_one() -> None:
    begins = [window("1", place, events=count) for place, count in enumerate((20, 200, 200, 9))]
    assert 0.8 * 200 * PER_HOUR < known(begins).rate < 200 * PER_HOUR


def test_a_window_of_a_week_counts_for_an_hour_of_it() -> None:
    week = 7 * 24 * HOUR
    of_week = replace(window("2", 0, events=168_000), start=T0 - T0 % week, span=week)
    found = known([of_week, window("1", 0, events=1), window("1", 1, events=1)])
    assert found.spent == pytest.approx(1000)


@pytest.mark.parametrize(("changed", "compared"), [(0, 100), (5, 100), (250, 5000), (900, 5000)])
def test_the_bound_lies_above_the_share_and_closes_in(changed: int, compared: int) -> None:
    share = changed / compared
    assert share < bound(changed, compared) < share + 5 * math.sqrt((share + 0.02) / compared)
    assert bound(10 * changed, 10 * compared) < bound(changed, compared)


def test_without_a_pair_the_bound_is_everything() -> None:
    assert bound(0, 0) == 1.0
    assert bound(3, 3) == 1.0
