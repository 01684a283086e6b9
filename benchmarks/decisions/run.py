"""Runs the experiments and writes results.md and results.png beside it: a minute or two."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.decisions.experiments import Arms, Rollbacks, arms, detection, ratios, rollbacks
from benchmarks.decisions.picture import draw
from modelwire_router.analysis.arithmetic import Array

HERE = Path(__file__).parent
ROLLOUTS = 10_000


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    goal: str
    measured: str
    met: bool | None = None


def main() -> None:
    """Run everything."""
    begin = time.monotonic()
    hardest, usual = rollbacks(ROLLOUTS, 0.0, seed=1), rollbacks(ROLLOUTS, 0.2, seed=2)
    found = {slack: detection(ROLLOUTS // 5, slack, seed=3) for slack in (0.0, 0.2, 0.5)}
    samples = arms(ROLLOUTS // 2, seed=4)
    wrong, right = ratios(ROLLOUTS, 0.5, 0.49, seed=5), ratios(ROLLOUTS, 0.5, 0.5, seed=6)
    rare = ratios(ROLLOUTS, 0.05, 0.05, seed=7)
    rows = [
        *_rollbacks("limits at stable's own values", hardest),
        *_rollbacks("limits 20 % beyond", usual),
        *(row for slack, seconds in found.items() for row in _detection(slack, seconds)),
        *_arms(samples),
        *_ratios(wrong, right, rare),
    ]
    draw(HERE / "results.png", hardest, found[0.2], samples, wrong)
    _write(HERE / "results.md", rows, time.monotonic() - begin)


def _rollbacks(limits: str, found: Rollbacks) -> list[Row]:
    share = float(found.together[-1])
    each = ", ".join(f"{name} {part:.2%}" for name, part in found.by_metric.items())
    return [
        Row(f"false rollbacks, {limits}, 180 looks", "≤ 1 %", f"{share:.2%}", share <= 0.01),
        Row("— by metric", "", each),
        Row("— a z-test of the error rate alone, 1 %, looked at as often", "",
            f"{float(found.naive[-1]):.1%}"),
    ]  # fmt: skip


def _detection(slack: float, seconds: Array) -> list[Row]:
    share = float((seconds <= 300).mean())
    median, late = np.median(seconds), np.quantile(seconds, 0.95, method="higher")
    limit = f"errors 0.1 % → 0.5 %, limit {1 + slack:.1f} x stable"
    return [
        Row(f"{limit}: found within 5 min", "≥ 95 %", f"{share:.1%}", share >= 0.95),
        Row("— median; 95 % within", "", f"{median:.0f} s ({median * 100:,.0f} of the candidate's "
            f"events); {late:.0f} s"),
    ]  # fmt: skip


def _arms(found: Arms) -> list[Row]:
    pairs, equal, unequal = (np.median(v) for v in (found.paired, found.equal, found.unequal))
    return [
        Row("paired shadow over two equal arms, correlation 0.75: fewer samples of the candidate",
            "≥ 3.5 x", f"{equal / pairs:.2f} x ({equal:,.0f} over {pairs:,.0f})",
            bool(equal / pairs >= 3.5)),
        Row("— over 5 % against 95 %", "", f"{unequal / pairs:.2f} x ({unequal:,.0f} over "
            f"{pairs:,.0f})"),
        Row("— the same in events of the stream that have to pass", "",
            f"equal arms {2 * equal / pairs:.1f} x, 5/95 {unequal / 0.05 / pairs:.0f} x"),
    ]  # fmt: skip


def _ratios(wrong: Array, right: Array, rare: Array) -> list[Row]:
    share = float(np.isfinite(wrong).mean())
    false, false_rare = (float(np.isfinite(one).mean()) for one in (right, rare))
    return [
        Row("sample ratio 49/51 for 50/50: found within 100,000 events", "≥ 95 %",
            f"{share:.1%}", share >= 0.95),
        Row("— median", "", f"{np.median(wrong):,.0f} events"),
        Row("false alarms at 50/50, 200 looks", "≤ 0.1 %", f"{false:.3%}", false <= 0.001),
        Row("false alarms at 5/95, 200 looks", "≤ 0.1 %", f"{false_rare:.3%}", false_rare <= 0.001),
    ]  # fmt: skip


def _write(path: Path, rows: list[Row], seconds: float) -> None:
    marks = {True: "yes", False: "no", None: ""}
    table = [f"| {r.what} | {r.goal} | {r.measured} | {marks[r.met]} |" for r in rows]
    text = "\n".join([
        "# How well the analysis decides", "",
        f"Simulated by `make decisions` in {seconds:.0f} s with fixed seeds, "
        "through the functions that the controller calls.", "",
        f"{ROLLOUTS:,} rollouts each: 2,000 events/s, half an hour, 1 %, 5 %, 25 % for ten minutes "
        "each, looked at after every window of 10 s. Errors, latency and loss rise and fall by "
        "half over the time, as a day does. Six metrics share the 1 %: error rate, p99 latency "
        "and log loss against stable, PSI and KS of the score, paired difference. Events are "
        "independent of each other; those of few keys are not.", "",
        "| what | goal | measured | met |", "| --- | --- | --- | --- |", *table, "",
        "![false rollbacks, detection, samples, sample ratio](results.png)", "",
    ])  # fmt: skip
    path.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
