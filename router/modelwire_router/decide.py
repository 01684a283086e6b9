"""What the controller appends now: pure, of the log, the fleet, the telemetry and the time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from modelwire.control.state import RouteState, State
from modelwire.routing.layers import HOLDOUT, OUTSIDE, experiment
from modelwire_router.analysis.assess import assess
from modelwire_router.analysis.evidence import Evidence, Planned, Reading, Side
from modelwire_router.analysis.exposure import LONGEST, Exposed, exposed
from modelwire_router.analysis.samples import Samples
from modelwire_router.outside.words import Answer, Question, Source
from modelwire_router.readiness import at_a_glance, named_by, readiness
from modelwire_router.reports import Reports
from modelwire_router.rollout import plan_text
from modelwire_router.rollout.documents import CANDIDATE, STABLE
from modelwire_router.rollout.exposing import holding
from modelwire_router.rollout.machine import (
    ROLLBACK,
    Look,
    Next,
    gates,
    given_back,
    judged,
    next_step,
    waits_for_fleet,
)
from modelwire_router.rollout.plan import Hook, HookKind, Metric, Plan, Query, Template
from modelwire_schemas.errors import ModelwireError, Rejected
from modelwire_schemas.limits import MAX_WORD
from modelwire_schemas.rollout import Finding, Rollout
from modelwire_schemas.routing import (
    BUCKETS,
    ModelVersion,
    RoutingChanged,
    RoutingDocument,
    Rule,
    SplitBy,
    Variant,
)
from modelwire_schemas.telemetry import Output

KEYS = 1_000
"""Events of a split by key are taken to come from so many keys, each as busy as the others."""

ASK_AGAIN = 10_000
"""Ms after which a webhook that has not agreed is asked again."""


@dataclass(frozen=True, slots=True)
class World:
    """What a decision is made on; `now` is ms by the log's clock.

    `reports` are the newest of every instance; `answers` what the world outside has said to
    earlier questions. `references` are the samples of inputs that candidates were released with.
    """

    state: State
    reports: Reports
    samples: Samples
    answers: Mapping[Question, Answer]
    now: int
    references: Mapping[ModelVersion, tuple[Output, ...]] = field(
        default_factory=dict[ModelVersion, tuple[Output, ...]]
    )


class Send(NamedTuple):
    """A change to be appended: the step of which rollout it makes, and what people are told."""

    route: str
    rollout: str
    step: str
    change: RoutingChanged
    told: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be appended, what is to be asked outside, and which rollouts cannot be judged."""

    sends: tuple[Send, ...] = ()
    questions: frozenset[Question] = frozenset()
    faults: tuple[tuple[str, ModelwireError], ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """A rollout on one route: the route, how it stands there, its plan."""

    route: RouteState
    rollout: Rollout
    plan: Plan


def decide(world: World) -> Decision:
    """Return what follows from what is known; the same world always gives the same decision.

    A rollout that runs on several routes takes each step on all of them in one record, and goes
    back on all of them when it fails on one. One that cannot be judged leaves the others alone.
    """
    found, faults = _standings(world.state)
    sends: list[Send] = []
    asked: set[Question] = set()
    for together in found.values():
        try:
            send, questions = _decided(together, world)
        except ModelwireError as error:
            faults.append((together[0].route.route, error))
        except Exception as error:  # whatever a plan brings along, other rollouts go on
            what = f"{type(error).__name__}: {error}"
            faults.append((together[0].route.route, Rejected("E_ROLLOUT", what)))
        else:
            asked.update(questions)
            sends.extend(send)
    return Decision(tuple(sends), frozenset(asked), tuple(faults))


def _decided(together: Sequence[Standing], world: World) -> tuple[list[Send], set[Question]]:
    """Return the step that one rollout takes now, if any, and what it asks outside."""
    asked = {q for standing in together for q in _questions(standing, world.now)}
    steps = [next_step(s.plan, s.route, look(s, world)) for s in together]
    made = _all_or_none(together, steps, world.now)
    if made is None:
        return [], asked
    change = replace(made.change, automatic=True, decided_at=world.now)
    route = change.changes[0].document.route  # the first, or the one whose share changes alone
    return [Send(route, together[0].rollout.id, made.step, change, made.told)], asked


def _standings(
    state: State,
) -> tuple[dict[str, list[Standing]], list[tuple[str, ModelwireError]]]:
    """Return the routes of every rollout, by its id, and the plans that cannot be read.

    A rollout with a frozen route stands still on all of its routes.
    """
    found: dict[str, list[Standing]] = {}
    faults: list[tuple[str, ModelwireError]] = []
    still: set[str] = set()
    for name, route in sorted(state.routes.items()):
        rollout = route.rollout
        if rollout is None:
            continue
        if route.frozen is not None:
            still.add(rollout.id)
        try:
            plan = plan_text.load(rollout.plan)
        except ModelwireError as error:
            faults.append((name, error))
            still.add(rollout.id)
        else:
            found.setdefault(rollout.id, []).append(Standing(route, rollout, plan))
    return {key: found[key] for key in found if key not in still}, faults


def _all_or_none(
    together: Sequence[Standing], steps: Sequence[Next | None], now: int
) -> Next | None:
    """Return one step for all routes of a rollout, or None while one of them waits.

    Budgets are each route's own, so a share is changed without the others.
    """
    failed = next((step for step in steps if step and step.step == ROLLBACK), None)
    if failed is not None:
        where = failed.change.changes[0].document
        why = where.rollout.findings if where.rollout else ()
        findings = tuple(replace(f, metric=f"{where.route}: {f.metric}"[:MAX_WORD]) for f in why)
        steps = [
            step if step and step.step == ROLLBACK else given_back(s.plan, s.route, now, findings)
            for s, step in zip(together, steps, strict=True)
        ]
    made = [step for step in steps if step is not None]
    alone = [step for step in made if step.alone]
    if not alone and (len(made) < len(steps) or len({step.step for step in made}) > 1):
        return None
    made = alone or made
    first = failed or made[0]
    changes = tuple(change for step in made for change in step.change.changes)
    return first._replace(change=replace(first.change, changes=changes))


def look(standing: Standing, world: World) -> Look:
    """Return what is known of one rollout: who is ready, how its metrics stand, who agreed."""
    named = judged(standing.plan, standing.rollout)
    templates = [t for t in standing.plan.templates if t.name in named]
    evidence = _evidence(standing, templates, world) if templates else Evidence()
    waits = waits_for_fleet(standing.plan, standing.rollout)
    return Look(
        now=world.now,
        waiting=_waiting(standing, world) if waits else (),
        findings={t.name: _findings(standing, t, evidence, world.now) for t in templates},
        gates=_agreed(standing, world),
        exposed=_exposed(standing, world),
    )


def _waiting(standing: Standing, world: World) -> tuple[str, ...] | None:
    """Return who lacks a version that the document names; None when nobody serves the route."""
    route, document = standing.route, standing.route.head.document
    wanted = {v: named_by(route, document.model, v) for v in document.versions()}
    sure, doubtful = at_a_glance(world.reports.of(route.route), document.model, wanted, world.now)
    waiting: dict[str, str] = {}
    live = sure
    for version, named_at in wanted.items():
        found = readiness(doubtful, document.model, version, named_at, world.now)
        lacking = len(found.waiting)
        live = sure + len(found.ready) + lacking
        if lacking and (live - lacking) / live < standing.plan.require_ready:
            for w in found.waiting:
                told = f"{w.instance}: {version} {w.why} {w.code} {w.detail}"
                waiting.setdefault(w.instance, " ".join(told.split()))
    return tuple(waiting.values()) if live else None


def _evidence(standing: Standing, templates: Sequence[Template], world: World) -> Evidence:
    """Return what is known of the candidate; a consumer without events is heard, too."""
    route = standing.route.route
    candidate = ModelVersion(standing.plan.model, standing.plan.candidate)
    by_event = standing.plan.split.by is SplitBy.EVENT
    alive = [heard.at for heard in world.reports.of(route)]
    shortest = min(metric.interval for template in templates for metric in template.metrics)
    return Evidence(
        windows=world.samples.windows(route, _since(standing.route), world.now, shortest),
        heard=max([h for h in (world.samples.heard(route), *alive) if h is not None], default=None),
        readings=tuple(
            Reading(question.name, answer.at, answer.value, answer.error)
            for question, answer in world.answers.items()
            if (question.route, question.rollout) == (route, standing.rollout.id)
            and not isinstance(question.source, Hook)
        ),
        references=world.references.get(candidate, ()),
        planned=tuple(_planned(standing)),
        keys=0 if by_event else KEYS,
    )


def _exposed(standing: Standing, world: World) -> Exposed:
    """Return what is known of the decisions that change, where a budget holds."""
    plan, route = standing.plan, standing.route
    budget = holding(plan, standing.rollout)
    if budget is None:
        return Exposed()
    windows = world.samples.latest(route.route, _since(route), LONGEST)
    answered = world.samples.answered(route.route)
    return exposed(windows, budget.output, plan.candidate, plan.stable, answered)


def _since(route: RouteState) -> int:
    """Return the first revision of the rollout under way."""
    return route.base.revision + 1 if route.base else 1


def _planned(standing: Standing) -> Iterator[Planned]:
    """Yield the shares that the newest documents of a rollout mean its two sides to have."""
    route = standing.route
    for accepted in (route.head, *route.recent):
        rollout = accepted.document.rollout
        if rollout is None or rollout.id != standing.rollout.id:
            return
        rule = compared(accepted.document, standing.plan)
        both = len({v.version for v in rule.variants}) > 1
        weights = [variant.weight / BUCKETS for variant in arms(rule, standing.plan)]
        if both and any(weights):
            yield Planned(accepted.revision, *weights)


def compared(document: RoutingDocument, plan: Plan) -> Rule:
    """Return the rule that divides events between the versions: an experiment's, or the last."""
    both = {plan.candidate, plan.stable}
    divides = (r for r in document.rules if {v.version for v in r.variants if v.weight} >= both)
    return next(divides, document.rules[-1])


def arms(rule: Rule, plan: Plan) -> tuple[Variant, Variant]:
    """Return the candidate's variant and the stable version's: of the same experiment, if any."""
    by_version = {v.version: v for v in rule.variants}
    candidate = by_version.get(plan.candidate, Variant(CANDIDATE, plan.candidate))
    own = [v for v in rule.variants if experiment(v.name) == experiment(candidate.name)]
    other = [v for v in rule.variants if v.name not in (HOLDOUT, OUTSIDE)]
    stable = [v for v in (*own, *other, *rule.variants) if v.version == plan.stable]
    return candidate, next(iter(stable), Variant(STABLE, plan.stable))


def _findings(
    standing: Standing, template: Template, evidence: Evidence, now: int
) -> tuple[Finding, ...]:
    """Return how every metric stands, with the numbers of its newest look."""
    plan, started = standing.plan, standing.rollout.started
    rule = compared(standing.route.head.document, plan)
    candidate, stable = (Side(v.version, v.name) for v in arms(rule, plan))
    stands = assess(template, candidate, stable, evidence, started, now)
    return tuple(replace(s.finding, judgement=s.judgement) for s in stands)


def _agreed(standing: Standing, world: World) -> dict[HookKind, bool]:
    asked = gates(standing.plan, standing.rollout)
    return {
        kind: any(
            answer.agreed is True
            for question, answer in world.answers.items()
            if isinstance(question.source, Hook)
            and question.source.kind is kind
            and question.rollout == standing.rollout.id
            and question.step == standing.rollout.step
        )
        for kind in asked
    }


def _questions(standing: Standing, now: int) -> Iterator[Question]:
    """Yield what is to be asked outside at this step: gates, and metrics of other systems."""
    plan, rollout = standing.plan, standing.rollout
    wanted = gates(plan, rollout)
    for hook in plan.hooks:
        if hook.kind in wanted:
            slot = (now - rollout.since) // ASK_AGAIN
            yield _question(standing, str(hook.kind), slot, hook)
    named = judged(plan, rollout)
    for template in plan.templates:
        if template.name in named:
            yield from _measured(standing, template.metrics, now)


def _measured(standing: Standing, metrics: Iterable[Metric], now: int) -> Iterator[Question]:
    """Yield the present look at every metric of another system; earlier answers are kept."""
    for metric in metrics:
        if not isinstance(metric.source, Query):
            slot = (now - standing.rollout.started) // metric.interval
            yield _question(standing, metric.name, slot, metric.source)


def _question(standing: Standing, name: str, slot: int, source: Source) -> Question:
    plan, rollout = standing.plan, standing.rollout
    return Question(
        route=plan.route,
        model=plan.model,
        rollout=rollout.id,
        stable=plan.stable,
        candidate=plan.candidate,
        step=rollout.step,
        name=name,
        slot=slot,
        source=source,
    )
