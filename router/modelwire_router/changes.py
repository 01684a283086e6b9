"""Whole routing documents for what an operator asks: flip, split, prepare, undo (pure)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from modelwire.control.history import Past, documents
from modelwire.control.state import ALWAYS, Accepted, RouteState, State
from modelwire.control.timeline import displaced
from modelwire.routing.checks import redraws
from modelwire.routing.layers import layer_of
from modelwire.routing.ranges import from_percent, reweigh
from modelwire_router.known import known_route
from modelwire_schemas.contracts import differences
from modelwire_schemas.errors import Conflict, NotFound
from modelwire_schemas.names import name, version as checked_version
from modelwire_schemas.routing import (
    BUCKETS,
    Change,
    RouteRevision,
    RoutingChanged,
    RoutingDocument,
    Rule,
    Split,
    SplitBy,
    Variant,
)


@dataclass(frozen=True, slots=True)
class When:
    """When a change holds: now, at a time (ms), or for every event that is not scored yet.

    With `confirm_within` (ms) it goes back so long after that, unless it is confirmed.
    """

    at: int | None = None
    at_once: bool = False
    cancel_scheduled: bool = False
    confirm_within: int = 0


NOW = When()


def flip(
    state: State, route: str, version: str, *, model: str = "", when: When = NOW
) -> RoutingChanged:
    """Return the change that gives one version every event of a route.

    A new route takes the model of its own name unless `model` says another one.
    """
    before = state.routes.get(route)
    variant = Variant(checked_version(version), version, ((0, BUCKETS),))
    rules = (Rule("all", (variant,), _split(before, route)),)
    return _change(state, before, _document(before, route, model, rules), when)


def split(
    state: State,
    route: str,
    weights: Mapping[str, str],
    *,
    model: str = "",
    when: When = NOW,
) -> RoutingChanged:
    """Return the change that divides the events that no condition matches, in percent by version.

    The fewest keys move (R26). A version with weight 0 is held warm and gets none. Rules with a
    condition stay as they are. Raises Rejected `E_WEIGHTS` unless the weights are 100 together.
    """
    before = state.routes.get(route)
    counts = from_percent(weights)
    last = before.head.document.rules[-1] if before else None
    variants = reweigh(
        last.variants if last else (),
        [(checked_version(version), version, count) for version, count in counts.items()],
    )
    rule = Rule(last.name if last else "all", variants, _split(before, route))
    conditional = before.head.document.rules[:-1] if before else ()
    return _change(state, before, _document(before, route, model, (*conditional, rule)), when)


def prepare(state: State, route: str, version: str, now: int) -> RoutingChanged:
    """Return the change that names a version without giving it any event, so that it is warmed.

    The newest document is said once more, at its own time, with the version at weight 0: no event
    gets another answer, and what is scheduled stays. `now` in ms. Raises NotFound
    `E_UNKNOWN_ROUTE`.
    """
    before = known_route(state, route)
    head = before.head
    field = head.document.time_field
    # For business times a document that always held holds from 0 on, the first time there is.
    later = field or head.effective > max(state.earliest, now + state.lead)
    at = max(0, head.effective) if later else None
    document = _holding(head.document, checked_version(version))
    return _change(state, before, document, When(at, cancel_scheduled=True))


def _holding(document: RoutingDocument, version: str) -> RoutingDocument:
    """Return a document that also names a version, at weight 0 where there are weights."""
    last = document.rules[-1]
    rollout = document.rollout
    if rollout is not None and rollout.phase.over:
        rollout = None
    plain = replace(document, contract_changed=False, reshuffle=False, rollout=rollout)
    if last.split.by is SplitBy.PARTITION:  # its last variant gets what nobody lists
        return replace(plain, keep_warm=(*plain.keep_warm, version))
    rule = replace(last, variants=(*last.variants, Variant(version, version)))
    return replace(plain, rules=(*plain.rules[:-1], rule))


def undo(
    state: State,
    past: Sequence[Past],
    route: str,
    *,
    step: bool = False,
    to: int | None = None,
    now: int = 0,
) -> RoutingChanged:
    """Return the change, at once, that takes the newest one of a route back (R24).

    It goes to the newest earlier document in which one version had everything, not counting those
    on the way to another one, by preparing it or by a rollout; with `step` to the document before,
    with `to` to that revision. What an undo brought back counts as what it restores, so two undos
    go back twice. A change that would go back by itself goes back now; `now` (ms) counts where the
    log's newest record is older. A change of several routes is undone whole; with `to` the others
    go back to what they had when that revision came.
    Raises NotFound `E_NO_EARLIER` when there is none, Conflict `E_MOVED` when another route of
    the same change has changed since.
    """
    head = known_route(state, route).head
    together = next((p.documents for p in past if p.entry.offset == head.offset), (head,))
    newest = {a.document.route: a for a in together}.values()
    undone = sorted(newest, key=lambda a: a.document.route != route)
    heads = [_unmoved(state, a) for a in undone]
    present = max(state.earliest, now)
    lines = [_Line(documents(past, a.document.route), a, present) for a in heads]
    if to is None:
        targets = [line.step() if step else line.sole() for line in lines]
    else:
        named = lines[0].named(to)
        targets = [named, *(line.at(named.offset) for line in lines[1:])]
    changes = [_take_back(state, *pair) for pair in zip(heads, targets, strict=True)]
    return RoutingChanged(tuple(changes), at_once=True)


def replace_document(
    state: State, document: RoutingDocument, *, expected: int | None = None, when: When = NOW
) -> RoutingChanged:
    """Return the change that sets a whole document, from the newest or the `expected` revision."""
    before = state.routes.get(document.route)
    change = _change(state, before, document, when)
    if expected is None:
        return change
    return replace(change, changes=(replace(change.changes[0], replaces=expected),))


def together(changes: Sequence[RoutingChanged]) -> RoutingChanged:
    """Return changes of several routes, made for the same time, as one: all or none."""
    first = changes[0] if changes else RoutingChanged(())
    return replace(
        first,
        changes=tuple(change for each in changes for change in each.changes),
        cancels=tuple(cancelled for each in changes for cancelled in each.cancels),
    )


def _unmoved(state: State, undone: Accepted) -> Accepted:
    """Return the head of a route if that is still the document to be undone."""
    route = undone.document.route
    head = known_route(state, route).head
    if head.revision != undone.revision:
        raise Conflict(
            "E_MOVED",
            f"route {route} was changed together with it and has moved on to revision "
            f"{head.revision}",
            where=f"{head.author or 'somebody'} at offset {head.offset}",
            todo="undo that one first, or flip the route by itself",
        )
    return head


class _Line:
    """The documents that led to a route's head; what was undone is not among them."""

    def __init__(self, accepted: Sequence[Accepted], head: Accepted, now: int) -> None:
        self._all = {a.revision: a for a in accepted if a.revision <= head.revision}
        to_come = head.takes_back and head.effective > now
        self._head = self._all.get(head.takes_back, head) if to_come else head

    def step(self) -> Accepted:
        """Return the document before the head's."""
        return self._found(self._earlier())

    def sole(self) -> Accepted:
        """Return the newest earlier document in which one version has everything.

        Those on the way to another one count only where there is no other, and if they differ.
        """
        earlier = [a for a in self._earlier() if a.document.sole_version()]
        decided = [a for a in earlier if not self._on_the_way(a)]
        now = self._head.document.sole_version()
        return self._found([*decided, *(a for a in earlier if a.document.sole_version() != now)])

    def _on_the_way(self, accepted: Accepted) -> bool:
        """Whether a document is a step of a rollout, or names one version more than the last."""
        rollout = accepted.document.rollout
        if rollout is not None and not rollout.phase.over:
            return True
        before = self._all.get(accepted.revision - 1)
        return before is not None and any(
            accepted.document == _holding(before.document, version)
            for version in accepted.document.versions()
        )

    def named(self, revision: int) -> Accepted:
        """Return the document of an earlier revision, undone or not: so one redoes."""
        found = self._all.get(revision)
        if found is None or revision >= self._head.revision:
            raise NotFound(
                "E_NO_EARLIER",
                f"there is no earlier revision {revision}",
                where=f"route {self._head.document.route}",
                expected=f"one below {self._head.revision}",
                todo=f"modelwire history {self._head.document.route} shows them",
            )
        return found

    def at(self, offset: int) -> Accepted:
        """Return the document that was the newest at a control offset."""
        return self._found(a for a in reversed(self._all.values()) if a.offset <= offset)

    def _earlier(self) -> Iterator[Accepted]:
        at = self._meant(self._head)
        while at.revision - 1 in self._all:
            at = self._meant(self._all[at.revision - 1])
            yield at

    def _meant(self, accepted: Accepted) -> Accepted:
        """Return the document that an undo brought back, else the same."""
        while 0 < accepted.restores < accepted.revision and accepted.restores in self._all:
            accepted = self._all[accepted.restores]
        return accepted

    def _found(self, candidates: Iterable[Accepted]) -> Accepted:
        for accepted in candidates:
            return accepted
        route = self._head.document.route
        raise NotFound(
            "E_NO_EARLIER",
            f"there is nothing to go back to from revision {self._head.revision}",
            where=f"route {route}",
            todo=f"modelwire history {route} shows what there is; name one by --to",
        )


def _take_back(state: State, head: Accepted, target: Accepted) -> Change:
    taken_back = tuple(range(target.revision + 1, head.revision + 1))
    document = replace(
        target.document,
        contract_changed=_breaks(state, head.document, target.document),
        reshuffle=bool(redraws(head.document, target.document)),
        rollout=None,
    )
    return Change(document, head.revision, target.revision, taken_back)


def _change(
    state: State, before: RouteState | None, document: RoutingDocument, when: When
) -> RoutingChanged:
    revision = before.head.revision if before else 0
    return RoutingChanged(
        (Change(document, revision),),
        effective_at=when.at,
        at_once=when.at_once,
        cancels=_cancels(state, before, when) if before and when.cancel_scheduled else (),
        confirm_within=when.confirm_within,
    )


def _cancels(state: State, before: RouteState, when: When) -> tuple[RouteRevision, ...]:
    effective = ALWAYS if when.at_once else when.at if when.at is not None else state.earliest
    hit = displaced(before, effective, state.earliest)
    return tuple(RouteRevision(before.route, a.revision) for a in hit)


def _document(
    before: RouteState | None, route: str, model: str, rules: tuple[Rule, ...]
) -> RoutingDocument:
    if before is None:
        return RoutingDocument(name("route", route), name("model", model or route), rules)
    old = before.head.document
    changed = replace(old, rules=rules, contract_changed=False, reshuffle=False, rollout=None)
    return replace(changed, model=name("model", model)) if model else changed


def _split(before: RouteState | None, route: str) -> Split:
    """Return the split of a route's last rule: its salt survives every change (R27).

    Versions that shared the events by source partition share them by key from now on, and those
    that shared a layer's leave it to others.
    """
    if before is None:
        return Split(salt=route)
    split = before.head.document.rules[-1].split
    if layer_of(split):
        return Split(salt=route)
    return Split(salt=split.salt or route) if split.by is SplitBy.PARTITION else split


def _breaks(state: State, old: RoutingDocument, new: RoutingDocument) -> bool:
    pairs = [
        (state.release(old.model, a), state.release(new.model, b))
        for a in old.versions()
        for b in new.versions()
    ]
    return any(a and b and differences(a.contract, b.contract) for a, b in pairs)
