"""Who got which version, held against what a rollout planned: shares, partitions, flips, pairs."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby, pairwise
from typing import Any

from modelwire.control.state import Accepted
from modelwire.routing.samples import Sample
from modelwire_router.demo.ledger import Event, Ledger, Scored, source
from modelwire_router.demo.rollouts import Run, Said
from modelwire_router.rollout.documents import CANDIDATE
from modelwire_router.rollout.plan import MovePartitions, SetWeight
from modelwire_schemas.rollout import Phase
from modelwire_schemas.routing import BUCKETS, RoutingDocument, SplitBy

ERRORS = 4.0
"""Standard errors that an actual share may be off."""

TRIALS = frozenset({"ab", "shadow"})
"""Strategies that leave everything with the stable version."""

FEWEST = 100
"""Keys of a split below which its share is not judged."""


class Kind(StrEnum):
    """What a rollout may show of who got what."""

    SHARES = "shares of keys"
    PARTITIONS = "partitions that moved"
    FLIP = "a flip in one record"
    PAIRS = "pairs of a shadow"
    PLAN = "one plan for both versions"
    END = "the end of a rollout"


@dataclass(frozen=True, slots=True)
class Checked:
    """What was held against the plan, as people are told it; `fault` is what should not be."""

    kind: Kind
    told: str
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """How many of so many keys a version got, beside what was planned (0 to 1)."""

    version: str
    planned: float
    got: int
    keys: int

    @property
    def off(self) -> float:
        """How far the actual share is from the planned one, in standard errors."""
        error = math.sqrt(self.planned * (1 - self.planned) / self.keys)
        return abs(self.got / self.keys - self.planned) / error

    @property
    def told(self) -> str:
        """The share in a few words."""
        return (
            f"{self.version} got {self.got:,} of {self.keys:,} planes, "
            f"{100 * self.got / self.keys:.1f} % beside {100 * self.planned:g} % planned, "
            f"{self.off:.1f} standard errors off"
        )


def check_sides(ledger: Ledger) -> Iterator[Checked]:
    """Yield what the outputs say of every rollout, one finding a kind and rule."""
    for accepted in ledger.accepted:
        yield from _shares(ledger, accepted)
    yield from _same_plan(ledger)
    for run in ledger.runs:
        yield from _moved_back(ledger, run)
        yield from _partitions(ledger, run)
        yield from _flips(ledger, run)
        yield from _pairs(ledger, run)
        yield from _end(ledger, run)


def by_partition(document: RoutingDocument) -> bool:
    """Whether a document divides its events by partition, not by key."""
    return document.rules[-1].split.by is SplitBy.PARTITION


def two_sided(ledger: Ledger) -> int:
    """Return how many outputs have another variant than their key got by the same rule."""
    return sum(
        ledger.sides[one.value["revision"], one.value["rule"]][key] != one.value["variant"]
        for one in ledger.outputs
        if (key := one.event.record.key)
        and not by_partition(ledger.compiled[one.value["revision"]].document)
    )


def _same_plan(ledger: Ledger) -> Iterator[Checked]:
    """Yield whether all rollouts have one plan, but for the versions."""
    shapes = {replace(run.plan, stable="", candidate="", shadows=()) for run in ledger.runs}
    if len(ledger.runs) > 1:
        who = " and ".join(run.plan.candidate for run in ledger.runs)
        fault = "the plans of the rollouts differ" if len(shapes) > 1 else ""
        yield Checked(Kind.PLAN, f"{who} were released by one plan, word for word", fault)


def _shares(ledger: Ledger, accepted: Accepted) -> Iterator[Checked]:
    """Yield the smallest share of every rule that divided enough keys."""
    for rule in accepted.document.rules:
        weighted = [v for v in rule.variants if v.weight]
        keys = ledger.sides.get((accepted.revision, rule.name), {})
        if len(weighted) < 2 or len(keys) < FEWEST:
            continue
        got = Counter(keys.values())
        shares = [Share(v.version, v.weight / BUCKETS, got[v.name], len(keys)) for v in weighted]
        shown = min(shares, key=lambda share: share.planned)
        worst = max(shares, key=lambda share: share.off)
        where = f"revision {accepted.revision}" + (f", {rule.name}" if rule.match else "")
        fault = f"{where}: {worst.told}" if worst.off > ERRORS else ""
        yield Checked(Kind.SHARES, f"{where}: {shown.told}", fault)


def _moved_back(ledger: Ledger, run: Run) -> Iterator[Checked]:
    """Yield how many keys a growing share gave to the candidate, and then back."""
    if run.plan.strategy != "canary":
        return
    ours: set[bytes] = set()
    lost: set[bytes] = set()
    for said in run.said:
        if said.rollout.phase in {Phase.ROLLED_BACK, Phase.ABORTED}:
            break
        rule = said.accepted.document.rules[-1]
        versions = {v.name: v.version for v in rule.variants}
        weight = sum(v.weight for v in rule.variants if v.name == CANDIDATE)
        if not said.rollout.phase.over and weight != _weight(said):
            fault = f"revision {said.accepted.revision} has {weight / 100:g} %, not as planned"
            yield Checked(Kind.SHARES, fault, fault)
        keys = ledger.sides.get((said.accepted.revision, rule.name), {})
        mine = {key for key, name in keys.items() if versions.get(name) == run.plan.candidate}
        lost |= ours & (keys.keys() - mine)
        ours |= mine
    told = f"{run.plan.stable} → {run.plan.candidate}: {len(ours):,} planes came over, "
    told += f"{len(lost)} of them went back before the end"
    fault = f"{len(lost)} planes that a growing share moved back" if lost else ""
    yield Checked(Kind.SHARES, told, fault)


def _weight(said: Said) -> int:
    """Return the candidate's share by the plan, of 10,000."""
    done = said.plan.steps[: said.rollout.step]
    return next((step.weight for step in reversed(done) if isinstance(step, SetWeight)), 0)


def _partitions(ledger: Ledger, run: Run) -> Iterator[Checked]:
    """Yield, for each step of a rolling release, whether whole partitions have moved."""
    if run.plan.split.by is not SplitBy.PARTITION:
        return
    rolling = [said for said in run.said if by_partition(said.accepted.document)]
    for moved, same in groupby(rolling, _moved):
        revisions = [said.accepted.revision for said in same]
        under = [one for one in ledger.outputs if one.value["revision"] in revisions]
        got = Counter((one.place[0], one.value["routed_to"]) for one in under)
        right = {p: run.plan.candidate if p in moved else run.plan.stable for p, _ in got}
        wrong = sum(count for (p, version), count in got.items() if version != right[p])
        there = f"partitions {', '.join(map(str, sorted(moved)))}" if moved else "no partition"
        told = f"revisions {revisions[0]} to {revisions[-1]}: {there} on {run.plan.candidate}, "
        told += f"the others on {run.plan.stable}; {len(under):,} events, "
        fault = f"{wrong} events of a partition on the wrong side" if wrong else ""
        yield Checked(Kind.PARTITIONS, f"{told}{wrong} differ", fault)


def _moved(said: Said) -> frozenset[int]:
    """Return the partitions that the plan has moved by then."""
    done = said.plan.steps[: said.rollout.step]
    moves = [step for step in done if isinstance(step, MovePartitions)]
    return frozenset(number for step in moves for _, number in step.partitions)


def _end(ledger: Ledger, run: Run) -> Iterator[Checked]:
    """Yield whether every event behind the end of a rollout has the version that is to have it."""
    last, stays = run.said[-1].accepted, run.phase is not Phase.COMPLETED
    version = run.plan.stable if stays or run.plan.strategy in TRIALS else run.plan.candidate
    under = [one for one in ledger.outputs if one.value["revision"] == last.revision]
    wrong = sum(one.value["routed_to"] != version for one in under)
    whole = last.document.sole_version() == version
    fault = "" if whole and not wrong else f"behind its end revision {last.revision} is not all on "
    told = f"revision {last.revision}: {len(under):,} events behind the end, all on {version}"
    if run.phase.over:
        yield Checked(Kind.END, told, fault and f"{fault}{version}")


def _flips(ledger: Ledger, run: Run) -> Iterator[Checked]:
    """Yield the flips of a rollout: every event from their time on has to follow, none before.

    An answer that a consumer gave before it could know is marked as such, and counted apart.
    """
    for before, after in pairwise(said.accepted for said in run.said):
        old, new = before.document.sole_version(), after.document.sole_version()
        if old is None or new is None or old == new or after.at_once:
            continue
        under = [one for one in ledger.outputs if one.value["revision"] in run.revisions]
        settled = [one for one in under if not one.value["unsettled"]]
        wrong = sum(
            (one.value["routed_to"] == new) is not (one.event.record.timestamp >= after.effective)
            for one in settled
        )
        told = (
            f"revision {after.revision}: {len(settled):,} events, each on {old} before one "
            f"millisecond and on {new} from it on; {wrong} differ"
        )
        if len(settled) < len(under):
            told += f", {len(under) - len(settled)} were answered before they were settled"
        yield Checked(Kind.FLIP, told, f"{wrong} events beside the flip" if wrong else "")


def _pairs(ledger: Ledger, run: Run) -> Iterator[Checked]:
    """Yield what became of the events that a rollout's candidate was to score unseen.

    A pair has to be of an event that was due, with the output that this was answered; what has none
    was dropped, and consumers have to have counted it.
    """
    version = run.plan.candidate
    due, let_in = _due(ledger, run)
    if not due:
        return
    written = [pair for pair in ledger.pairs if pair["shadow"]["version"] == version]
    places = {source(pair) for pair in written}
    strange = sum(source(p) not in due or not _same(p, due[source(p)]) for p in written)
    missing, spared = len(due.keys() - places), ledger.spared.get(version, 0)
    faults = {
        "pairs of other events or outputs": strange,
        "events without a pair that nobody counted": max(0, missing - spared),
    }
    told = f"{len(places):,} flights that {version} scored beside {run.plan.stable}, each a pair "
    told += f"of the same event; {strange} differ, {missing} dropped"
    planned = run.plan.strategy == "shadow" and _planned(ledger, version)
    if planned and len(let_in) >= FEWEST:
        got = {one.event.record.key for one in due.values() if one.event.record.key}
        share = Share(version, planned, len(got), len(let_in))
        told += f"; {share.told}"
        faults[f"shares: {share.told}"] = int(share.off > ERRORS)
    yield Checked(Kind.PAIRS, told, ", ".join(f"{n} {w}" for w, n in faults.items() if n))


def _planned(ledger: Ledger, version: str) -> float:
    """Return the share of the keys that were to be drawn; 0 where all were."""
    shadows = [s for a in ledger.accepted for s in a.document.shadows if s.version == version]
    share = max((shadow.sample for shadow in shadows), default=0)
    return 0 if share == BUCKETS else share / BUCKETS


def _due(ledger: Ledger, run: Run) -> tuple[dict[tuple[int, int], Scored], set[bytes]]:
    """Return the outputs whose events the candidate was to score, and the keys that they are of."""
    drawn: dict[int, tuple[Sample, Sample]] = {}
    for said in run.said:
        for shadow in said.accepted.document.shadows:
            if shadow.version == run.plan.candidate:
                both = Sample(shadow), Sample(replace(shadow, sample=BUCKETS))
                drawn[said.accepted.revision] = both
    due: dict[tuple[int, int], Scored] = {}
    let_in: set[bytes] = set()
    for one in ledger.outputs:
        draw, match = drawn.get(one.value["revision"], (None, None))
        if draw is None or match is None or not _takes(match, one.event):
            continue
        if key := one.event.record.key:
            let_in.add(key)
        if _takes(draw, one.event):
            due[one.place] = one
    return due, let_in


def _takes(sample: Sample, event: Event) -> bool:
    record = event.record
    place = (record.stream, record.partition, record.offset)
    return bool(sample.rows([record.key], [event.fields], None, [place]))


def _same(pair: Mapping[str, Any], answered: Scored) -> bool:
    """Whether a pair's live side is what the event was answered."""
    live, value = pair["live"], answered.value
    return bool(live["outputs"] == value["outputs"] and live["version"] == value["served_by"])
