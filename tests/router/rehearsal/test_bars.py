"""Bars of a sketch hold what its values do."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from modelwire_router.rehearsal.bars import edges, heights
from tests.router.analysis.made import sketch


def test_bars_are_those_of_the_values() -> None:
    values = np.random.default_rng(2).normal(3, 1, 20_000)
    at = edges((sketch(values.tolist()).bins,), 10)
    known, _ = np.histogram(np.clip(values, at[0], at[-1]), at)
    assert heights(sketch(values.tolist()).bins, at) == pytest.approx(known / 20_000, abs=0.02)


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=50),
    st.lists(st.floats(-1e6, 1e6, width=32), max_size=50),
)
def test_every_value_is_in_one_bar(first: list[float], second: list[float]) -> None:
    rows = [sketch(values).bins for values in (first, second)]
    at = edges(rows, 8)
    assert np.all(np.diff(at) > 0)
    for row in rows:
        shares = heights(row, at)
        assert np.all(shares >= 0)
        assert shares.sum() == pytest.approx(1 if row else 0)
