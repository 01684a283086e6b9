"""Operators and publishers: they look, decide, and append a while later, each on their own."""

from dataclasses import replace
from itertools import count, product

from modelwire.control.history import past_of
from modelwire.control.state import ALWAYS, Accepted, RouteState, State
from modelwire.control.timeline import displaced, way_back
from modelwire_router.changes import undo
from modelwire_schemas.codec import content_digest
from modelwire_schemas.control import Body, Command, ControlRecord, fold_of
from modelwire_schemas.errors import ModelwireError
from modelwire_schemas.policy import PolicySet
from modelwire_schemas.release import ReleaseWithdrawn
from modelwire_schemas.routing import (
    BUCKETS,
    Change,
    RouteConfirmed,
    RouteFrozen,
    RouteRevision,
    RoutingChanged,
    RoutingDocument,
    Rule,
    Split,
    Variant,
)
from tests.consumer_sdk.control.making import release
from tests.simulation.product import Product
from tests.simulation.virtual_log import Control
from tests.simulation.world import World

MODEL, ROUTE, OTHER = "flights", "late", "early"
LATEST_BUSINESS = 12
"""Business times lie between 0 and so many ms: changes often share one."""

_LEADS = (160, 200, 300, 500, 500, 500, 900)


class People:
    """Those who change what is served; `state` is what the log says at its end."""

    def __init__(self, world: World, control: Control, product: Product, time_field: str) -> None:
        self.state = State()
        self.accepted: list[Accepted] = []
        self.moved: list[str] = []
        self._world = world
        self._control = control
        self._product = product
        self._field = time_field
        self._count = count()
        self._versions = 1
        self._stale = self.state
        self._last: ControlRecord | None = None

    def begin(self) -> None:
        """Release version 1 and route everything to it."""
        self._send(release("1", MODEL))
        self._send(release("2", MODEL))
        self._versions = 2
        self._send(RoutingChanged((Change(self._document({"1": BUCKETS}), 0),)))

    def act(self) -> None:
        """Decide by what is known now, or was known before; it is appended a while later."""
        world = self._world
        if world.chance(0.7):
            self._stale = self.state
        if self._last is not None and world.chance(0.04):
            again = self._last
            world.after(world.upto(200), lambda: self._append(again))
            return
        body = self._decide(self._stale)
        if body is not None:
            world.after(world.upto(250), lambda: self._send(body))

    def _decide(self, state: State) -> Body | None:
        chosen = self._world.random.random()
        if chosen < 0.06:
            self._versions += 1
            return release(str(self._versions), MODEL)
        if chosen < 0.09:
            return ReleaseWithdrawn(MODEL, self._any_version())
        if chosen < 0.16:
            return PolicySet(self._world.random.choice(_LEADS))
        route = state.routes.get(ROUTE)
        if route is None:
            return None
        if chosen < 0.26:
            return RouteConfirmed(ROUTE) if chosen < 0.18 else self._freeze(route)
        if chosen < 0.31:
            return self._undo(state)
        if chosen < 0.37:
            return self._both(state, route)
        return self._change(state, route)

    def _freeze(self, route: RouteState) -> RouteFrozen:
        return RouteFrozen(ROUTE, frozen=route.frozen is None)

    def _change(self, state: State, route: RouteState) -> Body:
        random = self._world.random
        if way_back(route, state.earliest) and random.random() < 0.5:
            return RouteConfirmed(ROUTE)
        at_once = random.random() < 0.12
        effective = None if at_once else self._when(state)
        displaces = displaced(
            route, state.earliest if effective is None else effective, state.earliest
        )
        listed = displaces if random.random() < 0.8 else ()
        change = Change(self._next(route), route.head.revision)
        cancels = tuple(RouteRevision(ROUTE, a.revision) for a in listed)
        asked = RoutingChanged((change,), effective, at_once, cancels)
        if random.random() < 0.5:
            return replace(asked, automatic=True, decided_at=max(0, state.now))
        if not self._field and random.random() < 0.3:
            return replace(asked, confirm_within=1 + self._world.upto(4_000))
        return asked

    def _when(self, state: State) -> int | None:
        random = self._world.random
        if self._field:
            return random.randint(0, LATEST_BUSINESS)
        if random.random() < 0.55:
            return None
        return max(self._control.clock.now(), state.now) + state.lead + self._world.upto(1_500, -20)

    def _next(self, route: RouteState) -> RoutingDocument:
        """Return the route's document with other weights; whole weights are the usual ones."""
        random = self._world.random
        one, two = self._any_version(), self._any_version()
        share = random.choice([0, 0, 500, 5_000, random.randrange(BUCKETS)])
        weights = {one: BUCKETS - share, two: share} if one != two else {one: BUCKETS}
        return self._document(weights, route)

    def _document(
        self, weights: dict[str, int], route: RouteState | None = None, name: str = ROUTE
    ) -> RoutingDocument:
        before = route.head.document.rules[-1].variants if route else ()
        wished = [(version, version, count) for version, count in weights.items()]
        variants = self._product.reweigh(before, wished)
        rule = Rule("all", variants, Split(salt="s"))
        return RoutingDocument(name, MODEL, (rule,), time_field=self._field)

    def _undo(self, state: State) -> Body | None:
        entries = self._control.entries[: state.offset + 1]
        past = past_of(entries)
        try:
            return undo(state, past, ROUTE, step=self._world.chance(0.4))
        except ModelwireError:
            return None

    def _both(self, state: State, route: RouteState) -> RoutingChanged:
        other = state.routes.get(OTHER)
        document = replace(self._next(route), route=OTHER)
        revision = other.head.revision if other else 0
        changes = Change(self._next(route), route.head.revision), Change(document, revision)
        return RoutingChanged(changes)

    def _any_version(self) -> str:
        return str(self._world.random.randint(1, self._versions))

    def _send(self, body: Body) -> None:
        expires = self._control.clock.now() + 600_000
        fold, content = fold_of(body), content_digest(body)
        command = Command(f"request-{next(self._count)}", content, expires, fold)
        self._append(ControlRecord(command, body))

    def _append(self, record: ControlRecord) -> None:
        damaged = ROUTE in self.state.routes and self._world.chance(0.02)
        entry = self._control.append(None if damaged else record)
        self._last = record
        before = self.state
        self.state, (verdict,) = self._product.fold(before, [entry])
        effective = "always" if verdict.effective == ALWAYS else str(verdict.effective)
        told = f"{type(record.body).__name__}{' at once' * getattr(record.body, 'at_once', False)}"
        self._world.tell(
            f"control@{entry.offset} appended {entry.appended} {told}: "
            f"{verdict.code or 'accepted'} {[r.revision for r in verdict.revisions]} {effective}"
        )
        old, new = before.routes.get(ROUTE), self.state.routes.get(ROUTE)
        if new is not None and new != old:
            self.accepted += [a for a in new.timeline if a.offset == entry.offset]
            if old is not None:
                self._hold_moves(old, new)

    def _hold_moves(self, old: RouteState, new: RouteState) -> None:
        """Note where a change moved more keys than it had to (R26)."""
        had, has = old.head.document.rules[-1].variants, new.head.document.rules[-1].variants
        stay = sum(_common(a, b) for a in had for b in has if a.version == b.version)
        moved = BUCKETS - stay
        weights = {v.version: v.weight for v in had}
        least = sum(max(0, v.weight - weights.get(v.version, 0)) for v in has)
        if moved > least and not new.head.restores:
            self.moved.append(f"revision {new.head.revision} moves {moved} buckets, not {least}")


def _common(a: Variant, b: Variant) -> int:
    """Return how many buckets two variants share."""
    pairs = product(a.buckets, b.buckets)
    return sum(max(0, min(x[1], y[1]) - max(x[0], y[0])) for x, y in pairs)
