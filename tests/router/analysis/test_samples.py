"""Reports merge in any order, count once, and bad windows are refused alone."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from modelwire_router.analysis.adding import add_sketches
from modelwire_router.analysis.samples import AHEAD, Samples
from modelwire_schemas.telemetry import Bin, Moments, Output, Pair, Role, Sketch, Telemetry, Window
from tests.router.analysis.made import ROUTE, SPAN, T0, report, sketch, window


def merged(reports: list[Telemetry]) -> tuple[Window, ...]:
    samples = Samples()
    for telemetry in reports:
        assert samples.add(telemetry, T0) == ()
    return samples.windows(ROUTE)


def counted(instance: str, incarnation: int, place: int, fine: int, errors: int) -> Telemetry:
    counts = window("2", place, events=fine + errors, errors=errors)
    return report(counts, instance=instance, incarnation=f"{instance}{incarnation}")


REPORTS = st.lists(
    st.builds(
        counted,
        st.sampled_from("abc"),
        st.integers(1, 2),
        st.integers(0, 3),
        st.integers(0, 50),
        st.integers(0, 5),
    ),
    max_size=12,
)


@given(REPORTS, st.data())
def test_the_order_of_reports_makes_no_difference(
    reports: list[Telemetry], data: st.DataObject
) -> None:
    assert merged(data.draw(st.permutations(reports))) == merged(reports)


@given(REPORTS)
def test_a_report_that_comes_twice_counts_once(reports: list[Telemetry]) -> None:
    assert merged(reports + reports) == merged(reports)


VALUES = st.lists(st.floats(-1e6, 1e6, width=32), max_size=20)


@given(VALUES, VALUES, VALUES)
def test_sketches_add_up_in_any_grouping(a: list[float], b: list[float], c: list[float]) -> None:
    one, two, three = sketch(a), sketch(b), sketch(c)
    left = add_sketches([add_sketches([one, two]), three])
    right = add_sketches([one, add_sketches([two, three])])
    assert left.bins == right.bins
    assert left.moments.count == right.moments.count
    assert math.isclose(left.moments.mean, right.moments.mean, rel_tol=1e-9, abs_tol=1e-6)
    assert math.isclose(left.moments.squares, right.moments.squares, rel_tol=1e-6, abs_tol=1e-3)
    assert add_sketches([one, two]) == add_sketches([two, one])


@given(VALUES, VALUES)
def test_added_moments_are_those_of_all_values(a: list[float], b: list[float]) -> None:
    added, whole = add_sketches([sketch(a), sketch(b)]), sketch(a + b)
    assert added.bins == whole.bins
    assert math.isclose(added.moments.mean, whole.moments.mean, rel_tol=1e-9, abs_tol=1e-6)
    assert math.isclose(added.moments.squares, whole.moments.squares, rel_tol=1e-6, abs_tol=1e-3)


def test_the_newer_of_two_cumulative_reports_holds() -> None:
    early, late = report(window("2", events=10)), report(window("2", events=25))
    assert [w.routed for w in merged([late, early])] == [25]


def test_incarnations_of_one_instance_add_up() -> None:
    before = report(window("2", events=10), incarnation="a1")
    after = report(window("2", events=5), incarnation="a2")
    assert [w.routed for w in merged([before, after])] == [15]


def test_windows_before_the_rollouts_revision_are_left_out() -> None:
    samples = Samples()
    samples.add(report(window("2", events=1, revision=3), window("2", events=2, revision=4)), T0)
    assert [w.routed for w in samples.windows(ROUTE, since_revision=4)] == [2]


def test_a_window_that_is_not_over_is_left_out_unless_it_is_longer_than_a_look() -> None:
    samples = Samples()
    samples.add(report(window("2", 0, events=1), window("2", 1, events=2)), T0)
    assert [w.routed for w in samples.windows(ROUTE, 0, T0 + 19_999, 10_000)] == [1]
    assert [w.routed for w in samples.windows(ROUTE, 0, T0 + 20_000, 10_000)] == [1, 2]
    assert [w.routed for w in samples.windows(ROUTE, 0, T0 + 19_999, 9_999)] == [1, 2]
    assert [w.routed for w in samples.windows(ROUTE, 0, T0 + 9_999, 9_999)] == [1]


@given(REPORTS, st.lists(st.integers(0, 45), min_size=12, max_size=12))
def test_what_was_asked_before_makes_no_difference(
    reports: list[Telemetry], asked: list[int]
) -> None:
    going_on = Samples()
    for last, (telemetry, seconds) in enumerate(zip(reports, asked, strict=False)):
        going_on.add(telemetry, T0)
        before = T0 + max(asked[: last + 1]) // 3 * 1000
        going_on.forget(before)
        anew = Samples()
        for earlier in reports[: last + 1]:
            anew.add(earlier, T0)
        anew.forget(before)
        for now in (T0 + seconds * 1000, T0 + 45_000):
            for longer in (9_999, 10_000):
                wanted = anew.windows(ROUTE, 0, now, longer)
                assert going_on.windows(ROUTE, 0, now, longer) == wanted


def test_what_has_not_changed_is_the_same_object_as_before() -> None:
    samples = Samples()
    samples.add(report(window("2", 0, events=1)), T0)
    found = samples.windows(ROUTE, 0, T0 + 10_000)
    samples.add(report(window("2", 1, events=1)), T0)
    again = samples.windows(ROUTE, 0, T0 + 11_000)
    samples.add(report(window("2", 1, events=2)), T0)
    assert samples.windows(ROUTE, 0, T0 + 19_999) is again
    assert again == found
    assert again[0] is found[0]


def test_what_is_forgotten_is_no_longer_counted() -> None:
    samples = Samples()
    samples.add(report(window("2", 0, events=1), window("2", 1, events=2)), T0)
    samples.forget(T0 + 10_000)
    assert [w.routed for w in samples.windows(ROUTE)] == [2]


ODD = Output("score", Sketch(Moments(1, math.nan, 0.0)))
BAD = {
    "is NaN": window("2", events=1, outputs=(ODD,)),
    "infinite": window("2", events=1, latency=Sketch(Moments(1, math.inf, 0.0))),
    "negative sum": window("2", events=1, latency=Sketch(Moments(2, 0.0, -1.0))),
    "count is negative": window("2", events=-1),
    "negative": replace(window("2", events=1), errors=(("E_X", -3),)),
    "more decisions are changed than compared": replace(
        window("2", events=1), pairs=(Pair("late", "1", Sketch(), Sketch(), Sketch(), 0, 1, 2),)
    ),
    "a count is negative": window("2", events=1, latency=Sketch(Moments(1), (Bin(1, -1),))),
    "in the future": window("2", (AHEAD + 20_000) // 10_000, events=1),
    "span is 0": replace(window("2", events=1), span=0),
}


@pytest.mark.parametrize("why", BAD)
def test_a_bad_window_is_refused_with_its_reason_and_its_neighbours_count(why: str) -> None:
    samples = Samples()
    (refused,) = samples.add(report(BAD[why], window("2", 1, events=4)), T0)
    assert why in refused.why
    assert refused.instance == "a"
    assert [w.routed for w in samples.windows(ROUTE)] == [4]


def test_a_refused_window_is_not_a_sign_of_life() -> None:
    samples = Samples()
    samples.add(report(BAD["is NaN"]), T0)
    assert samples.heard(ROUTE) is None
    samples.add(report(window("2", events=1)), T0 + 5)
    assert samples.heard(ROUTE) == T0 + 5


def test_who_only_joins_labels_is_no_sign_that_events_are_told() -> None:
    samples = Samples()
    samples.add(report(window("2", events=0), window("2", 1, events=3, role=Role.SHADOW)), T0)
    assert (samples.heard(ROUTE), samples.answered(ROUTE)) == (T0, None)
    samples.add(report(window("2", events=1)), T0 + 5)
    assert samples.answered(ROUTE) == T0 + 5


def test_the_latest_windows_are_found_from_the_newest_answers_on_whatever_time_it_is() -> None:
    samples = Samples()
    assert samples.latest(ROUTE, 1, 3 * SPAN) == ()
    places = [report(window("2", place, events=1)) for place in range(9)]
    ahead = report(window("2", 12, role=Role.SHADOW, events=1))
    for late in (*reversed(places), ahead):
        samples.add(late, T0 + 10**9)
    found = [w.start for w in samples.latest(ROUTE, 1, 3 * SPAN)]
    assert found == [T0 + place * SPAN for place in (5, 6, 7, 8, 12)]
    assert samples.latest(ROUTE, 3, 3 * SPAN) == ()
