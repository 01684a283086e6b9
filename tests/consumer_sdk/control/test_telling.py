"""Times of the log in words: whatever number a record holds, the fold never stumbles over it."""

import pytest

from modelwire.control.telling import LATEST, told_time


@pytest.mark.parametrize(
    ("ms", "told"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_798_070_400_000, "2026-12-24T00:00:00Z"),
        (1_798_070_400_007, "2026-12-24T00:00:00.007Z"),
        (LATEST - 1, "9999-12-31T23:59:59.999Z"),
        (LATEST, "253402300800000 ms"),
        (-1, "-1 ms"),
        (2**63 - 1, "9223372036854775807 ms"),
        (-(2**63), "-9223372036854775808 ms"),
    ],
)
def test_a_time_is_told_as_a_date_where_it_is_one(ms: int, told: str) -> None:
    assert told_time(ms) == told
