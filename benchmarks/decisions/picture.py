"""Plots of what the experiments found."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.decisions.experiments import Arms, Rollbacks
from benchmarks.decisions.exposure import PER_HOUR, Played
from modelwire_router.analysis.arithmetic import Array

OURS, OTHER, THIRD = "#2a7f62", "#c44536", "#5b6c8f"


def draw(path: Path, good: Rollbacks, seconds: Array, samples: Arms, ratio: Array) -> None:
    """Write false rollbacks, time to detection, samples by design, events to a mismatch."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plot

    figure, axes = plot.subplots(2, 2, figsize=(11, 7.5))
    minutes = np.arange(1, len(good.together) + 1) / 6
    one = axes[0][0]
    one.plot(minutes, 100 * good.naive, color=OTHER, label="z-test of errors alone, 1 %")
    one.plot(minutes, 100 * good.together, color=OURS, label="all six metrics together")
    one.axhline(1, color="black", linewidth=0.8, linestyle=":")
    one.set(title="good candidates taken back", xlabel="minutes of looking", ylabel="%")
    one.set_yscale("symlog", linthresh=1)
    one.set_ylim(bottom=0)
    one.legend()
    two = axes[0][1]
    two.step(*_shares(seconds), color=OURS, where="post")
    two.set(title="errors 0.1 % → 0.5 %: found", xlabel="seconds", ylabel="% of rollouts")
    three = axes[1][0]
    kinds = (("paired shadow", samples.paired, OURS), ("two equal arms", samples.equal, OTHER),
             ("5 % against 95 %", samples.unequal, THIRD))  # fmt: skip
    for name, values, colour in kinds:
        three.step(*_shares(values), color=colour, where="post", label=name)
    three.set(title="a shift of 0.1 deviations: found", xlabel="samples of the candidate",
              ylabel="% of runs")  # fmt: skip
    three.legend()
    four = axes[1][1]
    four.step(*_shares(ratio), color=OURS, where="post")
    four.set(title="49/51 for 50/50: found", xlabel="events", ylabel="% of runs")
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plot.close(figure)


def draw_exposure(path: Path, played: Sequence[Played]) -> None:
    """Write the candidate's share over time, and changed decisions an hour against their cap."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plot

    figure, (one, two) = plot.subplots(1, 2, figsize=(11, 4))
    for found, colour in zip(played, (OURS, THIRD, OTHER), strict=True):
        label = f"{found.budget} an hour"
        hours = np.arange(len(found.minutes)) / PER_HOUR
        share = [minute.weight / 100 for minute in found.minutes]
        one.step(hours, share, color=colour, where="post", label=label)
        changed = np.array([minute.changed for minute in found.minutes])
        newest = np.convolve(changed, np.ones(PER_HOUR))[: len(changed)]
        two.plot(hours, newest, color=colour, label=label)
        two.axhline(found.budget, color=colour, linewidth=0.8, linestyle=":")
    one.set(title="share of the candidate", xlabel="hours", ylabel="%")
    one.legend()
    two.set(title="changed decisions in the last 60 minutes", xlabel="hours", ylim=(0, None))
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plot.close(figure)


def _shares(values: Array) -> tuple[Array, Array]:
    """Return values in order, and how many percent of all are at most so large."""
    found = np.sort(values[np.isfinite(values)])
    return found, 100 * np.arange(1, len(found) + 1) / len(values)
