"""What the demo shows: a table that lives on a terminal, plain lines elsewhere, a summary."""

import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from modelwire_router.demo.check import Findings
from modelwire_router.demo.reading import Seen
from modelwire_router.demo.rollouts import Run, Said
from modelwire_schemas.rollout import Phase

PLAIN_EVERY_S = 5.0


class Screen:
    """Shows acts as they happen and figures as they move; `planned` are the shares from now on."""

    def __init__(self, total: int, story: str) -> None:
        self.planned = "-"
        self._total = total
        self._story = story
        self._plain = not sys.stdout.isatty()
        self._console = Console(no_color="NO_COLOR" in os.environ, highlight=False)
        self._told_s = 0.0
        self._live = None if self._plain else Live(console=self._console, refresh_per_second=8)

    def __enter__(self) -> Self:
        self._console.print(Text(self._story, "italic"), soft_wrap=True)
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def act(self, shown: str, why: str, came: str) -> None:
        """Show that something was done by hand, why, and what came of it."""
        self._line(Text.assemble((f"$ modelwire {shown}", "bold")))
        self._line(Text.assemble((f"# {why}", "dim"), f" → {came}"), indent=4)

    def decided(self, said: Said) -> None:
        """Show a document of the controller, and the evidence that it came for."""
        style = "bold red" if said.rollout.phase.over and said.rollout.note else "bold green"
        versions = f"{said.plan.stable} → {said.plan.candidate}"
        told = f"controller, {versions}: {said.step}"
        self._line(Text.assemble((told, style), f" → revision {said.accepted.revision}"))
        for line in said.evidence:
            self._line(Text(line), indent=4)

    def _line(self, line: Text, indent: int = 0) -> None:
        """Print a line; on a terminal it goes above the figures, and wraps within its indent."""
        if self._plain:
            self._console.print(Text(" " * indent) + line, soft_wrap=True)
        else:
            self._console.print(Padding(line, (0, 0, 0, indent)))

    def figures(self, seen: Seen, revision: int, fleet: str) -> None:
        """Show how it goes."""
        actual = _shares(seen.revisions.get(revision, {}))
        if self._live is not None:
            self._live.update(self._drawn(seen, actual, fleet))
        elif time.monotonic() - self._told_s > PLAIN_EVERY_S:
            self._told_s = time.monotonic()
            self._console.print(
                f"  {seen.events:,} events in, {seen.outputs:,} scored, {seen.doubled} doubled; "
                f"planned {self.planned}; actual {actual}; longest gap {seen.gap_ms} ms",
                soft_wrap=True,
            )

    def _drawn(self, seen: Seen, actual: str, fleet: str) -> Group:
        figures = Table.grid(padding=(0, 2))
        mean = ", ".join(
            f"{v} {seen.scores[v] / n:.3f}" for v, n in sorted(seen.versions.items()) if n
        )
        rows = (
            ("events in / scored", f"{seen.events:,} / {seen.outputs:,} of {self._total:,}"),
            ("dead / doubled", f"{seen.dead} / {seen.doubled}"),
            ("planned", self.planned),
            ("actual", actual),
            ("mean score", mean or "-"),
            ("longest gap", f"{seen.gap_ms} ms"),
            ("consumers", fleet),
        )
        for name, value in rows:
            figures.add_row(Text(name, "cyan"), value)
        return Group(Text(), figures)

    def summary(self, found: Findings, faults: list[str], tries: list[str], seconds: float) -> None:
        """Show what the log says of the run, and what to try next."""
        show = partial(self._console.print, soft_wrap=True)
        show(f"\n[bold]Read back from the log[/bold] ({seconds:.0f} s of scoring)")
        show(
            f"  {found.events:,} events, {found.outputs:,} outputs, {found.dead} dead letters: "
            f"{found.lost} lost, {found.doubled} doubled, {found.disordered} out of order"
        )
        show(
            f"  every output asked of the rules again: {found.misrouted} differ, "
            f"{found.substituted} answered by a stand-in, {found.two_sided} keys on two sides"
        )
        show(f"  longest gap {found.longest_gap_ms} ms, event to output p99 {found.p99_ms} ms")
        for run in found.runs:
            self._run(run, found.scored[run.plan.candidate])
        show(_table(("revision", "by", "planned", "actual", "events"), (
            (str(s.revision), s.by, s.planned, s.actual, f"{s.events:,}") for s in found.steps
        )))  # fmt: skip
        show(_table(("version", "labelled", "mean score", "AUC"), (
            (whose, f"{count:,}", f"{mean:.3f}", f"{area:.3f}")
            for whose, (count, mean, area) in found.quality.items()
        )))  # fmt: skip
        for one in found.checked:
            show(f"  [bold red]✗[/] {one.fault}" if one.fault else f"  [green]✓[/] {one.told}")
        if faults:
            show(f"[bold red]not as promised: {', '.join(faults)}[/bold red]")
        else:
            show("[bold green]nothing lost, nothing doubled, every rule kept[/bold green]")
        show("\nTry next:")
        for line in tries:
            show(f"  {line}")

    def _run(self, run: Run, answered: int) -> None:
        """Show how a rollout ended, and on which evidence."""
        plan, phase = run.plan, str(run.phase).replace("_", " ")
        colour = "green" if run.phase is Phase.COMPLETED else "red"
        self._console.print(
            f"\n  [bold]{plan.stable} → {plan.candidate}[/], {plan.strategy}: "
            f"[bold {colour}]{phase}[/] {run.seconds:.1f} s after its first step, "
            f"{plan.candidate} had answered {answered:,} flights",
            soft_wrap=True,
        )
        for line in run.looked.evidence:
            self._line(Text(line), indent=6)


def _table(names: Iterable[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(*names, box=None, pad_edge=False, title=" ")
    for row in rows:
        table.add_row(*row)
    return table


def _shares(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    return ", ".join(f"{v} {100 * n / total:.1f} %" for v, n in sorted(counts.items())) or "-"
