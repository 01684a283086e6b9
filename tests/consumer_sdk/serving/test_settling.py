"""What counts as an event's time, and as its business time."""

from datetime import UTC, datetime

import pytest

from modelwire.serving.settling import business_time, event_time

TS = 1_700_000_000_000
DEPARTED = datetime(2013, 1, 10, tzinfo=UTC)
NOWHERE = DEPARTED.replace(tzinfo=None)
MS = 1_357_776_000_000

NO_TIMES = [None, -1, -0.5, float("nan"), float("inf"), float("-inf")]


@pytest.mark.parametrize("at", NO_TIMES)
def test_without_a_time_an_event_is_of_the_present(at: object) -> None:
    assert event_time(at, TS) == TS


@pytest.mark.parametrize(
    "value", [MS, MS + 0.5, DEPARTED, "2013-01-10T00:00:00Z", "2013-01-10T01:00:00+01:00"]
)
def test_a_business_time_is_a_number_or_a_time_with_a_zone(value: object) -> None:
    assert business_time({"dep": value}, "dep", TS) == MS


@pytest.mark.parametrize("value", [*NO_TIMES, True, "soon", "2013-01-10T00:00:00", NOWHERE, [MS]])
def test_without_a_business_time_the_events_own_counts(value: object) -> None:
    assert business_time({"dep": value}, "dep", TS) == TS
    assert business_time({}, "dep", TS) == TS
