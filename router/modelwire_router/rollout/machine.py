"""What comes next in a rollout: one machine for every strategy (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from modelwire.control.state import RouteState
from modelwire_router.analysis.exposure import Exposed
from modelwire_router.rollout.documents import (
    back,
    candidates_weight,
    finished,
    gives_events,
    prepared,
    stepped,
    weighted,
)
from modelwire_router.rollout.exposing import allowed, finding, holding, judgement
from modelwire_router.rollout.plan import (
    Analyse,
    Exposure,
    HookKind,
    OnFailure,
    Pause,
    Plan,
    SetWeight,
)
from modelwire_router.rollout.plan_text import dump
from modelwire_schemas.limits import MAX_FINDINGS, MAX_TEXT
from modelwire_schemas.rollout import Finding, Judgement, Phase, Rollout
from modelwire_schemas.routing import BUCKETS, Change, RoutingChanged, RoutingDocument

DEADLINE = "readiness"
"""The name under which a missed readiness deadline is a finding."""

SOON = 60_000
"""Ms before its event time at which the last step of a watched rollout is appended."""

ROLLBACK = "rollback"
"""The step that ends a rollout with the stable version."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a decision is made on: the log's time (ms), the fleet, the findings, the gates.

    `waiting` names the instances that do not have every version warm, and why; None when no live
    instance has opened the route. `findings` are the newest of each template; `gates` the answers
    of webhooks, where they have answered. `exposed` is what an exposure budget is held against.
    """

    now: int
    waiting: tuple[str, ...] | None = ()
    findings: Mapping[str, tuple[Finding, ...]] = field(
        default_factory=dict[str, tuple[Finding, ...]]
    )
    gates: Mapping[HookKind, bool] = field(default_factory=dict[HookKind, bool])
    exposed: Exposed = field(default_factory=Exposed)


class Next(NamedTuple):
    """A change to be appended, the step that it makes, and what people are told.

    One that is made `alone` waits for no other route of its rollout.
    """

    change: RoutingChanged
    step: str
    told: str
    alone: bool = False


def begin(plan: Plan, route: RouteState | None, rollout_id: str, now: int) -> RoutingChanged:
    """Return the change that starts a rollout; see `prepared` for what it raises."""
    rollout = Rollout(rollout_id, dump(plan), step=0, started=now, since=now)
    document = replace(prepared(plan, route), rollout=rollout)
    return _change(route, document)


def advance(plan: Plan, route: RouteState, now: int, *, full: bool = False) -> Next:
    """Return the next step, whatever it waits for; with `full`, the end of the rollout."""
    document, rollout = route.head.document, _rollout(route)
    last = len(plan.steps) - 1
    for index in range(rollout.step, last + 1 if full else rollout.step + 1):
        document = stepped(plan, document, plan.steps[index])
        rollout = replace(rollout, step=index + 1, findings=(), note="")
    at = _scheduled(plan, rollout, now)
    if rollout.step > last:
        document = finished(plan, document)
        rollout = replace(rollout, phase=Phase.COMPLETED)
    else:
        rollout = replace(rollout, phase=Phase.PROGRESSING)
    rollout = replace(rollout, since=at or now)
    change = replace(_change(route, replace(document, rollout=rollout)), effective_at=at)
    return Next(change, f"step {rollout.step}", f"step {rollout.step} of {len(plan.steps)}")


def pause(route: RouteState, note: str) -> RoutingChanged:
    """Return the change that stops promotions; a failure still takes the candidate back."""
    return _phase(route, Phase.PAUSED, note)


def resume(route: RouteState) -> RoutingChanged:
    """Return the change that lets a paused rollout go on."""
    return _phase(route, Phase.PROGRESSING, "")


def next_step(plan: Plan, route: RouteState, look: Look) -> Next | None:
    """Return what a controller appends now, or None while there is something to wait for."""
    rollout = _rollout(route)
    if rollout.phase.over:
        return _tidied(plan, route, look)
    failures = _failures(plan, rollout, look)
    if failures and plan.on_failure is OnFailure.ROLLBACK:
        return given_back(plan, route, look.now, failures)
    narrowed = _exposing(plan, route, look, wider=False)
    if narrowed or rollout.phase is Phase.PAUSED:
        return narrowed
    doubts = failures or _doubts(plan, rollout, look)
    if doubts:
        return _paused(plan, route, doubts)
    if waits_for(plan, route, look):
        return _exposing(plan, route, look, wider=True)
    step = advance(plan, route, look.now)
    found = (*_current(plan, rollout, look), *_decisive(plan, rollout, look))
    return _with_findings(step, tuple(dict.fromkeys(found)))


def given_back(plan: Plan, route: RouteState, now: int, why: tuple[Finding, ...]) -> Next:
    """Return the step, at once, that gives every event to the stable version, and why."""
    note = _told(why)
    rollout = replace(_rollout(route), phase=Phase.ROLLED_BACK, since=now, note=note)
    rollout = replace(rollout, findings=why[:MAX_FINDINGS])
    document = replace(back(plan, route.head.document), rollout=rollout)
    change = replace(_change(route, document), at_once=True)
    return Next(change, ROLLBACK, f"rolled back: {note}")


def waits_for(plan: Plan, route: RouteState, look: Look) -> str:
    """Return what a rollout under way waits for, in a few words; empty when it may go on."""
    rollout = _rollout(route)
    step = plan.steps[rollout.step]
    asked = [kind for kind in gates(plan, rollout) if not look.gates.get(kind)]
    webhook = f"the webhook {asked[0]}" if asked else ""
    match step:
        case Exposure() if webhook:
            return webhook
        case Pause(ms=None) | Exposure(ms=None):
            return f"modelwire promote {plan.route}"
        case Pause(ms=ms) | Exposure(ms=ms) | Analyse(ms=ms) if _lasts(rollout, ms, look.now):
            return f"{_seconds(rollout.since + (ms or 0) - look.now)} of {step.kind}"
        case Analyse() if not _current(plan, rollout, look):
            return "measurements"
        case _:
            pass
    open_ = _open(plan, rollout, look)
    if open_:
        return ", ".join(f"{f.metric} ({f.judgement})" for f in open_)
    if _watched_longer(plan, rollout, look.now):
        return f"its last {_seconds(SOON)}"
    if gives_events(plan, step) and look.waiting != ():
        names = look.waiting or ("an instance that opens the route",)
        return f"readiness: {', '.join(names[:3])}"
    return webhook


def _lasts(rollout: Rollout, ms: int | None, now: int) -> bool:
    return ms is not None and now < rollout.since + ms


def gates(plan: Plan, rollout: Rollout) -> tuple[HookKind, ...]:
    """Return the webhooks that must agree before a rollout goes on."""
    if rollout.phase is not Phase.PROGRESSING:
        return ()
    step = plan.steps[rollout.step]
    asked: list[HookKind] = []
    if rollout.step == 0:
        asked.append(HookKind.CONFIRM_ROLLOUT)
    if gives_events(plan, step) or isinstance(step, Exposure):
        whole = isinstance(step, SetWeight) and step.weight == BUCKETS
        asked.append(HookKind.CONFIRM_PROMOTION if whole else HookKind.CONFIRM_TRAFFIC_INCREASE)
    there = {hook.kind for hook in plan.hooks}
    return tuple(kind for kind in asked if kind in there)


def waits_for_fleet(plan: Plan, rollout: Rollout) -> bool:
    """Whether the step under way needs every version warm, to be made or to give more events."""
    if rollout.phase.over:
        return False
    step = plan.steps[rollout.step]
    return gives_events(plan, step) or holding(plan, rollout) is not None


def judged(plan: Plan, rollout: Rollout) -> tuple[str, ...]:
    """Return the templates that are to be judged now."""
    if rollout.phase.over:
        return ()
    step = plan.steps[rollout.step]
    named = step.templates if isinstance(step, Analyse) else ()
    behind = plan.background if rollout.step >= max(1, plan.background_from) else ()
    return tuple(dict.fromkeys((*named, *behind)))


def _failures(plan: Plan, rollout: Rollout, look: Look) -> tuple[Finding, ...]:
    """Return the findings that end a rollout, and a deadline that was missed."""
    found = [f for f in _current(plan, rollout, look) if f.judgement is Judgement.FAIL]
    step = plan.steps[rollout.step]
    if look.now < _deadline(plan, rollout):
        return tuple(found)
    if gives_events(plan, step) and look.waiting != ():
        who = ", ".join(look.waiting or ("no live instance has opened the route",))
        found.append(Finding(DEADLINE, Judgement.FAIL, look.now, detail=who[:500]))
    decisive = _decisive(plan, rollout, look)
    return (*found, *(f for f in decisive if f.judgement is Judgement.NO_DATA))


def _doubts(plan: Plan, rollout: Rollout, look: Look) -> tuple[Finding, ...]:
    """Return the findings that call for a person."""
    if look.now < _ends(plan, rollout):
        return ()  # a doubt may still become a failure
    late = {Judgement.TOO_FEW} if look.now >= _deadline(plan, rollout) else set[Judgement]()
    few = [f for f in _decisive(plan, rollout, look) if f.judgement in late]
    open_ = [f for f in _current(plan, rollout, look) if f.judgement is Judgement.INCONCLUSIVE]
    return tuple(dict.fromkeys((*few, *open_)))


def _ends(plan: Plan, rollout: Rollout) -> int:
    step = plan.steps[rollout.step]
    own = step.ms if isinstance(step, Analyse | Pause | Exposure) else 0
    return rollout.since + (own or 0)


def _deadline(plan: Plan, rollout: Rollout) -> int:
    return _ends(plan, rollout) + plan.ready_deadline


def _decisive(plan: Plan, rollout: Rollout, look: Look) -> tuple[Finding, ...]:
    """Return the findings that must pass before the step under way ends by itself."""
    match plan.steps[rollout.step]:
        case Analyse():
            return _current(plan, rollout, look)
        case Exposure(ms=int()) as step:
            return (finding(step, look.exposed, look.now),)
        case _:
            return ()


def _current(plan: Plan, rollout: Rollout, look: Look) -> tuple[Finding, ...]:
    """Return the findings that decide now; what is tried dry never does."""
    names = judged(plan, rollout)
    return tuple(f for name in names for f in look.findings.get(name, ()) if not f.dry_run)


def _open(plan: Plan, rollout: Rollout, look: Look) -> list[Finding]:
    """Return the findings that keep a rollout where it is: what has to pass, and what is bad."""
    bad = {Judgement.FAIL, Judgement.INCONCLUSIVE}
    open_ = [f for f in _decisive(plan, rollout, look) if f.judgement is not Judgement.PASS]
    against = [f for f in _current(plan, rollout, look) if f.judgement in bad]
    return list(dict.fromkeys((*open_, *against)))


def _paused(plan: Plan, route: RouteState, why: tuple[Finding, ...]) -> Next | None:
    if plan.on_failure is OnFailure.NONE:
        return None
    note = _told(why)
    rollout = _rollout(route)
    change = _phase(route, Phase.PAUSED, note, why)
    return Next(change, f"pause {rollout.step}", f"paused: {note}")


def _exposing(plan: Plan, route: RouteState, look: Look, *, wider: bool) -> Next | None:
    """Return the share that the budget allows, where it is another one.

    More is given only to who is ready, on numbers that the present share has made itself, and when
    the gates of the step under way have agreed.
    """
    rollout, document, known = _rollout(route), route.head.document, look.exposed
    budget = holding(plan, rollout)
    if budget is None:
        return None
    weight = candidates_weight(document)
    share = allowed(budget, weight, known, look.now)
    settled = known.seen is not None and known.seen >= route.head.effective
    passed = judgement(budget, known, look.now) is Judgement.PASS
    agreed = all(look.gates.get(kind) for kind in gates(plan, rollout))
    sure = settled and passed and agreed and look.waiting == ()
    if share == weight or (share > weight and not (wider and sure)):
        return None
    found = (finding(budget, known, look.now),)
    changed = replace(weighted(plan, document, share), rollout=replace(rollout, findings=found))
    told = f"{share / 100:g} % of the events by the exposure budget"
    return Next(_change(route, changed), f"exposure {rollout.step}", told, alone=True)


def _tidied(plan: Plan, route: RouteState, look: Look) -> Next | None:
    """Let the old version go when it was kept warm long enough."""
    rollout = _rollout(route)
    if not route.head.document.keep_warm or look.now < rollout.since + plan.keep_warm:
        return None
    document = replace(route.head.document, keep_warm=())
    return Next(_change(route, document), "tidy", f"{plan.stable} is kept warm no longer")


def _told(findings: tuple[Finding, ...]) -> str:
    """Return what stopped a rollout, no longer than may be written down."""
    return "; ".join(f"{f.metric} {f.judgement}" for f in findings)[:MAX_TEXT]


def _with_findings(step: Next, findings: tuple[Finding, ...]) -> Next:
    """Write down why the step was made."""
    (change,) = step.change.changes
    rollout = change.document.rollout
    if rollout is None or not findings:
        return step
    rollout = replace(rollout, findings=findings[:MAX_FINDINGS])
    document = replace(change.document, rollout=rollout)
    changes = (replace(change, document=document),)
    return step._replace(change=replace(step.change, changes=changes))


def _phase(
    route: RouteState, phase: Phase, note: str, findings: tuple[Finding, ...] = ()
) -> RoutingChanged:
    rollout = replace(_rollout(route), phase=phase, note=note, findings=findings[:MAX_FINDINGS])
    return _change(route, replace(route.head.document, rollout=rollout))


def _scheduled(plan: Plan, rollout: Rollout, now: int) -> int | None:
    """Return the event time of the last step, where the plan names one that is still to come."""
    if plan.at is None or rollout.step < len(plan.steps) or plan.at <= now:
        return None
    return plan.at


def _watched_longer(plan: Plan, rollout: Rollout, now: int) -> bool:
    """Whether the last step is to hold so much later that metrics are judged until then."""
    last = rollout.step == len(plan.steps) - 1
    return last and bool(plan.background) and plan.at is not None and now < plan.at - SOON


def _change(route: RouteState | None, document: RoutingDocument) -> RoutingChanged:
    revision = route.head.revision if route else 0
    return RoutingChanged((Change(document, revision),))


def _rollout(route: RouteState) -> Rollout:
    rollout = route.rollout
    assert rollout is not None  # noqa: S101 - callers look first
    return rollout


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.0f} s"
