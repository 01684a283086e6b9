"""The routing documents of a rollout: its beginning, its steps, its end, and back (pure)."""

from collections.abc import Sequence
from dataclasses import replace

from modelwire.control.state import RouteState
from modelwire.routing.layers import HOLDOUT, layer_of
from modelwire.routing.ranges import carved, reweigh
from modelwire_router.rollout.plan import Mirror, MovePartitions, Plan, SetWeight, Step
from modelwire_schemas.errors import Conflict, Rejected
from modelwire_schemas.routing import BUCKETS, RoutingDocument, Rule, Split, SplitBy, Variant

CANDIDATE, STABLE = "candidate", "stable"
"""The names of the two variants while a rollout is under way; afterwards there is only stable."""


def prepared(plan: Plan, route: RouteState | None) -> RoutingDocument:
    """Return the document that names what the plan needs without giving it events: it warms up.

    Raises Conflict `E_ROLLOUT` while another rollout of the route is under way, and Rejected
    `E_STABLE` where the route gives its events to another version than the plan's stable one.
    """
    if route is None:
        bare = Rule("all", (Variant(STABLE, plan.stable, ((0, BUCKETS),)),), plan.split)
        return _held(plan, RoutingDocument(plan.route, plan.model, (bare,)))
    head = route.head.document
    if head.rollout is not None and not head.rollout.phase.over:
        raise Conflict(
            "E_ROLLOUT",
            f"rollout {head.rollout.id} is {head.rollout.phase}",
            where=f"route {plan.route}",
            todo=f"modelwire abort {plan.route}, or wait for its end",
        )
    last = head.rules[-1]
    named = {variant.version for variant in last.variants if variant.weight or variant.partitions}
    if named != {plan.stable}:
        raise Rejected(
            "E_STABLE",
            f"the route gives its events to {', '.join(sorted(named))}, not to {plan.stable}",
            where=f"route {plan.route}",
            expected=f'stable: "{min(named)}"' if len(named) == 1 else "one version that has all",
            todo=f"mend the file, or modelwire flip {plan.route} {plan.stable}",
        )
    whole = replace(last, variants=(Variant(STABLE, plan.stable, ((0, BUCKETS),)),))
    return _held(plan, replace(head, rules=(whole,), contract_changed=False, reshuffle=False))


def stepped(plan: Plan, document: RoutingDocument, step: Step) -> RoutingDocument:
    """Return the document after one step."""
    match step:
        case SetWeight():
            return weighted(plan, document, step.weight)
        case MovePartitions():
            return _moved(plan, document, step.partitions)
        case Mirror():
            others = [s for s in document.shadows if s.version != step.shadow.version]
            return replace(document, shadows=(*others, step.shadow))
        case _:
            return document


def finished(plan: Plan, document: RoutingDocument) -> RoutingDocument:
    """Return the last document: the candidate is the stable version now; the old one may stay warm.

    A rollout that only shadowed, or compared, gave the candidate no event and leaves it.
    """
    candidates = [v for v in document.rules[-1].variants if v.name == CANDIDATE]
    whole = any(v.weight == BUCKETS or _has_all(plan, v) for v in candidates)
    winner = plan.candidate if whole else plan.stable
    kept = (plan.stable,) if whole and plan.keep_warm else ()
    return replace(_only(document, winner), keep_warm=kept)


def back(plan: Plan, document: RoutingDocument) -> RoutingDocument:
    """Return the document that gives every event to the stable version again."""
    return replace(_only(document, plan.stable), keep_warm=())


def gives_events(plan: Plan, step: Step) -> bool:
    """Whether a step sends events to versions that must be warm before."""
    match step:
        case SetWeight():
            return step.weight > 0 or bool(plan.rules)
        case MovePartitions() | Mirror():
            return True
        case _:
            return False


def _held(plan: Plan, document: RoutingDocument) -> RoutingDocument:
    changed = replace(document, model=plan.model, shadows=plan.shadows)
    bare = replace(plan, rules=())  # an experiment's would give events before the fleet is ready
    rolls = plan.split.by is SplitBy.PARTITION
    begun = _moved(bare, changed, ()) if rolls else weighted(bare, changed, 0)
    named = [v.version for rule in plan.rules for v in rule.variants]
    mirrored = [step.shadow.version for step in plan.steps if isinstance(step, Mirror)]
    return replace(begun, keep_warm=tuple(dict.fromkeys(named + mirrored)))


def candidates_weight(document: RoutingDocument) -> int:
    """Return how many buckets the candidate has."""
    return next((v.weight for v in document.rules[-1].variants if v.name == CANDIDATE), 0)


def weighted(plan: Plan, document: RoutingDocument, weight: int) -> RoutingDocument:
    """Return the document that gives the candidate so many buckets, but none that is held out."""
    out = plan.holdout if weight < BUCKETS else 0
    given = min(weight, BUCKETS - out) if out else weight
    wished = [(CANDIDATE, plan.candidate, given), (STABLE, plan.stable, BUCKETS - given - out)]
    before = document.rules[-1].variants
    if out:
        wished.insert(0, (HOLDOUT, plan.stable, out))
        before = carved(before, [Variant(HOLDOUT, plan.stable, ((0, out),))])
    return _with(plan, document, reweigh(before, wished))


def _moved(
    plan: Plan, document: RoutingDocument, partitions: Sequence[tuple[str, int]]
) -> RoutingDocument:
    had = [p for v in document.rules[-1].variants if v.name == CANDIDATE for p in v.partitions]
    moved = tuple(dict.fromkeys((*had, *partitions)))
    variants = (Variant(CANDIDATE, plan.candidate, (), moved), Variant(STABLE, plan.stable))
    return _with(plan, document, variants)


def _only(document: RoutingDocument, version: str) -> RoutingDocument:
    variant = Variant(STABLE, version, ((0, BUCKETS),))
    last = document.rules[-1]
    split = last.split
    if split.by is SplitBy.PARTITION or layer_of(split):
        split = Split(salt=document.route if layer_of(split) else split.salt or document.route)
    return replace(document, rules=(replace(last, variants=(variant,), split=split),), shadows=())


def _with(plan: Plan, document: RoutingDocument, variants: tuple[Variant, ...]) -> RoutingDocument:
    if plan.rules and plan.rules[-1].match is None:
        return replace(document, rules=plan.rules)
    rule = replace(document.rules[-1], variants=variants, split=plan.split)
    return replace(document, rules=(*plan.rules, rule))


def _has_all(plan: Plan, candidate: Variant) -> bool:
    """Whether a rolling plan has moved every partition that it names."""
    wanted = {p for s in plan.steps if isinstance(s, MovePartitions) for p in s.partitions}
    return bool(wanted) and wanted <= set(candidate.partitions)
