"""A picture of many runs: which share has ended in which way after how many minutes."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modelwire_router.simulation.run import Outcome, Run
from modelwire_schemas.errors import Rejected

COLOURS = {
    Outcome.PROMOTED: "#2a9d5c",
    Outcome.COMPLETED: "#3b7dd8",
    Outcome.ROLLED_BACK: "#d1495b",
    Outcome.PAUSED: "#e9a23b",
    Outcome.UNDECIDED: "#8d99ae",
}

ENDINGS = {".png", ".html"}


def check(path: Path) -> None:
    """Raise Rejected `E_OPTION` unless a picture can be written there; so nobody waits in vain."""
    if path.suffix not in ENDINGS:
        raise Rejected("E_OPTION", f"--plot {path}", expected="a name with .png or .html")
    if not path.parent.is_dir():
        raise Rejected("E_OPTION", f"--plot {path}", expected="a folder that is there")
    try:
        import matplotlib as mpl
    except ImportError:
        raise Rejected(
            "E_OPTION", "--plot needs matplotlib", todo="pip install matplotlib"
        ) from None
    mpl.use("Agg")


def write(path: Path, played: Mapping[str, Sequence[Run]]) -> None:
    """Write a PNG, or an HTML page that needs nothing else; a panel for each candidate."""
    from matplotlib import pyplot as plot

    figure, panels = plot.subplots(1, len(played), figsize=(6 * len(played), 4), squeeze=False)
    for panel, (candidate, runs) in zip(panels[0], played.items(), strict=True):
        _draw(panel, candidate, runs)
    figure.tight_layout()
    if path.suffix == ".png":
        figure.savefig(path, dpi=120)
    else:
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
        title = "<!doctype html><meta charset=utf-8><title>modelwire simulate</title>"
        path.write_text(title + text.getvalue(), encoding="utf-8")
    plot.close(figure)


def _draw(panel: Any, candidate: str, runs: Sequence[Run]) -> None:  # noqa: ANN401 - an Axes
    last = max(run.ms for run in runs) / 60_000
    for outcome, colour in COLOURS.items():
        minutes = np.sort([run.ms / 60_000 for run in runs if run.outcome is outcome])
        if len(minutes):
            shares = np.arange(1, len(minutes) + 1) / len(runs)
            times = [0, *minutes, last * 1.02 + 0.1]
            panel.step(times, [0, *shares, shares[-1]], where="post", color=colour, label=outcome)
    panel.set(
        title=f"{candidate} candidate, {len(runs)} runs",
        xlabel="minutes",
        ylabel="share that has ended",
        ylim=(0, 1.02),
    )
    panel.legend(loc="center right")
