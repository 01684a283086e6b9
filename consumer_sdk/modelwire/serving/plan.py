"""How one route answers under one snapshot: which document, which version, which one is warm."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias, cast

from modelwire.control.state import ALWAYS, Accepted, Release, RouteState, State
from modelwire.control.timeline import BelowFloor, boundaries, in_force
from modelwire.reporting.calls import Answered
from modelwire.routing.assign import CompiledDocument
from modelwire.routing.assignment import Assignment, Counts
from modelwire.serving.answer import Provenance
from modelwire.serving.servable import Servable
from modelwire_schemas.contracts import differences
from modelwire_schemas.errors import NotReady
from modelwire_schemas.routing import ModelVersion, Staleness

FOREVER = 2**62

Coordinates: TypeAlias = tuple[str, int, int]


class Event(NamedTuple):
    """What the rules may ask of an event: key, fields, headers, (stream, partition, offset)."""

    key: str | bytes | int | None
    body: object
    headers: Mapping[str, object]
    source: Coordinates | None

    @property
    def fields(self) -> Mapping[str, object]:
        """The event's fields; an array has none."""
        if isinstance(self.body, Mapping):
            return cast("Mapping[str, object]", self.body)
        return {}


class Decision(NamedTuple):
    """Who answers, what the answer says of itself, and the bucket that led there."""

    servable: Servable
    provenance: Provenance
    bucket: int | None


@dataclass(frozen=True, slots=True)
class Quick:
    """One version has every event with `begins <= ts < ends`, and is warm: nothing to ask."""

    servable: Servable
    provenance: Provenance
    begins: int
    ends: int
    answered: Answered


@dataclass(frozen=True, slots=True)
class Marks:
    """What every answer of a snapshot says beside its version."""

    offset: int
    stale: bool


class RoutePlan:
    """A route's documents, compiled, over the versions that are warm. Made off the event path."""

    def __init__(
        self,
        name: str,
        state: State,
        warm: Mapping[ModelVersion, Servable],
        marks: Marks,
        now: int,
        before: "RoutePlan | None" = None,
    ) -> None:
        self.name = name
        self.route = state.routes.get(name)
        self.marks = marks
        self._state = state
        self._warm = warm
        self._provenances: dict[tuple[object, ...], Provenance] = {}
        self.counts: Counts = before.counts if before else Counts()
        self.compiled: dict[int, CompiledDocument] = before.compiled if before else {}
        self.compiled = {a.revision: self.compile(a) for a in _all(self.route)}
        self.until = min([t for t in self._boundaries() if t > now], default=FOREVER)
        self.quick = self._quick(now)
        self.serving = self._serving(now)
        self.has_shadows = any(document.samples for document in self.compiled.values())

    def accepted(self, ts: int, bt: int) -> Accepted:
        """Return the document in force; raises NotReady `E_NO_DOCUMENT`, or BelowFloor."""
        found = in_force(self.route, ts, bt) if self.route else None
        if found is None:
            raise NotReady(
                "E_NO_DOCUMENT",
                "no routing document yet",
                where=f"route {self.name}",
                todo=f"modelwire flip {self.name} VERSION",
            )
        return found

    def decide(self, accepted: Accepted, event: Event, *, settled: bool = True) -> Decision:
        """Return who answers an event under a document: R16's ladder, first warm version.

        A version that keeps raising answers where nothing else can. Raises NotReady `E_NOT_WARM`
        when no version of the ladder is warm.
        """
        document = self.compile(accepted)
        assigned = document.sole or document.assign(
            event.key, event.fields, event.headers, event.source
        )
        servable = self._warm.get(ModelVersion(accepted.document.model, assigned.version))
        if servable is None or servable.broken:
            servable = self._substitute(accepted, assigned, event) or servable
        if servable is None:
            raise _not_warm(accepted, assigned, self.name)
        told = self.provenance(accepted, assigned, servable, settled=settled)
        return Decision(servable, told, assigned.bucket)

    def fallback(self, accepted: Accepted, failed: Servable | None) -> Servable | None:
        """Return the version that answers when `failed` raised: the next warm fallback."""
        for version in accepted.document.fallback:
            servable = self._warm.get(ModelVersion(accepted.document.model, version))
            if servable is not None and servable is not failed:
                return servable
        return None

    def decide_fallback(self, accepted: Accepted, event: Event) -> Decision:
        """Return who answers an event that is not settled, where the policy is `fallback`."""
        decision = self.decide(accepted, event, settled=False)
        other = self.fallback(accepted, None)
        if other is None:
            raise NotReady("E_NOT_WARM", "no fallback is loaded here", where=f"route {self.name}")
        return Decision(
            other, self.substitute_provenance(decision.provenance, other), decision.bucket
        )

    def substitute_provenance(self, told: Provenance, servable: Servable) -> Provenance:
        """Return the provenance of an answer that another version gave."""
        return replace(
            told,
            model=servable.version.model,
            version=servable.version.version,
            digest=servable.digest,
            served_by=servable.version.version,
        )

    def ready(self, now: int) -> bool:
        """Whether one version that may answer a present event is warm (R17).

        What is only held warm beside them, as a candidate or a shadow, answers nothing.
        """
        ladder = sorted((a for a in _all(self.route) if a.effective <= now), key=_revision)
        named = [
            self.warm(a.document.model, version)
            for a in ladder
            for version in (*a.document.weighted(), *a.document.fallback)
        ]
        newest = [a.document for a in ladder[-1:]]
        terms = [self._state.release(d.model, v) for d in newest for v in d.weighted()]
        return any(_fits(wanted, one) for wanted in terms for one in named if one is not None)

    def staleness(self, now: int) -> Staleness:
        """Return the policy of the document in force now for what can not be settled (R10)."""
        try:
            return self.accepted(now, now).document.staleness
        except (NotReady, BelowFloor):
            return Staleness.WAIT

    def compile(self, accepted: Accepted) -> CompiledDocument:
        """Return a document compiled; one that was read from the log is compiled here.

        Another log, which has come in this one's place, may have another document of that number.
        """
        found = self.compiled.get(accepted.revision)
        document = accepted.document
        if found is None or (found.document is not document and found.document != document):
            found = self.compiled[accepted.revision] = self._compile(accepted)
        return found

    def warm(self, model: str, version: str) -> Servable | None:
        """Return a warm version that does not keep raising."""
        servable = self._warm.get(ModelVersion(model, version))
        return None if servable is None or servable.broken else servable

    def provenance(
        self,
        accepted: Accepted,
        assigned: Assignment,
        servable: Servable,
        *,
        settled: bool = True,
    ) -> Provenance:
        """Return what an answer says of itself; one object for all answers that say the same."""
        key = (accepted.revision, assigned.rule, assigned.variant, assigned.reason)
        whole = (*key, assigned.version, servable.version, settled)
        told = self._provenances.get(whole)
        if told is None:
            told = self._provenances[whole] = Provenance(
                route=self.name,
                model=servable.version.model,
                version=servable.version.version,
                digest=servable.digest,
                variant=assigned.variant,
                rule=assigned.rule,
                revision=accepted.revision,
                reason=str(assigned.reason),
                offset=self.marks.offset,
                stale=self.marks.stale,
                routed_to=assigned.version,
                served_by=servable.version.version,
                unsettled=not settled,
            )
        return told

    def _compile(self, accepted: Accepted) -> CompiledDocument:
        return CompiledDocument(accepted.document, accepted.revision, self.counts)

    def _serving(self, now: int) -> str:
        """Return the versions that answer present events, if all of them are warm; else ''."""
        try:
            document = self.accepted(now, now).document
        except (NotReady, BelowFloor):
            return ""
        named = [ModelVersion(document.model, version) for version in document.weighted()]
        return ", ".join(v.version for v in named) if self._warm.keys() >= set(named) else ""

    def _boundaries(self) -> tuple[int, ...]:
        return boundaries(self.route) if self.route else ()

    def _quick(self, now: int) -> Quick | None:
        if self.route is None or self.marks.stale or self.route.time_field:
            return None
        begins = max([t for t in self._boundaries() if t <= now], default=ALWAYS)
        try:
            accepted = self.accepted(now, now)
        except (NotReady, BelowFloor):
            return None
        sole = self.compile(accepted).sole
        servable = self.warm(accepted.document.model, sole.version) if sole else None
        if sole is None or servable is None:
            return None
        told = self.provenance(accepted, sole, servable)
        return Quick(servable, told, begins, self.until, servable.called(told))

    def _substitute(
        self, accepted: Accepted, assigned: Assignment, event: Event
    ) -> Servable | None:
        wanted = self._state.release(accepted.document.model, assigned.version)
        for version in self._ladder(accepted, event):
            servable = self.warm(version.model, version.version)
            if servable is not None and _fits(wanted, servable):
                return servable
        return None

    def _ladder(self, accepted: Accepted, event: Event) -> Iterator[ModelVersion]:
        model = accepted.document.model
        yield from (ModelVersion(model, version) for version in accepted.document.fallback)
        earlier = [a for a in _all(self.route) if a.revision < accepted.revision]
        for other in sorted(earlier, key=_revision, reverse=True):
            compiled = self.compile(other)
            then = compiled.sole or compiled.assign(
                event.key, event.fields, event.headers, event.source
            )
            yield ModelVersion(other.document.model, then.version)


def _all(route: RouteState | None) -> tuple[Accepted, ...]:
    if route is None:
        return ()
    return tuple({a.revision: a for a in (*route.recent, *route.timeline)}.values())


def _revision(accepted: Accepted) -> int:
    return accepted.revision


def _not_warm(accepted: Accepted, assigned: Assignment, route: str) -> NotReady:
    return NotReady(
        "E_NOT_WARM",
        f"{accepted.document.model} {assigned.version} is not loaded here, "
        "and neither is one that may stand in for it",
        where=f"route {route}, revision {accepted.revision}",
        todo="modelwire fleet shows how far it is",
    )


def _fits(wanted: Release | None, servable: Servable) -> bool:
    return wanted is None or not differences(wanted.contract, servable.contract)
