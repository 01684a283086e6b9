"""The demo's summary, by reading the log back: nothing that the demo counted itself."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import orjson

from modelwire.control.history import documents, in_force_then, read_past
from modelwire.control.state import Accepted
from modelwire.routing.assign import CompiledDocument
from modelwire_log.contract import Log, Record
from modelwire_router.demo.reading import Tail
from modelwire_router.demo.stage import EVENTS, GRAVEYARD, NAMESPACE, OUTPUTS, ROUTE
from modelwire_router.views import shares

Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Step:
    """One revision: what was planned, and what the outputs under it say."""

    revision: int
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

    def faults(self, *, exactly_once: bool) -> list[str]:
        """Return what should not be; at least once, twins are no fault if their ids agree."""
        found = {
            "events lost": self.lost,
            "outputs doubled": self.doubled if exactly_once else self.twins_differ,
            "events under another version than the rules say": self.misrouted,
            "outputs out of order": self.disordered if exactly_once else 0,
            "keys on two sides of one split": self.two_sided,
        }
        return [f"{count} {what}" for what, count in found.items() if count]


def examine(log: Log) -> Findings:
    """Read events, outputs and decisions back and hold them against each other."""
    events = {(r.partition, r.offset): r for r in Tail(log, EVENTS).news(10_000_000)}
    outputs = list(Tail(log, OUTPUTS).news(10_000_000))
    dead = sum(1 for _ in Tail(log, GRAVEYARD).news(10_000_000))
    found = Findings(events=len(events), outputs=len(outputs), dead=dead)
    values = [orjson.loads(record.value) for record in outputs]
    accepted = documents(read_past(log, NAMESPACE), ROUTE)
    _count(found, events, outputs, values)
    _check_rules(found, events, values, accepted)
    _check_steps(found, values, accepted)
    _check_pace(found, events, outputs, values)
    _judge(found, events, values)
    return found


def _count(
    found: Findings, events: dict[Place, Record], outputs: list[Record], values: list[Any]
) -> None:
    by_place: dict[Place, list[Any]] = {}
    newest: dict[int, int] = {}
    for record, value in zip(outputs, values, strict=True):
        place = _place(value)
        by_place.setdefault(place, []).append(value)
        found.disordered += newest.get(place[0], -1) > place[1]
        newest[place[0]] = max(newest.get(place[0], -1), place[1])
        del record
    found.lost = len(events) - len(by_place) - found.dead
    found.doubled = len(outputs) - len(by_place)
    found.twins_differ = sum(len({v["id"] for v in twins}) > 1 for twins in by_place.values())


def _check_rules(
    found: Findings, events: dict[Place, Record], values: list[Any], accepted: list[Accepted]
) -> None:
    """Ask the rules anew, under the control offset that each output names (R11)."""
    compiled = {a.revision: CompiledDocument(a.document, a.revision) for a in accepted}
    sides: dict[tuple[int, bytes | None], str] = {}
    for value in values:
        event = events[_place(value)]
        then = in_force_then(accepted, event.timestamp, event.timestamp, value["offset"])
        source = (event.stream, event.partition, event.offset)
        answer = compiled[then.revision].assign(event.key, {}, {}, source) if then else None
        found.misrouted += answer is None or answer.version != value["routed_to"]
        found.substituted += value["served_by"] != value["routed_to"]
        side = (value["revision"], event.key)
        found.two_sided += sides.setdefault(side, value["routed_to"]) != value["routed_to"]


def _check_steps(found: Findings, values: list[Any], accepted: list[Accepted]) -> None:
    counts: dict[int, Counter[str]] = {}
    for value in values:
        counts.setdefault(value["revision"], Counter())[value["routed_to"]] += 1
    for a in accepted:
        seen = counts.get(a.revision, Counter[str]())
        total = sum(seen.values())
        told = ", ".join(f"{v} {100 * n / total:.1f} %" for v, n in sorted(seen.items()))
        found.steps.append(Step(a.revision, shares(a.document), told or "-", total))


def _check_pace(
    found: Findings, events: dict[Place, Record], outputs: list[Record], values: list[Any]
) -> None:
    times = sorted(record.appended for record in outputs)
    found.longest_gap_ms = max((b - a for a, b in pairwise(times)), default=0)
    waits = sorted(
        record.appended - events[_place(value)].appended
        for record, value in zip(outputs, values, strict=True)
    )
    found.p99_ms = waits[int(len(waits) * 0.99)] if waits else 0


def _judge(found: Findings, events: dict[Place, Record], values: Sequence[Any]) -> None:
    """Hold every version's answers against what became of the flights: share late, AUC."""
    by_version: dict[str, list[tuple[float, bool]]] = {}
    for value in values:
        delay = orjson.loads(events[_place(value)].value)["arr_delay"]
        if delay is not None:
            pair = (value["outputs"]["late"], delay >= 15)
            by_version.setdefault(value["served_by"], []).append(pair)
    for version, pairs in sorted(by_version.items()):
        mean = sum(score for score, _ in pairs) / len(pairs)
        found.quality[version] = (len(pairs), mean, auc(pairs))


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


def _place(value: Any) -> Place:  # noqa: ANN401 - JSON
    source = value["source"]
    return source["partition"], source["offset"]
