"""Runs the experiments and writes results.md and its plots: `analysis`, `exposure`, or both."""

import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.decisions.experiments import Arms, Rollbacks, arms, detection, ratios, rollbacks
from benchmarks.decisions.exposure import PER_HOUR, Played, play
from benchmarks.decisions.picture import draw, draw_exposure
from modelwire_router.analysis.arithmetic import Array

HERE = Path(__file__).parent
ROLLOUTS = 10_000
BUDGETS, HOURS, RATE = (60, 120, 240), 8, 4800


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    goal: str
    measured: str
    met: bool | None = None


def main() -> None:
    """Run the parts that are named, or all; what a part wrote before stays until it is run."""
    parts = {"analysis": _analysis, "exposure": _exposure}
    path = HERE / "results.md"
    # Each part begins with a heading of the first level
    before = re.split(r"(?m)^(?=# )", path.read_text(encoding="utf-8"))[1:] if path.exists() else ()
    told = dict(zip(parts, before, strict=False))
    for name in sys.argv[1:] or parts:
        told[name] = parts[name]().rstrip() + "\n"
        print(told[name])
    path.write_text("\n".join(told[name] for name in parts if name in told), encoding="utf-8")


def _analysis() -> str:
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
    return _told(rows, time.monotonic() - begin)


def _exposure() -> str:
    """Let three budgets cap the same flights."""
    begin = time.monotonic()
    found = [play(budget, hours=HOURS, rate=RATE) for budget in BUDGETS]
    draw_exposure(HERE / "exposure.png", found)
    rows = [row for one in found for row in _budget(one)]
    shares = [one.share(since=PER_HOUR) for one in found]
    rows += [
        Row(f"share at {b} over share at {a}, behind the first hour", "about 2 x", f"{y / x:.2f} x",
            1.5 <= y / x <= 2.5)
        for a, b, x, y in zip(BUDGETS, BUDGETS[1:], shares, shares[1:], strict=False)
    ]  # fmt: skip
    return "\n".join([
        "# How an exposure budget holds", "",
        "Played by `python -m benchmarks.decisions.run exposure` in "
        f"{time.monotonic() - begin:.0f} s: the flights of 2013, {RATE:,} an hour of virtual time "
        f"for {HOURS} hours, scored by v1 (stable) and v2 (candidate) in one consumer; two "
        "controllers decide each minute. A flight is called late from 0.5 on; v2 decides "
        f"{_differ(found[0])} of an hour's flights otherwise. Changed decisions are counted from "
        "the outputs: the flights that v2 answered and that v1 would have decided otherwise.", "",
        *_table(rows), "", "![share and changed decisions an hour](exposure.png)", "",
    ])  # fmt: skip


def _budget(found: Played) -> list[Row]:
    hours, worst = found.hours(), found.worst()
    told = ", ".join(map(str, hours))
    return [
        Row(f"budget {found.budget}: most changed decisions in a clock hour", f"≤ {found.budget}",
            f"{max(hours)} (hours: {told})", max(hours) <= found.budget),
        Row("— in any 60 minutes on end", f"≤ {found.budget}", f"{worst}", worst <= found.budget),
        Row("— share behind the first hour; changes of the share", "",
            f"{found.share(since=PER_HOUR):.1%}; {found.changes}"),
    ]  # fmt: skip


def _differ(found: Played) -> str:
    """Return the least and the largest share of an hour's flights that v2 decides otherwise."""
    differ = np.array([one.differ for one in found.minutes]).reshape(HOURS, PER_HOUR).sum(1) / RATE
    return f"{differ.min():.0%} to {differ.max():.0%}"


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


def _told(rows: list[Row], seconds: float) -> str:
    return "\n".join([
        "# How well the analysis decides", "",
        f"Simulated by `make decisions` in {seconds:.0f} s with fixed seeds, "
        "through the functions that the controller calls.", "",
        f"{ROLLOUTS:,} rollouts each: 2,000 events/s, half an hour, 1 %, 5 %, 25 % for ten minutes "
        "each, looked at after every window of 10 s. Errors, latency and loss rise and fall by "
        "half over the time, as a day does. Six metrics share the 1 %: error rate, p99 latency "
        "and log loss against stable, PSI and KS of the score, paired difference. Events are "
        "independent of each other; those of few keys are not.", "",
        *_table(rows), "",
        "![false rollbacks, detection, samples, sample ratio](results.png)", "",
    ])  # fmt: skip


def _table(rows: Sequence[Row]) -> list[str]:
    marks = {True: "yes", False: "no", None: ""}
    found = [f"| {r.what} | {r.goal} | {r.measured} | {marks[r.met]} |" for r in rows]
    return ["| what | goal | measured | met |", "| --- | --- | --- | --- |", *found]


if __name__ == "__main__":
    main()
