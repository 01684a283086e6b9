"""The tests use real parts: no mock library, no sleep for a meeting, nobody left out."""

import re

import pytest

from tests.architecture.sources import Source, imported, suite

STANDINS = {"mock", "pytest_mock", "unittest.mock"}

# Written so that this file does not find itself.
FORBIDDEN = {
    "sleeping": r"\btime\.sleep\(|\bfrom time import .*\bsleep\b",
    "sleeping in a coroutine": r"\basyncio\.sleep\((?!0\))",
    "leaving a test out": r"\bpytest\.(mark\.)?(skip|xfail|importorskip)",
    "replacing the inside": r"\bmonkeypatch\.(setattr|setitem|delattr)\(",
}


@pytest.mark.parametrize("source", suite(), ids=[source.path for source in suite()])
def test_a_test_uses_real_parts(source: Source) -> None:
    assert imported(source.tree) & STANDINS == set()
    for what, pattern in FORBIDDEN.items():
        assert re.search(pattern, source.text) is None, f"{source.path}: {what}"
