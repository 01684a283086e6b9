"""From a rollout file's models to the plan that the machine runs (pure)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from modelwire.routing.checks import check_document
from modelwire.routing.layers import HOLDOUT, OUTSIDE
from modelwire.routing.predicate import HEADER
from modelwire.routing.ranges import Weight, reweigh
from modelwire_router.analysis.measured import is_compared
from modelwire_router.rollout.documents import CANDIDATE, STABLE
from modelwire_router.rollout.plan import (
    OF_PAIRS,
    Analyse,
    Exposure,
    Hook,
    Measure,
    Metric,
    Mirror,
    MovePartitions,
    Pause,
    Plan,
    SetWeight,
    Step,
    Template,
)
from modelwire_router.rollout.plan_text import dump
from modelwire_router.rollout_file.experiments import Arm, Layer, RoutePart
from modelwire_router.rollout_file.rollout import (
    AbSpec,
    BasicSpec,
    BlueGreenSpec,
    CanarySpec,
    Common,
    RollingSpec,
    Rollout,
    Schedule,
    ShadowSpec,
)
from modelwire_router.rollout_file.strategies import (
    AnalysisPart,
    BlueGreen,
    ExposurePart,
    MirrorPart,
    Rolling,
    ShadowPart,
    StepPart,
)
from modelwire_schemas.errors import Rejected
from modelwire_schemas.limits import MAX_PLAN
from modelwire_schemas.routing import (
    BUCKETS,
    Clause,
    Op,
    RoutingDocument,
    Rule,
    Shadow,
    Split,
    SplitBy,
    Variant,
)

WHOLE = SetWeight(BUCKETS)


def compiled(rollout: Rollout, templates: Mapping[str, Template]) -> Plan:
    """Return the plan of a rollout, with the templates that it names.

    Raises Rejected where the whole breaks a rule that no part of it shows: what `check_document`
    says, `E_VARIANTS`, `E_NO_STABLE`, `E_METRIC`, `E_TOO_BIG`.
    """
    plan = _by_strategy(_begun(rollout), rollout.spec)
    steps = [step for step in plan.steps if isinstance(step, Analyse)]
    named = dict.fromkeys([*(name for step in steps for name in step.templates), *plan.background])
    plan = replace(plan, templates=tuple(templates[name] for name in named))
    _check(plan)
    return plan


def _begun(rollout: Rollout) -> Plan:
    """Return what is the same for every strategy."""
    route, spec = rollout.metadata.name, rollout.spec
    return Plan(
        route=route,
        model=spec.model or route,
        stable=spec.stable,
        candidate=spec.candidate,
        strategy="basic",
        split=Split(salt=route),
        steps=(WHOLE,),
        shadows=tuple(_shadow(mirror, mirror.version) for mirror in spec.mirror),
        require_ready=spec.require_ready,
        ready_deadline=spec.ready_deadline,
        on_failure=spec.on_failure,
        hooks=tuple(Hook(hook.type, hook.url, hook.timeout) for hook in spec.hooks),
    )


def _by_strategy(plan: Plan, spec: Common) -> Plan:
    match spec:
        case BlueGreenSpec():
            kept = spec.strategy.blue_green.keep_warm
            steps = tuple(_flip(spec.strategy.blue_green))
            return replace(plan, strategy="blueGreen", steps=steps, keep_warm=kept)
        case CanarySpec():
            return _canary(plan, spec)
        case RollingSpec():
            steps = tuple(_rolling(spec.strategy.rolling))
            split = Split(SplitBy.PARTITION)
            return replace(plan, strategy="rolling", steps=steps, split=split)
        case ShadowSpec():
            steps = tuple(_shadowed(spec.strategy.shadow, plan.candidate))
            return replace(plan, strategy="shadow", steps=steps)
        case AbSpec():
            return _experiment(plan, spec)
        case BasicSpec(schedule=Schedule(at=at)):
            return replace(plan, at=at)
        case _:
            return plan


def _flip(said: BlueGreen) -> Iterator[Step]:
    yield SetWeight(0)
    yield from _analysis(said.pre_promotion_analysis)
    if not said.auto_promotion:
        yield Pause()
    yield WHOLE
    yield from _analysis(said.post_promotion_analysis)


def _canary(plan: Plan, spec: CanarySpec) -> Plan:
    said = spec.strategy.canary
    parts = [[*_step(part, plan.candidate)] for part in said.steps]
    budgets = [step for part in parts for step in part if isinstance(step, Exposure)]
    steps = [_deciding(step, budgets) for part in parts for step in part]
    before = parts[: said.background.starting_step] if said.background else ()
    if [step for step in steps if isinstance(step, SetWeight)][-1:] != [WHOLE]:
        steps.append(WHOLE)
    return replace(
        plan,
        strategy="canary",
        split=spec.split.split(),
        holdout=spec.split.holdout,
        steps=tuple(steps),
        background=tuple(said.background.templates) if said.background else (),
        background_from=sum(map(len, before)),
        shadows=_counted(plan, budgets),
    )


def _step(said: StepPart, candidate: str) -> Iterator[Step]:
    if said.set_weight is not None:
        yield SetWeight(said.set_weight)
    elif said.exposure is not None:
        yield from _exposure(said.exposure, candidate)
    elif said.mirror is not None:
        yield Mirror(_shadow(said.mirror, candidate))
    elif said.analysis is not None:
        yield from _analysis(said.analysis)
    else:
        yield Pause(said.pause.duration if said.pause else None)


def _exposure(said: ExposurePart, candidate: str) -> Iterator[Step]:
    """Yield the comparison of all events that stable answers, and the budget behind it."""
    step = Exposure(said.changed_per_hour, said.output, said.up_to, said.threshold, said.duration)
    yield Mirror(_beside(candidate))
    yield step


def _deciding(step: Step, budgets: Sequence[Exposure]) -> Step:
    """Return a step whose shadow, if it has one, counts what any budget asks for."""
    if not isinstance(step, Mirror):
        return step
    return Mirror(replace(step.shadow, thresholds=_thresholds(budgets)))


def _counted(plan: Plan, budgets: Sequence[Exposure]) -> tuple[Shadow, ...]:
    """Return the plan's shadows; for a budget, stable beside what the candidate answers, too.

    So the decisions that the candidate changes are counted; until it answers, that costs nothing.
    """
    if not budgets:
        return plan.shadows
    others = [shadow for shadow in plan.shadows if shadow.version != plan.stable]
    return (*others, replace(_beside(plan.stable), thresholds=_thresholds(budgets)))


def _beside(version: str) -> Shadow:
    return Shadow(version, salt=f"shadow-{version}")


def _thresholds(budgets: Sequence[Exposure]) -> tuple[tuple[str, float], ...]:
    named = {step.output: step.threshold for step in budgets}
    return tuple((name, value) for name, value in named.items() if value is not None)


def _rolling(said: Rolling) -> Iterator[Step]:
    pairs = [(said.topic, number) for number in range(said.partitions)]
    for first in range(0, len(pairs), said.batch):
        yield MovePartitions(tuple(pairs[first : first + said.batch]))
        if said.pause:
            yield Pause(said.pause)
        yield from _analysis(said.analysis)


def _shadowed(said: ShadowPart, candidate: str) -> Iterator[Step]:
    yield Mirror(_shadow(said, candidate))
    yield from _analysis(said.analysis) if said.analysis else [Pause()]


def _experiment(plan: Plan, spec: AbSpec) -> Plan:
    """Return the plan whose rules stand until its last step, which goes back to the stable one."""
    said = spec.strategy.ab
    rules = tuple(_rule(route, plan) for route in spec.routes)
    forced = tuple(_forced(said.forced.header, rules)) if said.forced else ()
    last: Step = Pause() if said.ends_at is None else SetWeight(0)
    return replace(
        plan,
        strategy="ab",
        steps=(SetWeight(0), last),
        rules=(*forced, *rules),
        background=tuple(said.analysis.templates) if said.analysis else (),
        at=said.ends_at,
    )


def _rule(said: RoutePart, plan: Plan) -> Rule:
    weights = _layered(said.layer, plan.stable) if said.layer else _weights(said.to)
    drawn = said.layer or said.split
    return Rule(
        said.name,
        reweigh((), weights),
        drawn.split() if drawn else plan.split,
        said.match.predicate() if said.match else None,
    )


def _weights(arms: Iterable[Arm]) -> list[Weight]:
    return [(arm.name or arm.version, arm.version, arm.weight) for arm in arms]


def _layered(said: Layer, stable: str) -> list[Weight]:
    """Return the variants of all experiments of a layer: one draw, so a key is in one of them.

    Which buckets they get is seen when the log is known; see `allotted`.
    """
    weights = [(HOLDOUT, stable, said.holdout)] if said.holdout else []
    for experiment in said.experiments:
        for title, version, weight in _weights(experiment.to):
            share, rest = divmod(experiment.weight * weight, BUCKETS)
            if rest:
                raise Rejected(
                    "E_WEIGHT",
                    f"{experiment.name}.{title} would get a part of a bucket",
                    expected="weights whose product has two decimals of a percent",
                    todo="round one of them",
                )
            weights.append((f"{experiment.name}.{title}", version, share))
    rest = BUCKETS - sum(count for _, _, count in weights)
    return [*weights, (OUTSIDE, stable, rest)] if rest else weights


def _forced(header: str, rules: tuple[Rule, ...]) -> Iterator[Rule]:
    """Yield a rule for each variant: who names it in the header gets it."""
    versions: dict[str, str] = {}
    for variant in (variant for rule in rules for variant in rule.variants):
        if variant.name in (HOLDOUT, OUTSIDE):
            continue
        if versions.setdefault(variant.name, variant.version) != variant.version:
            raise Rejected(
                "E_VARIANTS",
                f"a header cannot force {variant.name}: it is two versions",
                expected="variants with a name of their own",
                todo="name them apart",
            )
    for title, version in versions.items():
        match = Clause(f"{HEADER}{header}", Op.IN, (title,))
        whole = (Variant(title, version, ((0, BUCKETS),)),)
        yield Rule(f"forced-{title}", whole, match=match)


def _analysis(said: AnalysisPart | None) -> Iterator[Step]:
    if said is not None:
        yield Analyse(tuple(said.templates), said.duration)


def _shadow(said: MirrorPart, version: str) -> Shadow:
    match = said.match.predicate() if said.match else None
    return Shadow(version, said.percent, said.salt or f"shadow-{version}", match)


def _check(plan: Plan) -> None:
    """Hold the plan against the rules of documents, at its fullest."""
    mirrored = [step.shadow for step in plan.steps if isinstance(step, Mirror)]
    shadows = {shadow.version: shadow for shadow in (*plan.shadows, *mirrored)}
    rules = (
        plan.rules if plan.rules and plan.rules[-1].match is None else (*plan.rules, _split(plan))
    )
    check_document(RoutingDocument(plan.route, plan.model, rules, tuple(shadows.values())))
    _check_compared(plan)
    for metric in plan.metrics:
        _check_measured(plan, metric, shadowed=plan.candidate in shadows)
    size = len(dump(plan))
    if size > MAX_PLAN:
        raise Rejected(
            "E_TOO_BIG",
            f"the rollout comes to {size:,} characters",
            expected=f"at most {MAX_PLAN:,}",
            todo="take steps, values or templates out of it",
        )


def _check_compared(plan: Plan) -> None:
    """Refuse to compare with the stable version when the candidate has every event."""
    late = plan.steps[plan.steps.index(WHOLE) :] if WHOLE in plan.steps else ()
    named = {name for step in late if isinstance(step, Analyse) for name in step.templates}
    for template in plan.templates:
        for metric in template.metrics:
            if template.name in named and is_compared(metric):
                raise Rejected(
                    "E_NO_STABLE",
                    f"{metric.name} of {template.name} compares with the stable version, which "
                    "has no event after the last step",
                    expected="absolute limits after 100 %",
                    todo="compare before the flip, and limit the value itself behind it",
                )


def _check_measured(plan: Plan, metric: Metric, *, shadowed: bool) -> None:
    """Refuse to wait for what never comes: pairs without a shadow, shares where none is planned."""
    paced = metric.measure is Measure.EVENT_RATE and metric.relative
    if metric.measure in OF_PAIRS and not shadowed:
        what, todo = f"no step mirrors events to {plan.candidate}", "add a `mirror` step before it"
    elif paced and plan.split.by is SplitBy.PARTITION:
        what, todo = "partitions have no planned share of the events", "limit the value itself"
    else:
        return
    raise Rejected("E_METRIC", f"{metric.name} is never measured: {what}", todo=todo)


def _split(plan: Plan) -> Rule:
    """Return the rule that the steps move, with both versions in it."""
    moved = [step.partitions for step in plan.steps if isinstance(step, MovePartitions)]
    if plan.split.by is SplitBy.PARTITION:
        pairs = tuple(pair for pairs in moved for pair in pairs)
        return Rule("all", (Variant(CANDIDATE, plan.candidate, (), pairs),), plan.split)
    half = BUCKETS // 2
    both = [(CANDIDATE, plan.candidate, half), (STABLE, plan.stable, half)]
    return Rule("all", reweigh((), both), plan.split)
