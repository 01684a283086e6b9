"""How a rehearsal is shown: tables and bars on the terminal, and a picture."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from modelwire.scoring.labels import Joined
from modelwire_router.cli import drawing
from modelwire_router.cli.session import Session
from modelwire_router.rehearsal.bars import edges, heights
from modelwire_router.rehearsal.compare import Compared
from modelwire_router.rehearsal.result import Rehearsal
from modelwire_router.rollout.telling import finding_row
from modelwire_schemas.telemetry import Pair, Role

BARS, WIDTH = 10, 24
"""Bars of an output on the terminal, and how many signs wide the longest is."""

FINE = 40
"""Bars of an output in a picture."""

_EIGHTHS = " ▏▎▍▌▋▊▉"


def show(session: Session, one: Rehearsal) -> None:
    """Print what a rehearsal has come to."""
    plan = one.plan
    click.echo(
        f"{plan.route}  {plan.stable} → {plan.candidate}  "
        f"on the newest {one.events:,} events of {one.stream}"
    )
    columns = ["measure", "candidate", "stable", "lies_within", "samples"]
    session.table([*map(_compared, one.compared), *_errors(one)], columns)
    for pair in _pairs(one):
        click.echo("\n" + "\n".join(_bars(one, pair)))
    if one.judged:
        click.echo("")
        rows = [finding_row(standing.finding) for standing in one.judged]
        columns = ["metric", "judgement", "measured", "reference", "limit", "samples", "detail"]
        session.table([{**row, "metric": _named(row)} for row in rows], columns)
    for name in one.unseen:
        session.say(f"{name} shows only while it is live")
    if one.joined is not None:
        session.say(_labels(one.joined))


def _labels(joined: Joined) -> str:
    told = f"{joined.matched:,} of {joined.predictions:,} predictions, of both, got a label"
    if joined.labels:
        return told
    return f"{told}: none has both --label-field and --label-id, {joined.damaged:,} are damaged"


def draw(path: Path, found: Sequence[Rehearsal]) -> None:
    """Write a PNG or HTML page: for each output both distributions, and the differences."""
    pairs = [(one, pair) for one in found for pair in _pairs(one)]
    figure, panels = drawing.figure(max(len(pairs), 1), 2)
    for (both, apart), (one, pair) in zip(panels, pairs, strict=False):
        _draw(both, apart, one, pair)
    drawing.save(figure, path, "modelwire rehearse")


def _compared(one: Compared) -> dict[str, Any]:
    lies = None if one.low is None or one.high is None else f"{one.low:.4g}..{one.high:.4g}"
    return {
        "measure": f"{one.measure}({one.output})" if one.output else one.measure,
        "candidate": one.finding.measured,
        "stable": one.finding.reference,
        "lies_within": lies,
        "samples": one.finding.samples,
    }


def _errors(one: Rehearsal) -> Iterator[dict[str, Any]]:
    for code, (ours, theirs) in one.errors().items():
        yield {"measure": f"errors {code}", "candidate": ours, "stable": theirs}


def _pairs(one: Rehearsal) -> list[Pair]:
    """Return the outputs that are numbers on both sides."""
    pairs = one.sides.whole(Role.SHADOW).pairs
    return [pair for pair in pairs if pair.live.bins and pair.shadow.bins]


def _bars(one: Rehearsal, pair: Pair) -> Iterator[str]:
    """Yield both distributions of an output, side by side."""
    at = edges((pair.live.bins, pair.shadow.bins), BARS)
    sides = [heights(side.bins, at) for side in (pair.live, pair.shadow)]
    most = max(float(side.max()) for side in sides)
    places = [f"{low:.3g}..{high:.3g}" for low, high in pairwise(at)]
    first = max(len(text) for text in (pair.output, *places))
    titles = (f"stable {one.plan.stable}", f"candidate {one.plan.candidate}")
    yield "  ".join([pair.output.ljust(first), *(t.ljust(WIDTH + 8) for t in titles)]).rstrip()
    for place, *shares in zip(places, *sides, strict=True):
        cells = [f"{_bar(share / most)} {share:6.1%} " for share in shares]
        yield "  ".join([place.rjust(first), *cells]).rstrip()


def _bar(share: float) -> str:
    whole, rest = divmod(round(share * WIDTH * 8), 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(WIDTH)


def _named(row: Any) -> str:  # noqa: ANN401 - a finding's row
    return f"{row['metric']} (dry run)" if row["dry_run"] else str(row["metric"])


def _draw(both: Any, apart: Any, one: Rehearsal, pair: Pair) -> None:  # noqa: ANN401 - Axes
    at = edges((pair.live.bins, pair.shadow.bins), FINE)
    versions = (f"stable {one.plan.stable}", f"candidate {one.plan.candidate}")
    for sketch, colour, label in zip(
        (pair.live, pair.shadow), drawing.SIDES, versions, strict=True
    ):
        both.stairs(heights(sketch.bins, at), at, color=colour, label=label)
    title = f"{one.plan.route}, {one.events:,} events of {one.stream}"
    both.set(title=title, xlabel=pair.output, ylabel="share of the events")
    both.legend()
    if pair.difference.bins:
        at = edges((pair.difference.bins,), FINE)
        apart.stairs(heights(pair.difference.bins, at), at, color=drawing.SIDES[1], fill=True)
    apart.axvline(pair.difference.moments.mean, color="black", linewidth=1)
    apart.set(title="candidate minus stable, event by event", xlabel=pair.output)
