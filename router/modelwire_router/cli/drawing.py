"""Pictures as PNG or HTML, and the one of many runs: which share has ended how, and when."""

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

SIDES = "#3b7dd8", "#d1495b"
"""The colours of a stable version and its candidate."""

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
    """Write how runs have ended, a panel for each candidate; see `save`."""
    made, panels = figure(1, len(played))
    for panel, (candidate, runs) in zip(panels[0], played.items(), strict=True):
        _draw(panel, candidate, runs)
    save(made, path, "modelwire simulate")


def figure(rows: int, columns: int) -> tuple[Any, Any]:
    """Return a figure, and its panels by row and column."""
    from matplotlib import pyplot as plot

    size = (6 * columns, 4 * rows)
    made, panels = plot.subplots(rows, columns, figsize=size, squeeze=False)
    return made, panels


def save(made: Any, path: Path, title: str) -> None:  # noqa: ANN401 - a Figure
    """Write a figure as PNG, or as an HTML page that needs nothing else."""
    from matplotlib import pyplot as plot

    made.tight_layout()
    if path.suffix == ".png":
        made.savefig(path, dpi=120)
    else:
        text = io.StringIO()
        made.savefig(text, format="svg", metadata={"Date": None})
        head = f"<!doctype html><meta charset=utf-8><title>{title}</title>"
        path.write_text(head + text.getvalue(), encoding="utf-8")
    plot.close(made)


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
