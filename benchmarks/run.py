"""`make bench`: every subject in a process of its own, one table, one plot."""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from benchmarks import machine, picture
from benchmarks.measure import Figure

HERE = Path(__file__).parent
SUBJECTS = (
    "predict",
    "features",
    "routing",
    "swap",
    "retire",
    "memory",
    "propagate",
    "eventlog",
    "fold",
    "start",
    "telemetry",
    "waiting",
    "shadow",
    "rollback",
    "decide",
    "imports",
)


def main() -> None:
    """Measure what was asked for, print it, and write it down when it was everything."""
    parser = argparse.ArgumentParser(prog="benchmarks.run", description=__doc__)
    parser.add_argument("--only", choices=SUBJECTS, action="append", metavar="NAME")
    parser.add_argument("--here", choices=SUBJECTS, help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.here:
        found = import_module(f"benchmarks.{words.here}").figures()
        print(json.dumps([asdict(figure) for figure in found]))
        return
    started = time.monotonic()
    shape = machine.shape()
    print(shape)
    results: dict[str, list[Figure]] = {}
    for subject in words.only or SUBJECTS:
        results[subject] = _measured(subject)
        print(f"\n{subject}", *(_line(figure) for figure in results[subject]), sep="\n")
    took = f"{shape}\n\nTook {time.monotonic() - started:.0f} s; {machine.load()} at the end."
    if not words.only:
        (HERE / "results.md").write_text(_page(took, results), encoding="utf-8")
        picture.draw(results, HERE / "results.png")
    missed = [f.what.strip() for figures in results.values() for f in figures if f.met is False]
    print(f"\n{len(missed)} goals missed", *missed, sep="\n  ")


def _measured(subject: str) -> list[Figure]:
    command = [sys.executable, "-m", "benchmarks.run", "--here", subject]
    done = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True, check=True)
    return [Figure(**values) for values in json.loads(done.stdout.splitlines()[-1])]


def _line(figure: Figure) -> str:
    return f"{figure.what:66} {_goal(figure):>14} {_measure(figure):>14} {_met(figure):>5}"


def _page(shape: str, results: dict[str, list[Figure]]) -> str:
    parts = [f"# What modelwire costs\n\n{shape}\n\n![measured over goal](results.png)\n"]
    for subject, figures in results.items():
        parts.append(f"\n## {subject}\n\n| what | goal | measured | 10 to 90 % | met |")
        parts.append("| --- | ---: | ---: | ---: | --- |")
        parts += [
            f"| {f.what.strip()} | {_goal(f)} | {_measure(f)} | {_range(f)} | {_met(f)} |"
            for f in figures
        ]
    return "\n".join(parts) + "\n"


def _goal(figure: Figure) -> str:
    if figure.goal is None:
        return ""
    return f"{'≥' if figure.at_least else '≤'} {_number(figure.goal)} {figure.unit}".strip()


def _measure(figure: Figure) -> str:
    return f"{_number(figure.measured)} {figure.unit}".strip()


def _range(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return ""
    return f"{_number(figure.low)} to {_number(figure.high)}"


def _met(figure: Figure) -> str:
    return {None: "", True: "yes", False: "no"}[figure.met]


def _number(value: float) -> str:
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"


if __name__ == "__main__":
    main()
