"""A template is judged on the windows of both sides, of shadows, and of the plan."""

from dataclasses import replace

import pytest

from modelwire_router.analysis.assess import assess, judge, level
from modelwire_router.analysis.evidence import Evidence, Planned, Side
from modelwire_router.analysis.srm import NAME
from modelwire_router.rollout.plan import Measure, Metric, Query, Template
from modelwire_schemas.rollout import Finding, Judgement
from modelwire_schemas.telemetry import Role, Window
from tests.router.analysis.made import SPAN, T0, window
from tests.router.analysis.traces import (
    ASKED,
    DISAGREE,
    ERRORS,
    LOSS,
    PSI,
    both,
    counts,
    labelled,
    shadowed,
)

CANDIDATE, STABLE = Side("2", "candidate"), Side("1", "stable")
DAY = 86_400_000


def named(windows: list[Window]) -> list[Window]:
    """Return windows with the variants that a rollout gives its two sides."""
    variants = {"2": "candidate", "1": "stable"}
    live = [replace(w, variant=variants[w.version]) for w in windows if w.role is Role.LIVE]
    return live + [replace(w, variant="shadow") for w in windows if w.role is Role.SHADOW]


def newest(template: Template, windows: list[Window], now: int) -> list[Finding]:
    evidence = Evidence(tuple(windows), heard=now)
    return [looks[-1] for looks in judge(template, CANDIDATE, STABLE, evidence, T0, now)]


def test_metrics_that_decide_share_the_level_and_others_take_nothing_of_it() -> None:
    dry = replace(PSI, dry_run=True)
    assert level(Template("t", (ERRORS, LOSS, dry, ASKED))) == 0.005


def test_a_shadow_is_judged_whatever_its_variant_is_called() -> None:
    (found,) = newest(Template("t", (DISAGREE,)), named(shadowed(500, 0.0, 5)), T0 + 6 * SPAN)
    assert found.judgement is Judgement.PASS
    assert found.samples == 3_000


def test_pairs_against_another_version_than_stable_do_not_count() -> None:
    windows = [
        replace(w, pairs=tuple(replace(pair, against="2", unequal=500) for pair in w.pairs))
        for w in shadowed(500, 0.0, 5)
    ]
    mixed = windows + [replace(w, revision=3) for w in shadowed(500, 0.0, 5)]
    (found,) = newest(Template("t", (DISAGREE,)), named(mixed), T0 + 6 * SPAN)
    assert (found.measured, found.samples) == (0.01, 3_000)


def test_live_windows_of_another_variant_of_the_same_version_do_not_count() -> None:
    staff = replace(window("2", events=5_000, errors=5_000), variant="staff")
    windows = [*named(both([(500, 1)] * 6, [(9_500, 19)] * 6)), staff]
    (found,) = newest(Template("t", (ERRORS,)), windows, T0 + 6 * SPAN)
    assert found.judgement is Judgement.PASS
    assert found.samples == 3_000


def test_a_long_window_is_looked_at_while_it_lasts() -> None:
    today = T0 - T0 % DAY
    windows = [
        replace(one, start=today, span=DAY) for one in named(both([(5_000, 400)], [(95_000, 190)]))
    ]
    (found,) = newest(Template("t", (ERRORS,)), windows, T0)
    assert found.judgement is Judgement.FAIL
    assert found.at <= T0


def test_the_pace_of_a_long_window_is_not_that_of_its_part() -> None:
    today = T0 - T0 % DAY
    pace = Metric("pace", Query(Measure.EVENT_RATE), least=1.0)
    windows = [
        replace(named([window("2", events=100_000)])[0], start=today + day * DAY, span=DAY)
        for day in (-1, 0)
    ]
    assert newest(Template("t", (pace,)), windows, T0)[0].judgement is Judgement.TOO_FEW
    ended = newest(Template("t", (pace,)), windows, today + DAY)[0]
    assert (ended.judgement, ended.measured) == (Judgement.PASS, 100_000 / 86_400)
    few = [replace(one, predictions=50_000) for one in windows]
    assert newest(Template("t", (pace,)), few, today + DAY)[0].judgement is Judgement.FAIL


def test_a_label_is_mature_when_the_stream_has_gone_on_though_the_stream_is_old() -> None:
    template = Template("t", (replace(LOSS, maturity=60_000),))
    windows = named(labelled("2", 1, 500, 0.2, range(6)) + labelled("1", 200, 5_000, 1.5, range(6)))
    (early,) = newest(template, windows, T0 + DAY)
    later = named(counts("1", [None] * 12 + [(1, 0)]))
    (late,) = newest(template, windows + later, T0 + DAY)
    assert (early.judgement, early.samples) == (Judgement.TOO_FEW, 0)
    assert (late.judgement, late.samples) == (Judgement.FAIL, 3_000)


def ratio(routed: int, keys: int = 0) -> Finding:
    windows = named(counts("2", [(routed, 0)] * 20) + counts("1", [(20_000 - routed, 0)] * 20))
    evidence = Evidence(tuple(windows), T0 + 20 * SPAN, planned=(Planned(2, 0.05, 0.95),))
    template = Template("t", (ERRORS,))
    evidence = replace(evidence, keys=keys)
    standings = assess(template, CANDIDATE, STABLE, evidence, T0, T0 + 20 * SPAN)
    assert standings[-1].finding.metric == NAME
    return standings[-1].finding


def test_events_that_are_not_divided_as_planned_are_for_an_operator() -> None:
    assert ratio(1_000).judgement is Judgement.PASS
    found = ratio(1_100)
    assert found.judgement is Judgement.INCONCLUSIVE
    assert (found.measured, found.reference) == (0.055, 0.05)


def test_events_of_few_keys_may_be_off_the_plan_as_a_draw_of_keys_is() -> None:
    assert ratio(1_100, keys=1_000).judgement is Judgement.PASS
    assert ratio(1_400, keys=1_000).judgement is Judgement.PASS
    assert ratio(1_400, keys=100_000).judgement is Judgement.INCONCLUSIVE
    assert ratio(2_000, keys=1_000).judgement is Judgement.INCONCLUSIVE


def paced(ours: int, keys: int) -> Finding:
    """Return what is said of so many of 1,000 events a second, where 5 % were planned."""
    windows = named(counts("2", [(ours, 0)] * 20) + counts("1", [(10_000 - ours, 0)] * 20))
    now = T0 + 20 * SPAN
    evidence = Evidence(tuple(windows), now, planned=(Planned(2, 0.05, 0.95),), keys=keys)
    pace = Metric("pace", Query(Measure.EVENT_RATE), relative=True, most=1.2, least=0.8)
    (looks,) = judge(Template("t", (pace,)), CANDIDATE, STABLE, evidence, T0, now)
    return looks[-1]


def test_events_come_as_planned_or_as_a_draw_of_keys_allows() -> None:
    assert paced(500, keys=0).judgement is Judgement.PASS
    assert paced(300, keys=0).judgement is Judgement.FAIL
    assert paced(300, keys=1_000).judgement is Judgement.PASS
    assert paced(300, keys=100_000).judgement is Judgement.FAIL
    assert paced(100, keys=1_000).judgement is Judgement.FAIL


def test_answers_that_are_lost_are_no_draw_of_keys() -> None:
    windows = named(both([(300, 0)] * 20, [(9_500, 0)] * 20))
    lost = [replace(w, routed=500) if w.variant == "candidate" else w for w in windows]
    now = T0 + 20 * SPAN
    evidence = Evidence(tuple(lost), now, planned=(Planned(2, 0.05, 0.95),), keys=1_000)
    pace = Metric("pace", Query(Measure.EVENT_RATE), relative=True, least=0.8)
    (looks,) = judge(Template("t", (pace,)), CANDIDATE, STABLE, evidence, T0, now)
    assert looks[-1].judgement is Judgement.FAIL
    assert looks[-1].measured == pytest.approx(0.6 * (looks[-1].reference or 0))
