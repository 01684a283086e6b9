"""What a release says of its inputs: numbers only, small, exact at its quantiles, with its ends."""

import math
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from modelwire.reporting.spread import Spread, numbers
from modelwire_publisher.reference import MOST_FIELDS, POINTS, reference
from modelwire_schemas.release import Column, Contract, Feed, Tensor
from modelwire_schemas.telemetry import Bin, Sketch, bounds
from tests.publisher.desk import EVENTS, Desk


def contract(*fields: str) -> Contract:
    columns = tuple(Column(field, nullable=True) for field in fields)
    return Contract((Tensor("x", "float32", (None, None)),), (), (Feed("x", columns),))


def sketched(*values: object) -> Sketch:
    (found,) = reference([{"a": value} for value in values], contract("a"))
    return found.sketch


def running(bins: tuple[Bin, ...]) -> dict[int, int]:
    """Return how many values lie up to each bin, by value."""
    rising = sorted(bins, key=lambda one: sorted(bounds(one.index)))
    counts = accumulate(one.count for one in rising)
    return dict(zip((one.index for one in rising), counts, strict=True))


@given(st.lists(st.floats(-1e30, 1e30, allow_subnormal=False) | st.integers(-50, 50), min_size=1))
def test_a_sample_is_exact_where_it_has_a_quantile(values: list[float]) -> None:
    whole = Spread()
    whole.add(numbers(values))
    every, kept = running(whole.bins()), running(sketched(*values).bins)
    assert kept.items() <= every.items()
    assert {next(iter(every)), [*every][-1]} <= kept.keys()
    for point in range(1, POINTS + 1):
        reached = next(i for i, count in every.items() if count * POINTS >= point * len(values))
        assert reached in kept
    assert len(kept) <= POINTS + 1


def test_a_sample_keeps_its_smallest_and_its_greatest_value() -> None:
    kept = running(sketched(-7.0, *([1.0] * 500), *([2.0] * 500), 900.0).bins)
    ends = [bounds(index) for index in kept]
    assert list(kept.values()) == [1, 501, 1001, 1002]
    assert min(ends[0]) <= -7.0 <= max(ends[0])
    assert min(ends[-1]) <= 900.0 <= max(ends[-1])


def test_what_is_no_number_is_counted_and_a_field_without_numbers_is_left_out() -> None:
    events: list[dict[str, object]] = [
        {"a": 1.5, "s": "UA"},
        {"a": None, "s": "B6"},
        {"a": "far"},
        {"a": math.nan},
        {},
    ]
    (found,) = reference(events, contract("a", "s", "never"))
    assert (found.name, found.sketch.moments.count, found.sketch.moments.odd) == ("a", 1, 4)


def test_a_field_that_feeds_two_inputs_is_sampled_once() -> None:
    assert [one.name for one in reference([{"a": 1, "b": 2}], contract("a", "b", "a"))] == [
        "a",
        "b",
    ]


def test_a_sample_of_many_fields_and_values_stays_small() -> None:
    rng = np.random.default_rng(1)
    names = [f"f{n}" for n in range(MOST_FIELDS + 5)]
    drawn = rng.lognormal(0, 5, (300, len(names))).tolist()
    rows = [dict(zip(names, values, strict=True)) for values in drawn]
    found = reference(rows, contract(*names))
    assert [one.name for one in found] == names[:MOST_FIELDS]
    assert sum(len(one.sketch.bins) for one in found) <= MOST_FIELDS * (POINTS + 1)


@pytest.mark.parametrize(
    ("sample", "fields"),
    [
        (EVENTS, ["distance", "sched_hour", "dep_delay", "wind_speed", "precip", "visib"]),
        (None, []),
    ],
    ids=["sample", "none"],
)
def test_a_release_carries_the_numbers_of_the_sample_that_it_was_tried_on(
    desk: Desk, sample: Path | None, fields: list[str]
) -> None:
    desk.publish(sample=sample)
    (body,) = desk.releases()
    assert [field.name for field in body.sample] == fields
