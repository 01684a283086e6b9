"""What the namespace's policy allows: rights, approvals, blackouts, releases that ran out; pure."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from modelwire.control.state import Release, RouteState, State
from modelwire.control.telling import told_time
from modelwire.control.timeline import current, under_way
from modelwire_schemas.control import Command
from modelwire_schemas.errors import Rejected
from modelwire_schemas.fleet import RUN_OUT
from modelwire_schemas.policy import Act, Blackout, PolicySet, Right, matches
from modelwire_schemas.routing import Change, RoutingChanged, RoutingDocument, SplitBy


def check_right(policy: PolicySet, command: Command, act: Act, name: str) -> None:
    """Raise Rejected `E_ROLE` unless the command's author or role may do this."""
    if not may(policy, command.author, command.role, act, name):
        rights = _rights(policy, act, name)
        told = sorted({who for r in rights for who in (*r.authors, *r.roles)})
        raise Rejected(
            "E_ROLE",
            f"{command.author or 'somebody'} as {command.role or 'nobody'} may not {act} {name}",
            expected=f"one of {', '.join(told)}",
            todo="ask one of them, or have the policy changed",
        )


def may(policy: PolicySet, author: str, role: str, act: Act, name: str) -> bool:
    """Whether an author in a role may do this to the model or route of that name."""
    rights = _rights(policy, act, name)
    return not rights or any(_any(r.authors, author) or _any(r.roles, role) for r in rights)


def _rights(policy: PolicySet, act: Act, name: str) -> list[Right]:
    return [r for r in policy.rights if r.act is act and _any(r.names, name)]


def check_rules(
    state: State, command: Command, body: RoutingChanged, *, approved: bool = False
) -> None:
    """Raise Rejected unless the policy lets this change through (R22).

    Going back to a predecessor at once always passes but for rights, and so does what changes no
    answer, as a pause does. A step of a rollout that is under way was approved with its beginning.
    """
    policy = state.policy
    if policy.rights:
        for change in body.changes:
            check_right(policy, command, Act.ROUTE, change.document.route)
        for withdrawn in body.withdraws:
            check_right(policy, command, Act.RELEASE, withdrawn.model)
    if policy.approvals or policy.blackouts:
        _check_times_and_approvals(state, body, approved=approved)


def _check_times_and_approvals(state: State, body: RoutingChanged, *, approved: bool) -> None:
    policy = state.policy
    for change in body.changes:
        if lets_pass(state, body, change):
            continue
        route = state.routes.get(change.document.route)
        if not approved and not _goes_on(route, change.document, state.earliest):
            _check_approval(policy, change.document.route)
        _check_blackout(policy.blackouts, asked_for(state, body), change.document.route)


def needed(policy: PolicySet, routes: Iterable[str]) -> int:
    """Return how many others must approve a change of these routes; 0 where nobody has to."""
    return max(
        (a.needed for name in routes for a in policy.approvals if _any(a.routes, name)), default=0
    )


def check_valid(state: State, body: RoutingChanged, change: Change, release: Release) -> None:
    """Refuse new weight for a release that has run out by then."""
    if asked_for(state, body) < release.valid_until or lets_pass(state, body, change):
        return
    route = state.routes.get(change.document.route)
    before = _weights(route.head.document)[release.version] if route else 0
    if _weights(change.document)[release.version] > before:
        raise Rejected(
            RUN_OUT,
            f"{release.model} {release.version} was valid until {told_time(release.valid_until)}",
            where=f"route {change.document.route}",
            expected="no new weight for it",
            todo="release a newer version",
        )


def run_out(
    state: State, routes: Iterable[RouteState], now: int
) -> Iterator[tuple[RouteState, Release]]:
    """Yield the routes that at `now` (ms) give events to releases that have run out."""
    for route in routes:
        accepted = current(route, now)
        if accepted is not None:
            model, named = accepted.document.model, accepted.document.weighted()
            found = (state.release(model, version) for version in named)
            yield from ((route, r) for r in found if r and 0 < r.valid_until <= now)


def told_run_out(route: RouteState, release: Release) -> str:
    """Return in words that a release has run out and answers all the same."""
    return (
        f"{RUN_OUT}: {release.model} {release.version} answers although its release ran out, "
        f"route {route.route}, valid until {told_time(release.valid_until)}; publish a newer "
        "version and flip to it"
    )


def asked_for(state: State, body: RoutingChanged) -> int:
    """Return the time (ms) from which a change asks to hold; at once and now are `earliest`."""
    return state.earliest if body.effective_at is None else body.effective_at


def inside(blackouts: Iterable[Blackout], time: int) -> Blackout | None:
    """Return the blackout that a time (ms) lies in."""
    return next((b for b in blackouts if b.start <= time < b.end), None)


def lets_pass(state: State, body: RoutingChanged, change: Change) -> bool:
    """Whether a change goes back to a predecessor at once, or gives no event another answer."""
    route, new = state.routes.get(change.document.route), change.document
    if route is None:
        return False
    if body.at_once and _goes_back(route, new):
        return True
    same = _answering(new) == _answering(route.head.document)
    return same and route.head.effective <= asked_for(state, body)


def _answering(document: RoutingDocument) -> RoutingDocument:
    """Return what of a document decides who answers: nothing of what is only held warm."""
    rules = [
        rule
        if rule.split.by is SplitBy.PARTITION
        else replace(rule, variants=tuple(v for v in rule.variants if v.weight))
        for rule in document.rules
    ]
    return replace(
        document,
        rules=tuple(rules),
        shadows=(),
        keep_warm=(),
        contract_changed=False,
        reshuffle=False,
        rollout=None,
    )


def _goes_back(route: RouteState, new: RoutingDocument) -> bool:
    base, sole = route.base, new.sole_version()
    earlier = [a.document for a in route.recent if a.document.model == new.model]
    if any(old.rules == new.rules or (sole and old.sole_version() == sole) for old in earlier):
        return True
    if base is None or base.document.model != new.model:
        return False
    return set(new.weighted()) <= set(base.document.weighted())


def _goes_on(route: RouteState | None, new: RoutingDocument, earliest: int) -> bool:
    """Whether a document is a further step of the rollout under way, by the same plan."""
    old, then = under_way(route, earliest) if route else None, new.rollout
    if old is None or then is None:
        return False
    return (old.id, old.plan) == (then.id, then.plan)


def _check_approval(policy: PolicySet, route: str) -> None:
    others = needed(policy, [route])
    if others:
        raise Rejected(
            "E_APPROVAL",
            f"a change needs {others} approval{'s' if others > 1 else ''}",
            where=f"route {route}",
            todo="send it with --propose, and have it approved",
        )


def _check_blackout(blackouts: Iterable[Blackout], when: int, route: str) -> None:
    found = inside(blackouts, when)
    if found:
        reason = f": {found.reason}" if found.reason else ""
        start, end = told_time(found.start), told_time(found.end)
        raise Rejected(
            "E_BLACKOUT",
            f"no change takes effect from {start} to {end}{reason}",
            where=f"route {route}, {told_time(when)}",
            todo="choose a time behind it; going back at once is always possible",
        )


def _weights(document: RoutingDocument) -> Counter[str]:
    weights = Counter[str]()
    for rule in document.rules:
        for v in rule.variants:
            rest = rule.split.by is SplitBy.PARTITION and v is rule.variants[-1]
            weights[v.version] += v.weight + len(v.partitions) + rest
    return weights


def _any(patterns: Iterable[str], name: str) -> bool:
    return any(matches(pattern, name) for pattern in patterns)
