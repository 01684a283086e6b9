"""Many schedules in a row, and what to say when one fails."""

from collections.abc import Iterable

from tests.simulation.check import faults
from tests.simulation.product import SHIPPED, Product
from tests.simulation.schedule import Run, Schedule


def late(seed: int) -> bool:
    """Whether delays of this schedule go beyond the margin: one in eight, and R12 must tell."""
    return seed % 8 == 7


def play(seed: int, product: Product = SHIPPED) -> Run:
    """Run the schedule of a seed."""
    return Schedule(seed, product, within_margin=not late(seed)).run()


def first_fault(seeds: Iterable[int], product: Product = SHIPPED) -> tuple[int, list[str]] | None:
    """Return the first seed after whose schedule something does not hold, and what."""
    for seed in seeds:
        found = faults(play(seed, product))
        if found:
            return seed, found
    return None


def how_to_replay(seed: int, found: list[str]) -> str:
    """Return what a failing test says."""
    some = "\n  ".join(found[:5])
    return f"seed {seed}:\n  {some}\nreplay: python -m tests.simulation {seed}"
