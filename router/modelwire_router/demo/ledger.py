"""What the log holds after a run: events, outputs, pairs, decisions; read once for all checks."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from modelwire.control.history import documents
from modelwire.control.reading import read_past
from modelwire.control.state import Accepted
from modelwire.routing.assign import CompiledDocument
from modelwire_log.contract import Log, Record
from modelwire_log.whole import all_records
from modelwire_router.demo.rollouts import Run, runs
from modelwire_router.demo.stage import EVENTS, GRAVEYARD, NAMESPACE, OUTPUTS, PAIRS, ROUTE
from modelwire_router.telemetry import TelemetryReader

Coordinates = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Event:
    """One event and its fields."""

    record: Record
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scored:
    """An output and the event that it is of."""

    record: Record
    value: Mapping[str, Any]
    event: Event

    @property
    def place(self) -> Coordinates:
        """The event's partition and offset."""
        return self.event.record.partition, self.event.record.offset


@dataclass(frozen=True, slots=True)
class Ledger:
    """Everything that a run left on the log.

    `compiled` are the route's documents by revision, `sides` which variant each key got by revision
    and rule, `spared` how many events shadows were spared, by version, as consumers tell it.
    """

    events: Mapping[Coordinates, Event]
    outputs: tuple[Scored, ...]
    pairs: tuple[Mapping[str, Any], ...]
    dead: int
    accepted: tuple[Accepted, ...]
    compiled: Mapping[int, CompiledDocument]
    runs: tuple[Run, ...]
    sides: Mapping[tuple[int, str], Mapping[bytes, str]]
    spared: Mapping[str, int]


def read_ledger(log: Log) -> Ledger:
    """Read all that the demo's streams and its control log hold."""
    landed = all_records(log, EVENTS)
    events = {(r.partition, r.offset): Event(r, orjson.loads(r.value)) for r in landed}
    outputs = [(r, orjson.loads(r.value)) for r in all_records(log, OUTPUTS)]
    scored = tuple(Scored(record, value, events[source(value)]) for record, value in outputs)
    past = read_past(log, NAMESPACE)
    accepted = documents(past, ROUTE)
    return Ledger(
        events,
        scored,
        tuple(orjson.loads(r.value) for r in all_records(log, PAIRS)),
        sum(1 for _ in all_records(log, GRAVEYARD)),
        tuple(accepted),
        {a.revision: CompiledDocument(a.document, a.revision) for a in accepted},
        tuple(runs(past)),
        sides_of(scored),
        _spared(log),
    )


def source(value: Mapping[str, Any]) -> Coordinates:
    """Return the partition and offset of the event that an output or a pair is of."""
    return value["source"]["partition"], value["source"]["offset"]


def sides_of(outputs: Iterable[Scored]) -> dict[tuple[int, str], dict[bytes, str]]:
    """Return which variant each key got, by revision and rule; the newest, if it got two."""
    sides: dict[tuple[int, str], dict[bytes, str]] = {}
    for one in outputs:
        if key := one.event.record.key:
            under = sides.setdefault((one.value["revision"], one.value["rule"]), {})
            under[key] = one.value["variant"]
    return sides


def _spared(log: Log) -> dict[str, int]:
    newest = {r.incarnation: r.dropped for r, _ in TelemetryReader(log, NAMESPACE).read()}
    spared: Counter[str] = Counter()
    for dropped in newest.values():
        spared.update(dict(dropped))
    return spared
