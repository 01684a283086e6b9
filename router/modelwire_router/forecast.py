"""What a change would do: whose version changes at each step, and who has to fetch what (pure)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from modelwire.control.state import State
from modelwire.routing.assign import CompiledDocument
from modelwire.routing.batch import assign_batch
from modelwire.routing.keys import Coordinates
from modelwire_router.changes import replace_document
from modelwire_router.readiness import enough, live
from modelwire_router.rollout.documents import weighted
from modelwire_router.rollout.machine import advance, begin
from modelwire_router.rollout.plan import Exposure, Plan
from modelwire_router.rollout.telling import told
from modelwire_router.virtual import folded
from modelwire_schemas.fleet import FleetReport, VersionReport
from modelwire_schemas.policy import PolicySet
from modelwire_schemas.routing import RoutingDocument

Fields: TypeAlias = Mapping[str, object]
Versions: TypeAlias = npt.NDArray[np.object_]

SHORT = {"E_BUDGET", "E_NO_MEMORY", "E_PROBE_MEMORY"}
"""What an instance says that has no memory for a version."""

NOBODY = ""
"""Who answers an event before there is a document, or one whose key is none."""


@dataclass(frozen=True, slots=True)
class Events:
    """Events that were, in columns of one length; `headers` and `sources` as consumers see them."""

    keys: Sequence[object]
    rows: Sequence[Fields]
    headers: Sequence[Fields]
    sources: Sequence[Coordinates]


class Step(NamedTuple):
    """A document that would come, and what people call it."""

    told: str
    document: RoutingDocument


@dataclass(frozen=True, slots=True)
class Moved:
    """What a step does to events that were: shares of 0 to 1.

    `events` and `keys` change their version at this step, `keys_in_all` since before the first
    one. `versions` has the share of the events that each version answers.
    """

    events: float
    keys: float
    keys_in_all: float
    versions: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Fetch:
    """A version that an instance would have to fetch: bytes on the wire, and memory beside.

    `resident` is what the instance's versions take now. `fits` is None where nobody knows.
    """

    instance: str
    application: str
    version: str
    size: int
    resident: int
    fits: bool | None


def document_steps(document: RoutingDocument, state: State) -> list[Step]:
    """Return a whole document as the one step that it is; raises as `steps`."""
    change = replace_document(state, document)
    at = folded(_free(state), change, max(state.now, 0))
    return [Step("apply", at.routes[document.route].head.document)]


def steps(plan: Plan, state: State) -> list[Step]:
    """Return the documents of a rollout, its beginning first.

    Raises Conflict or Rejected where the fold would not take it, approvals and blackouts aside.
    """
    now = max(state.now, 0)
    at = folded(_free(state), begin(plan, state.routes.get(plan.route), "planned", now), now)
    found = [Step("begin", at.routes[plan.route].head.document)]
    for step in plan.steps:
        change = advance(plan, at.routes[plan.route], now).change
        if isinstance(step, Exposure):  # how much it will come to nobody knows: the most
            (one,) = change.changes
            most = weighted(plan, one.document, step.weight)
            change = replace(change, changes=(replace(one, document=most),))
        at = folded(at, replace(change, effective_at=None), now)
        found.append(Step(told(step), at.routes[plan.route].head.document))
    return found


def moves(before: RoutingDocument | None, after: Sequence[Step], events: Events) -> Iterator[Moved]:
    """Yield what each step does to these events; `before` is the document that holds now."""
    names = _names(after[-1].document, events)
    first = last = _versions(before, events)
    for step in after:
        now = _versions(step.document, events)
        yield Moved(
            float((now != last).mean()),
            _share(names, now != last),
            _share(names, now != first),
            tuple((v, float((now == v).mean())) for v in sorted({*now.tolist()} - {NOBODY})),
        )
        last = now


def fetches(
    reports: Iterable[tuple[FleetReport, int]],
    state: State,
    after: Sequence[Step],
    now: int,
) -> list[Fetch]:
    """Return what the live instances of a route have yet to fetch for these documents."""
    route, model = after[-1].document.route, after[-1].document.model
    named = dict.fromkeys(v for step in after for v in step.document.versions())
    users = [report for report in live(reports, now) if route in report.routes]
    return [
        Fetch(r.instance, r.application, version, release.artifact.size, r.resident, _fits(held))
        for r in sorted(users, key=lambda r: r.instance)
        for version in named
        if (release := state.release(model, version)) is not None
        and ((held := _held(r, model, version)) is None or held.state not in enough(r))
    ]


def _free(state: State) -> State:
    """Return a state without approvals and blackouts: what would come is asked, not whether."""
    return replace(state, policy=PolicySet(state.lead))


def _fits(held: VersionReport | None) -> bool | None:
    return False if held is not None and held.code in SHORT else None


def _held(report: FleetReport, model: str, version: str) -> VersionReport | None:
    return next((v for v in report.versions if (v.model, v.version) == (model, version)), None)


def _versions(document: RoutingDocument | None, events: Events) -> Versions:
    """Return the version that answers each event."""
    if document is None:
        return np.full(len(events.keys), NOBODY, np.object_)
    compiled = CompiledDocument(document, 1)
    found = assign_batch(compiled, events.keys, events.rows, events.headers, events.sources)
    of_arm = np.array([*(arm.version for arm in found.arms), NOBODY], np.object_)
    return of_arm[found.variant]


def _names(document: RoutingDocument, events: Events) -> list[object]:
    """Return what keeps each event on its side: its key, or itself where it has none."""
    field = document.rules[-1].split.field
    keys = [row.get(field) for row in events.rows] if field else events.keys
    return [
        source if key is None else key for key, source in zip(keys, events.sources, strict=True)
    ]


def _share(names: Sequence[object], hit: npt.NDArray[np.bool_]) -> float:
    """Return the share of the names that are hit at least once."""
    moved = {name for name, one in zip(names, hit.tolist(), strict=True) if one}
    return len(moved) / len({*names})
