"""What a rollout file would leave on a log if everybody kept to it, made without a log."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from modelwire.control.state import Accepted, RouteState
from modelwire.routing.assign import CompiledDocument
from modelwire_log.contract import Record
from modelwire_router.demo.files import rollout
from modelwire_router.demo.ledger import Event, Ledger, Scored, sides_of
from modelwire_router.demo.rollouts import Run, Said
from modelwire_router.demo.stage import EVENTS, OUTPUTS, ROUTE
from modelwire_router.rollout import machine
from modelwire_router.rollout.plan import Plan
from modelwire_router.rollout_file.reading import read_rollouts
from modelwire_schemas.routing import (  # fmt: skip
    BUCKETS,
    Change,
    RoutingChanged,
    RoutingDocument,
    Rule,
    Split,
    Variant,
)

PLANES = 400
SECOND = 1000


def plan_of(name: str) -> Plan:
    """Return the plan of a story's rollout file."""
    (wanted,) = read_rollouts((rollout(name),), None)
    return wanted.plan


@cache
def played(name: str) -> Ledger:
    """Return what is left when every plane flies once a second, and a step is made in each."""
    plan = plan_of(name)
    whole = (Variant("stable", plan.stable, ((0, BUCKETS),)),)
    first = RoutingDocument(ROUTE, ROUTE, (Rule("all", whole, Split(salt="s")),))
    route = _accepted(RoutingChanged((Change(first, 0),)), ())
    accepted = [route.head]
    changes = [machine.begin(plan, route, "r1", SECOND)]
    while changes:
        route = _accepted(changes.pop(), tuple(reversed(accepted)))
        accepted.append(route.head)
        going = route.head.document.rollout
        if going is not None and not going.phase.over:
            changes.append(machine.advance(plan, route, SECOND).change)
    return _scored(plan, accepted)


def changed(ledger: Ledger, *outputs: Scored, pairs: tuple[Any, ...] | None = None) -> Ledger:
    """Return the ledger with these outputs, and pairs, in the place of its own of those events."""
    new = {one.place: one for one in outputs}
    all_ = tuple(new.get(one.place, one) for one in ledger.outputs)
    kept = ledger.pairs if pairs is None else pairs
    return replace(ledger, outputs=all_, sides=sides_of(all_), pairs=kept)


def said(one: Scored, **more: object) -> Scored:
    """Return an output that says something else."""
    return replace(one, value={**one.value, **more})


def _accepted(change: RoutingChanged, recent: tuple[Accepted, ...]) -> RouteState:
    (one,) = change.changes
    number = one.replaces + 1
    at = number * SECOND
    head = Accepted(number, one.document, at, at, at, number, automatic=number > 2)
    return RouteState(ROUTE, head, (head,), recent[:4])


def _scored(plan: Plan, accepted: list[Accepted]) -> Ledger:
    compiled = {a.revision: CompiledDocument(a.document, a.revision) for a in accepted}
    events = {(e.record.partition, e.record.offset): e for e in _events(len(accepted))}
    outputs = tuple(_output(e, compiled[e.record.timestamp // SECOND]) for e in events.values())
    steps = tuple(
        Said(a, a.document.rollout, plan, a.effective) for a in accepted if a.document.rollout
    )
    return Ledger(
        events,
        outputs,
        tuple(pair for one in outputs for pair in _pairs(one, compiled[one.value["revision"]])),
        0,
        tuple(accepted),
        compiled,
        (Run(plan, steps),),
        sides_of(outputs),
        {},
    )


def _events(revisions: int) -> Iterator[Event]:
    for number in range(revisions * PLANES):
        plane = f"N{number % PLANES}"
        at = SECOND + number * SECOND // PLANES
        key = plane.encode()
        record = Record(EVENTS, number % 4, number // 4, at, at, b"", key)
        fields = {"tailnum": plane, "distance": 900 + number % 200, "origin": "JFK"}
        yield Event(record, {**fields, "arr_delay": number % 30})


def _output(event: Event, document: CompiledDocument) -> Scored:
    record = event.record
    place = (record.stream, record.partition, record.offset)
    answer = document.assign(record.key, event.fields, {}, place)
    value = {
        "id": "/".join(map(str, place)),
        "source": {"partition": record.partition, "offset": record.offset},
        "revision": document.revision,
        "offset": document.revision,
        "rule": answer.rule,
        "variant": answer.variant,
        "routed_to": answer.version,
        "served_by": answer.version,
        "unsettled": False,
        "outputs": {"late": record.offset / PLANES},
    }
    return Scored(record._replace(stream=OUTPUTS), value, event)


def _pairs(one: Scored, document: CompiledDocument) -> Iterator[dict[str, Any]]:
    record = one.event.record
    for sample in document.samples:
        place = (record.stream, record.partition, record.offset)
        if sample.rows([record.key], [one.event.fields], None, [place]):
            yield {
                "source": one.value["source"],
                "live": {"version": one.value["served_by"], "outputs": one.value["outputs"]},
                "shadow": {"version": sample.version, "outputs": {"late": 0.1}},
            }
