"""What a drill came to: how soon the bad version was taken back, after how many events, and why."""

from collections import Counter
from dataclasses import dataclass

import orjson

from modelwire.control.history import documents
from modelwire.control.reading import read_past
from modelwire.scoring.outputs import REASON
from modelwire_log.contract import Log
from modelwire_log.whole import all_records
from modelwire_router.drill.planted import Planted
from modelwire_router.rollout.machine import DEADLINE
from modelwire_schemas.rollout import Finding, Judgement, Phase


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a drill ended.

    `seconds` run from when the bad version could first have events, or without any from the
    beginning, to the record that took it back; None where none did. `events` were scored in all,
    `routed` of them went to the bad version, which served `served` of them and failed on `failed`.
    """

    phase: Phase
    seconds: float | None
    events: int
    routed: int
    served: int
    failed: int
    findings: tuple[Finding, ...]
    note: str

    @property
    def found(self) -> bool:
        """Whether it was taken back because a metric failed."""
        failed = [f for f in self.findings if f.judgement is Judgement.FAIL]
        return self.phase is Phase.ROLLED_BACK and any(f.metric != DEADLINE for f in failed)


def outcome(log: Log, namespace: str, drill: Planted, scores: str, letters: str) -> Outcome:
    """Read a drill's end back from its log."""
    past = read_past(log, namespace)
    found = documents(past, drill.plan.route)
    appended = {a.revision: step.entry.appended for step in past for a in step.documents}
    last = found[-1]
    rollout = last.document.rollout
    assert rollout is not None  # noqa: S101 - every document of a drill is a rollout's
    exposed = [a.effective for a in found if drill.bad in a.document.weighted()]
    began = max(exposed[0], appended[1]) if exposed else appended[1]
    back = rollout.phase is Phase.ROLLED_BACK
    routed, served = Counter[str](), Counter[str]()
    for record in all_records(log, scores):
        output = orjson.loads(record.value)
        routed[output["routed_to"]] += 1
        served[output["served_by"]] += 1
    told = f" {drill.bad} raised ".encode()
    failed = sum(told in dict(record.headers)[REASON] for record in all_records(log, letters))
    return Outcome(
        phase=rollout.phase,
        seconds=max(0, appended[last.revision] - began) / 1000 if back else None,
        events=routed.total() + failed,
        routed=routed[drill.bad] + failed,
        served=served[drill.bad],
        failed=failed,
        findings=rollout.findings,
        note=rollout.note,
    )
