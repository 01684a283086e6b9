"""One event by the rules: the document in force, the version that serves it, its answer."""

from collections.abc import Mapping

from modelwire.control.state import Accepted
from modelwire.control.timeline import BelowFloor
from modelwire.serving.answer import Answer
from modelwire.serving.past import Past
from modelwire.serving.plan import Decision, Event, RoutePlan
from modelwire.serving.servable import Servable
from modelwire.serving.settling import business_time
from modelwire_schemas.errors import NotReady, Rejected, Unavailable
from modelwire_schemas.routing import Staleness


def document_for(
    plan: RoutePlan, ts: int, fields: Mapping[str, object], past: Past | None
) -> Accepted:
    """Return the document in force for an event of time `ts` (R5, R20).

    Raises NotReady `E_NO_DOCUMENT` where there is none yet (R8), `E_BELOW_FLOOR` where only the
    log knows it and is away, or without a `past` to ask.
    """
    route = plan.route
    name = route.time_field if route else ""
    bt = business_time(fields, name, ts) if name else ts
    try:
        return plan.accepted(ts, bt)
    except BelowFloor as below:
        if route is None or past is None:
            raise NotReady(below.code, below.what, where=below.where, todo=below.todo) from None
        try:
            found = past.in_force(plan.name, route.head.revision, ts, bt, plan.marks.offset)
        except Unavailable as away:
            raise NotReady(below.code, below.what, where=below.where, todo=str(away)) from None
        if found is None:
            raise NotReady("E_NO_DOCUMENT", f"route {plan.name} had no document then") from None
        return found


def decide(
    plan: RoutePlan, accepted: Accepted, event: Event, *, settled: bool, ahead: bool = False
) -> Decision:
    """Return who answers; what is not settled goes by the document's staleness policy (R10).

    Nothing waits for a time that lies far `ahead` of the clock.
    """
    policy = accepted.document.staleness
    if settled or policy is Staleness.CONTINUE or (ahead and policy is Staleness.WAIT):
        return plan.decide(accepted, event, settled=settled)
    if policy is Staleness.WAIT:
        raise NotReady(
            "E_UNSETTLED",
            "the rules of this time are not settled, and the route's policy is to wait",
            where=f"route {plan.name}",
        )
    return plan.decide_fallback(accepted, event)


def serve(
    plan: RoutePlan, accepted: Accepted, decision: Decision, event: Event
) -> tuple[Answer, Servable]:
    """Return an event's answer and who gave it; where its version raises, a fallback does.

    Raises Rejected `E_MODEL` when none does, or the field at fault.
    """
    try:
        return run(decision, event.body), decision.servable
    except Rejected as error:
        other = None if error.code != "E_MODEL" else plan.fallback(accepted, decision.servable)
        if other is None:
            raise
        told = plan.substitute_provenance(decision.provenance, other)
        return run(Decision(other, told, decision.bucket), event.body), other


def run(decision: Decision, event: object) -> Answer:
    """Run one event through a version."""
    servable = decision.servable
    feed = servable.feed(event)
    try:
        outputs = servable.model.fast(feed)
    except Exception as error:  # a model may raise anything; its neighbours must not suffer
        raise servable.failed(error) from None
    return Answer(outputs, servable.names, 0, decision.provenance, decision.bucket)
