"""Figures, and how two ways of doing one thing are compared in a run."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter_ns

Way = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: what was measured, between `low` and `high`, and what it should be.

    `goal` is the most that it may be, or with `at_least` the least; None for what only explains.
    """

    what: str
    unit: str
    measured: float
    goal: float | None = None
    low: float | None = None
    high: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one."""
        if self.goal is None:
            return None
        return self.measured >= self.goal if self.at_least else self.measured <= self.goal


def of(
    what: str,
    unit: str,
    found: Sequence[float],
    goal: float | None = None,
    *,
    at_least: bool = False,
) -> Figure:
    """Return the figure of some rounds: their median, and the tenths at both ends."""
    low, high = spread(found)
    return Figure(what, unit, statistics.median(found), goal, low, high, at_least)


def spread(found: Sequence[float]) -> tuple[float, float]:
    """Return where the lowest and the highest tenth end."""
    if len(found) < 2:
        return found[0], found[0]
    tenths = statistics.quantiles(found, n=10, method="inclusive")
    return tenths[0], tenths[-1]


def in_turns(ways: Sequence[Way], calls: int, rounds: int) -> list[list[float]]:
    """Return ns a call, for every way and round: A B A B, so that a slow moment meets all."""
    found: list[list[float]] = [[] for _ in ways]
    for way in ways:
        way()
    for _ in range(rounds):
        for way, spans in zip(ways, found, strict=True):
            started = perf_counter_ns()
            for _ in range(calls):
                way()
            spans.append((perf_counter_ns() - started) / calls)
    return found


def ratios(base: Sequence[float], other: Sequence[float]) -> list[float]:
    """Return how many times as long the other way took, round by round."""
    return [b / a for a, b in zip(base, other, strict=True)]


def quantile(found: Sequence[float], share: float) -> float:
    """Return the value that `share` of all stay below."""
    ordered = sorted(found)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
