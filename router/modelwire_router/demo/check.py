"""The demo's summary, by reading the log back: nothing that the demo counted itself."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from modelwire.control.history import in_force_then
from modelwire_log.contract import Log
from modelwire_router.demo.ledger import Coordinates, Ledger, Scored, read_ledger
from modelwire_router.demo.rollouts import Run
from modelwire_router.demo.sides import Checked, Kind, check_sides, two_sided
from modelwire_router.views import shares
from modelwire_schemas.rollout import Phase


@dataclass(frozen=True, slots=True)
class Step:
    """One revision: by whom, what was planned, and what the outputs under it say."""

    revision: int
    by: str
    planned: str
    actual: str
    events: int


@dataclass(slots=True)
class Findings:
    """What the log says of the whole run."""

    events: int = 0
    outputs: int = 0
    dead: int = 0
    lost: int = 0
    doubled: int = 0
    twins_differ: int = 0
    misrouted: int = 0
    substituted: int = 0
    disordered: int = 0
    two_sided: int = 0
    longest_gap_ms: int = 0
    p99_ms: int = 0
    steps: list[Step] = field(default_factory=list[Step])
    quality: dict[str, tuple[int, float, float]] = field(
        default_factory=dict[str, tuple[int, float, float]]
    )
    runs: tuple[Run, ...] = ()
    scored: dict[str, int] = field(default_factory=dict[str, int])
    checked: tuple[Checked, ...] = ()

    def faults(
        self, ends: Mapping[str, Phase], proves: Iterable[Kind], *, exactly_once: bool
    ) -> list[str]:
        """Return what should not be; at least once, twins are no fault if their ids agree.

        `ends` is how the rollout of each version has to end, `proves` what has to be seen of them.
        """
        found = {
            "events lost": self.lost,
            "outputs doubled": self.doubled if exactly_once else self.twins_differ,
            "events under another version than the rules say": self.misrouted,
            "outputs out of order": self.disordered if exactly_once else 0,
            "keys on two sides of one split": self.two_sided,
        }
        faults = [f"{count} {what}" for what, count in found.items() if count]
        ended = {run.plan.candidate: run.phase for run in self.runs}
        faults += [
            f"the rollout of {version} is to be {phase}, not {ended.get(version, 'missing')}"
            for version, phase in ends.items()
            if ended.get(version) is not phase
        ]
        seen = {one.kind for one in self.checked}
        faults += [f"nothing was seen of {kind}" for kind in proves if kind not in seen]
        return [*faults, *(one.fault for one in self.checked if one.fault)]


def examine(log: Log) -> Findings:
    """Read events, outputs and decisions back and hold them against each other."""
    ledger = read_ledger(log)
    found = Findings(len(ledger.events), len(ledger.outputs), ledger.dead)
    found.runs = ledger.runs
    found.two_sided = two_sided(ledger)
    found.checked = tuple(check_sides(ledger))
    _count(found, ledger)
    _check_rules(found, ledger)
    _check_steps(found, ledger)
    _check_pace(found, ledger)
    _judge(found, ledger)
    return found


def _count(found: Findings, ledger: Ledger) -> None:
    ids: dict[Coordinates, set[str]] = {}
    newest: dict[int, int] = {}
    for one in ledger.outputs:
        partition, offset = one.place
        ids.setdefault(one.place, set()).add(one.value["id"])
        found.disordered += newest.get(partition, -1) > offset
        newest[partition] = max(newest.get(partition, -1), offset)
    found.lost = len(ledger.events) - len(ids) - ledger.dead
    found.doubled = len(ledger.outputs) - len(ids)
    found.twins_differ = sum(len(twins) > 1 for twins in ids.values())


def _check_rules(found: Findings, ledger: Ledger) -> None:
    """Ask the rules anew, under the control offset that each output names (R11)."""
    for one in ledger.outputs:
        value, event = one.value, one.event.record
        then = in_force_then(ledger.accepted, event.timestamp, event.timestamp, value["offset"])
        source = (event.stream, event.partition, event.offset)
        rules = ledger.compiled[then.revision] if then else None
        answer = rules.assign(event.key, one.event.fields, {}, source) if rules else None
        found.misrouted += answer is None or answer.version != value["routed_to"]
        found.substituted += value["served_by"] != value["routed_to"]


def _check_steps(found: Findings, ledger: Ledger) -> None:
    counts: dict[int, Counter[str]] = {}
    for one in ledger.outputs:
        counts.setdefault(one.value["revision"], Counter())[one.value["routed_to"]] += 1
    for a in ledger.accepted:
        seen = counts.get(a.revision, Counter[str]())
        total = seen.total()
        told = ", ".join(f"{v} {100 * n / total:.1f} %" for v, n in sorted(seen.items()))
        by = "controller" if a.automatic else "operator"
        found.steps.append(Step(a.revision, by, shares(a.document), told or "-", total))
    for run in found.runs:
        version, end = run.plan.candidate, run.said[-1].accepted.revision
        under = (counts.get(revision, Counter[str]()) for revision in run.revisions - {end})
        found.scored[version] = sum(seen[version] for seen in under)


def _check_pace(found: Findings, ledger: Ledger) -> None:
    times = sorted(one.record.appended for one in ledger.outputs)
    found.longest_gap_ms = max((b - a for a, b in pairwise(times)), default=0)
    waits = sorted(one.record.appended - one.event.record.appended for one in ledger.outputs)
    found.p99_ms = waits[int(len(waits) * 0.99)] if waits else 0


def _judge(found: Findings, ledger: Ledger) -> None:
    """Hold every version's answers against what became of the flights: share late, AUC."""
    answers: dict[str, list[tuple[float, bool]]] = {}
    trials = {(r, rule.name) for r, c in ledger.compiled.items() for rule in c.document.rules
              if rule.match and len(rule.variants) > 1}  # fmt: skip
    for one in ledger.outputs:
        value = one.value
        if (pair := _labelled(one)) is not None:
            answers.setdefault(value["served_by"], []).append(pair)
            if (value["revision"], value["rule"]) in trials:
                told = f"{value['served_by']}, {value['variant']} of {value['rule']}"
                answers.setdefault(told, []).append(pair)
    for whose, pairs in sorted(answers.items()):
        mean = sum(score for score, _ in pairs) / len(pairs)
        found.quality[whose] = (len(pairs), mean, auc(pairs))


def _labelled(one: Scored) -> tuple[float, bool] | None:
    delay = one.event.fields["arr_delay"]
    return None if delay is None else (one.value["outputs"]["late"], delay >= 15)


def auc(pairs: Sequence[tuple[float, bool]]) -> float:
    """Return how often a late flight is ranked above one in time; ties count half."""
    ranked = sorted(pairs)
    positive = sum(late for _, late in pairs)
    negative = len(pairs) - positive
    if not positive or not negative:
        return 0.5
    below = ties_start = 0
    wins = 0.0
    for index, (score, _) in enumerate(ranked):
        if index + 1 < len(ranked) and ranked[index + 1][0] == score:
            continue
        group = ranked[ties_start : index + 1]
        late = sum(is_late for _, is_late in group)
        wins += late * (below + (len(group) - late) / 2)
        below += len(group) - late
        ties_start = index + 1
    return wins / (positive * negative)
