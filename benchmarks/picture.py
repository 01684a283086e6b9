"""One plot of all goals: how much of each goal is used up."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.measure import Figure

MET, MISSED = "#2a7f62", "#c44536"


def draw(results: Mapping[str, Sequence[Figure]], path: Path) -> None:
    """Write a bar for every goal: measured over goal, so that shorter than 1 is met."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plot

    found = [f for figures in results.values() for f in figures if f.goal]
    used = [_used(figure) for figure in found]
    figure, axes = plot.subplots(figsize=(11, 0.28 * len(found) + 1.2))
    colours = [MET if f.met else MISSED for f in found]
    axes.barh([f.what.strip() for f in found], used, color=colours)
    axes.axvline(1.0, color="black", linewidth=1)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("share of the goal that is used up (1 is the goal; shorter is better)")
    axes.tick_params(axis="y", labelsize=8)
    for spine in ("top", "right"):
        axes.spines[spine].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plot.close(figure)


def _used(figure: Figure) -> float:
    goal = figure.goal or 1.0
    share = goal / figure.measured if figure.at_least else figure.measured / goal
    return max(share, 0.01)
