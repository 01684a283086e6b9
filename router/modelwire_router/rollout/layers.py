"""Which buckets of a layer the experiments of a plan get: free ones, as the log says (pure)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from modelwire.control.checks import lasting
from modelwire.control.state import State
from modelwire.control.timeline import under_way
from modelwire.routing.assignment import Assignment
from modelwire.routing.layers import (
    HOLDOUT,
    OUTSIDE,
    Holder,
    check_alike,
    check_layers,
    experiment,
    holders,
    layer_of,
)
from modelwire.routing.ranges import carved, reweigh
from modelwire_router.rollout.plan import Plan
from modelwire_router.rollout.plan_text import last_plan
from modelwire_schemas.errors import Conflict, Rejected
from modelwire_schemas.routing import BUCKETS, RoutingDocument, Rule, Variant


def allotted(plans: Sequence[Plan], state: State) -> list[Plan]:
    """Return plans whose experiments have buckets of their layers that nobody else holds.

    Held is what documents in force or to come give to experiments, and what rollouts under way
    will. A route's own experiments keep what they had in its last rollout. Raises Rejected
    `E_LAYER_FULL` with who holds a layer, `E_HOLDOUT` where those whom the last rollout left out
    would be others now, and what `check_alike` does.
    """
    made: list[Plan] = []
    others = _others(plans, state)
    for plan in plans:
        last = last_plan(state.routes.get(plan.route))
        own = {rule.name: rule for rule in last.rules} if last else {}
        _check_kept(plan, last)
        rules: list[Rule] = []
        for rule in plan.rules:
            held = [*others, *holders(plan.route, rules)]
            rules.append(_allot(Holder(plan.route, rule), held, own.get(rule.name)))
        others += holders(plan.route, rules)
        made.append(replace(plan, rules=tuple(rules)))
    return made


def check_begun(plans: Sequence[Plan], state: State) -> None:
    """Raise Conflict where a rollout that began in the meantime holds what a plan was allotted."""
    mine = [h for plan in plans for h in holders(plan.route, plan.rules)]
    try:
        check_layers(mine, _others(plans, state))
    except Rejected as error:
        raise Conflict(
            error.code,
            f"{error.what}: both began at the same time",
            where=error.where,
            todo=f"modelwire abort {plans[0].route}, and apply again",
        ) from None


def told(rule: Rule) -> str:
    """Return what a rule takes of its layer, if any: `layer ui: hours 40 %, 5 % held out`."""
    if not layer_of(rule.split):
        return ""
    arms = [v for v in rule.variants if v.name not in (HOLDOUT, OUTSIDE)]
    shares = [
        f"{name} {sum(v.weight for v in of) / 100:g} %"
        for name, of in groupby(arms, lambda v: experiment(v.name))
    ]
    out = [f"{v.weight / 100:g} % held out" for v in rule.variants if v.name == HOLDOUT]
    return f"layer {layer_of(rule.split)}: {', '.join([*shares, *out])}"


def told_of(document: RoutingDocument, answer: Assignment) -> str:
    """Return what a layer or a holdout made of an event, if one did."""
    rule = next((rule for rule in document.rules if rule.name == answer.rule), None)
    if rule is None or answer.bucket is None:
        return ""
    layer = layer_of(rule.split)
    within = f" of layer {layer}" if layer else ""
    if answer.variant == HOLDOUT:
        return f"held out{within}"
    return f"{experiment(answer.variant)}{within}" if layer else ""


def _others(plans: Sequence[Plan], state: State) -> list[Holder]:
    """Return what the routes hold that no plan is for."""
    planned = {plan.route for plan in plans if any(layer_of(r.split) for r in plan.rules)}
    if not planned:
        return []
    return [h for name in sorted(state.routes) if name not in planned for h in _held(state, name)]


def _held(state: State, name: str) -> Iterator[Holder]:
    """Yield what a route holds of layers, or will when its rollout takes the next step."""
    route = state.routes[name]
    for accepted in lasting(route, state.earliest):
        yield from holders(name, accepted.document.rules)
    last = last_plan(route) if under_way(route, state.earliest) else None
    yield from holders(name, last.rules if last else ())


def _check_kept(plan: Plan, last: Plan | None) -> None:
    """Refuse an experiment that would hold out other keys than the one before it."""
    if last is None:
        return
    for mine in holders(plan.route, plan.rules):
        check_alike(mine, holders(plan.route, last.rules))
    kept = (plan.split, plan.holdout) == (last.split, last.holdout)
    if last.holdout and not kept and plan.strategy in {"canary", "ab"}:
        raise Rejected(
            "E_HOLDOUT",
            f"the last rollout held out {last.holdout / 100:g} % by salt {last.split.salt}",
            where=f"route {plan.route}",
            expected="the same split and holdout",
            todo=f"keep them, or end the holdout first: modelwire flip {plan.route} {plan.stable}",
        )


def _allot(mine: Holder, held: Sequence[Holder], own: Rule | None) -> Rule:
    rule, layer = mine.rule, layer_of(mine.rule.split)
    if not layer:
        return rule
    check_alike(mine, held)
    taken = [a for h in held if layer_of(h.rule.split) == layer for a in h.arms()]
    fixed = list(_fixed(rule, taken))
    wanted = sum(end - start for start, end, _ in mine.arms())
    free = BUCKETS - sum(variant.weight for variant in fixed)
    if wanted > free:
        who = ", ".join(dict.fromkeys(who for _, _, who in taken))
        raise Rejected(
            "E_LAYER_FULL",
            f"layer {layer} has {free / 100:g} % left and the experiments want {wanted / 100:g} %"
            + (f"; it is held by {who}" if who else ""),
            where=f"route {mine.route}",
            todo="take less, or wait for an end",
        )
    had = own.variants if own and own.split == rule.split else ()
    arms = [variant for variant in had if variant.name not in (HOLDOUT, OUTSIDE)]
    wished = [(v.name, v.version, v.weight) for v in rule.variants]
    return replace(rule, variants=reweigh(carved(arms, fixed), wished))


def _fixed(rule: Rule, taken: Sequence[tuple[int, int, str]]) -> Iterator[Variant]:
    """Yield what lies where it lies: the buckets of others, outside, and those held out."""
    versions = {variant.name: variant.version for variant in rule.variants}
    others = [Variant(OUTSIDE, versions.get(OUTSIDE, ""), ((s, e),)) for s, e, _ in taken]
    yield from (variant for variant in carved((), others) if variant.name)
    yield from (
        replace(variant, buckets=((0, variant.weight),))
        for variant in rule.variants
        if variant.name == HOLDOUT
    )
