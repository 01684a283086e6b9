"""Sketches: the same whichever way the values came, and as near to them as is promised."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from modelwire.reporting.measured import OutcomeSpread, PairSpread
from modelwire.reporting.spread import MOST_BINS, Floats, Spread, as_floats
from modelwire_schemas.telemetry import Sketch, bounds

values = st.lists(
    st.floats(allow_nan=True, allow_infinity=True) | st.floats(0, 1) | st.just(0.0), max_size=40
)


def array(*numbers: float) -> Floats:
    return np.array(numbers, np.float64)


def sketch(*parts: list[float]) -> Sketch:
    spread = Spread()
    for part in parts:
        spread.add(array(*part))
    return spread.sketch()


@given(st.lists(st.lists(st.floats(-1e6, 1e6), max_size=20), max_size=4))
def test_values_may_come_in_any_parts(parts: list[list[float]]) -> None:
    whole = [value for part in parts for value in part]
    once, piecewise = sketch(whole), sketch(*parts)
    assert once.bins == piecewise.bins
    assert once.moments.count == piecewise.moments.count == len(whole)
    if whole:
        assert piecewise.moments.mean == pytest.approx(np.mean(whole), abs=1e-6, rel=1e-9)
        squares = float(np.square(np.array(whole) - np.mean(whole)).sum())
        assert piecewise.moments.squares == pytest.approx(squares, abs=1e-3, rel=1e-6)


@given(values)
def test_every_value_is_in_a_bin_or_odd(given: list[float]) -> None:
    found = sketch(given)
    assert found.moments.count + found.moments.odd == len(given)
    if found.bins:
        assert sum(one.count for one in found.bins) == found.moments.count


@given(st.floats(-1e30, 1e30))
def test_a_bin_tells_its_values_within_three_percent(value: float) -> None:
    ((low, high),) = (bounds(one.index) for one in sketch([value]).bins)
    single = float(np.float32(value))
    assert min(low, high) <= single <= max(low, high)
    if abs(value) > 1e-30:
        assert abs(high - low) <= 0.032 * abs(low)


def test_many_bins_become_fewer_and_wider_ones() -> None:
    found = sketch(list(np.logspace(-20, 20, 5000)))
    assert 100 < len(found.bins) <= MOST_BINS
    assert sum(one.count for one in found.bins) == 5000


def test_one_value_for_many_rows_is_as_if_each_had_it() -> None:
    spread = Spread()
    spread.add_same(2.5, 3)
    spread.add_same(7.0, 2)
    assert spread.sketch() == sketch([2.5, 2.5, 2.5], [7.0, 7.0])


def test_numbers_that_overflow_when_squared_are_odd_and_not_infinite() -> None:
    found = sketch([1e300, -1e300, 1e200])
    assert (found.moments.count, found.moments.odd) == (0, 3)
    assert found.bins == ()


def test_of_outputs_with_several_elements_the_first_counts_and_text_is_no_number() -> None:
    assert as_floats(np.array([[1, 2], [3, 4]])).tolist() == [1.0, 3.0]  # type: ignore[union-attr]
    assert as_floats(np.array([True, False])).tolist() == [1.0, 0.0]  # type: ignore[union-attr]
    assert as_floats(np.array(["a"], object)) is None


def test_a_pair_tells_how_far_outputs_of_the_same_events_lie_apart() -> None:
    pair = PairSpread()
    pair.add(array(0.5, 0.5, 0.5, math.nan, 1.0), array(0.5, 0.5 + 1e-9, 0.75, math.nan, math.nan))
    told = pair.told("late", "7")
    assert (told.output, told.against, told.unequal) == ("late", "7", 2)
    assert (told.difference.moments.count, told.difference.moments.odd) == (3, 2)
    assert told.difference.moments.mean == pytest.approx(0.25 / 3)
    assert (told.live.moments.count, told.shadow.moments.count) == (4, 3)


def test_texts_differ_or_not() -> None:
    pair = PairSpread()
    pair.add_texts(np.array(["a", "b"], object), np.array(["a", "c"], object))
    told = pair.told("label", "7")
    assert (told.unequal, told.compared, told.changed) == (1, 2, 1)


def test_at_a_threshold_a_decision_changes_when_the_score_falls_on_the_other_side() -> None:
    live = array(0.1, 0.4, 0.5, 0.49, math.nan, math.nan, 0.2)
    shadow = array(0.4, 0.1, 0.49, 0.5, math.nan, 0.9, math.nan)
    pair = PairSpread()
    pair.add(live, shadow, 0.5)
    told = pair.told("late", "7")
    assert (told.unequal, told.compared, told.changed) == (6, 7, 4)


def test_without_a_threshold_a_decision_changes_when_the_output_does() -> None:
    pair = PairSpread()
    pair.add(array(1, 2, 3), array(1, 2, 4))
    assert (pair.told("class", "7").compared, pair.told("class", "7").changed) == (3, 1)


def test_labels_of_zero_and_one_give_log_loss_and_bins_of_both_sides() -> None:
    outcome = OutcomeSpread()
    outcome.add(array(0.9, 0.2), array(1, 0))
    outcome.add(array(0.6), array(0))
    told = outcome.told("late")
    losses = [-math.log(0.9), -math.log(0.8), -math.log(0.4)]
    assert told.labels == told.log_loss.count == told.squared_error.count == 3
    assert told.log_loss.mean == pytest.approx(np.mean(losses))
    assert told.squared_error.mean == pytest.approx((0.01 + 0.04 + 0.36) / 3)
    assert [sum(b.count for b in side) for side in (told.positives, told.negatives)] == [1, 2]


def test_other_labels_give_errors_and_no_log_loss() -> None:
    outcome = OutcomeSpread()
    outcome.add(array(0.5), array(1))
    outcome.add(array(12.0, 3.0), array(10.0, 3.5))
    told = outcome.told("delay")
    assert (told.labels, told.log_loss.count, told.positives, told.negatives) == (3, 0, (), ())
    assert told.absolute_error.mean == pytest.approx((0.5 + 2 + 0.5) / 3)
