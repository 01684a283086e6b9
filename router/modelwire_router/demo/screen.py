"""What the demo shows: a table that lives on a terminal, plain lines elsewhere, a summary."""

import os
import sys
import time
from functools import partial
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from modelwire_router.demo.check import Findings
from modelwire_router.demo.reading import Seen

PLAIN_EVERY_S = 5.0


class Screen:
    """Shows acts as they happen and figures as they move."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._plain = not sys.stdout.isatty()
        self._console = Console(no_color="NO_COLOR" in os.environ, highlight=False)
        self._acts: list[tuple[str, str, str]] = []
        self._planned = "-"
        self._told_s = 0.0
        self._live = None if self._plain else Live(console=self._console, refresh_per_second=8)

    def __enter__(self) -> Self:
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

    def act(self, shown: str, why: str, came: str, planned: str) -> None:
        """Show that something was done, and the shares that are planned from now on."""
        self._acts.append((shown, why, came))
        self._planned = planned
        if self._plain:
            self._console.print(f"$ modelwire {shown}\n    # {why} → {came}", soft_wrap=True)

    def figures(self, seen: Seen, revision: int, fleet: str) -> None:
        """Show how it goes."""
        actual = _shares(seen.revisions.get(revision, {}))
        if self._live is not None:
            self._live.update(self._drawn(seen, actual, fleet))
        elif time.monotonic() - self._told_s > PLAIN_EVERY_S:
            self._told_s = time.monotonic()
            self._console.print(
                f"  {seen.events:,} events in, {seen.outputs:,} scored, {seen.doubled} doubled; "
                f"planned {self._planned}; actual {actual}; longest gap {seen.gap_ms} ms",
                soft_wrap=True,
            )

    def _drawn(self, seen: Seen, actual: str, fleet: str) -> Group:
        acts = Table.grid(padding=(0, 2))
        for shown, why, came in self._acts[-9:]:
            acts.add_row(Text(f"$ modelwire {shown}", "bold"), Text(why, "dim"), came)
        figures = Table.grid(padding=(0, 2))
        mean = ", ".join(
            f"{v} {seen.scores[v] / n:.3f}" for v, n in sorted(seen.versions.items()) if n
        )
        rows = (
            ("events in / scored", f"{seen.events:,} / {seen.outputs:,} of {self._total:,}"),
            ("dead / doubled", f"{seen.dead} / {seen.doubled}"),
            ("planned", self._planned),
            ("actual", actual),
            ("mean score", mean or "-"),
            ("longest gap", f"{seen.gap_ms} ms"),
            ("consumers", fleet),
        )
        for name, value in rows:
            figures.add_row(Text(name, "cyan"), value)
        return Group(acts, Text(), figures)

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
        steps = Table("revision", "planned", "actual", "events", box=None, pad_edge=False)
        for step in found.steps:
            steps.add_row(str(step.revision), step.planned, step.actual, f"{step.events:,}")
        show(steps)
        quality = Table("version", "labelled", "mean score", "AUC", box=None, pad_edge=False)
        for version, (count, mean, area) in found.quality.items():
            quality.add_row(version, f"{count:,}", f"{mean:.3f}", f"{area:.3f}")
        show(quality)
        if faults:
            show(f"[bold red]not as promised: {', '.join(faults)}[/bold red]")
        else:
            show("[bold green]nothing lost, nothing doubled, every rule kept[/bold green]")
        show("\nTry next:")
        for line in tries:
            show(f"  {line}")


def _shares(counts: "dict[str, int]") -> str:
    total = sum(counts.values())
    return ", ".join(f"{v} {100 * n / total:.1f} %" for v, n in sorted(counts.items())) or "-"
