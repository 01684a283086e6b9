"""`modelwire explain`: which version an event got, at any time, by which document, and why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click
import orjson

from modelwire.clock import SystemClock
from modelwire.control.reading import read_past
from modelwire.control.state import ALWAYS, Accepted
from modelwire.routing.assign import CompiledDocument
from modelwire.serving.settling import business_time
from modelwire_router.cli.options import read_time
from modelwire_router.cli.session import Session
from modelwire_router.cli.waiting import tell_way_back
from modelwire_router.explaining import Met, met
from modelwire_router.known import known_route
from modelwire_router.rollout.layers import told_of
from modelwire_router.rollout.telling import Row, finding_line, standing_row
from modelwire_router.times import show_time
from modelwire_router.views import shares
from modelwire_schemas.errors import ModelwireError, NotFound, Rejected

Fields = dict[str, object]


@dataclass(frozen=True, slots=True)
class Event:
    """What the rules may ask of an event."""

    key: str | None
    fields: Fields
    headers: Fields
    source: tuple[str, int, int] | None


@click.command()
@click.argument("route")
@click.option("--key", help="The event's key.")
@click.option("--at", metavar="TIME", help="The event's time; by default now.")
@click.option("--event", metavar="JSON", default="{}", help="The event's fields.")
@click.option("--header", "headers", multiple=True, metavar="NAME=VALUE", help="Of its headers.")
@click.option("--source", metavar="STREAM/PARTITION/OFFSET", help="Where it is.")
@click.option("--offset", type=int, help="As known at this control offset; else as known then.")
@click.pass_obj
def explain(
    session: Session,
    route: str,
    key: str | None,
    at: str | None,
    event: str,
    headers: tuple[str, ...],
    source: str | None,
    offset: int | None,
) -> None:
    """Say which version an event gets, by which rule, and why; now, then, or in time to come.

    A past event is taken to have been scored in its time. Where it would get another version if it
    was scored only now, that is told, too.
    """
    asked = Event(key, _fields(event), _headers(headers), _place(source))
    known = known_route(session.state(), route)
    past = read_past(session.log(), session.namespace)
    now = SystemClock().now()
    ts = now if at is None else read_time(at)
    field = known.time_field
    bt = business_time(asked.fields, field, ts) if field else ts
    found = met(past, route, ts, bt, offset)
    if found is None:
        raise NotFound("E_NO_DOCUMENT", f"route {route} had no document at {show_time(ts)}")
    row = _row(found, asked, now)
    session.data(row, "\n".join(_lines(found, row)))
    tell_way_back(session, known)


def _row(found: Met, event: Event, now: int) -> dict[str, Any]:
    accepted, other = found.found, found.scored_now
    rollout = accepted.document.rollout
    return {
        **_answer(accepted, event),
        "offset": accepted.offset,
        "by": accepted.author,
        "cause": accepted.cause,
        "automatic": accepted.automatic,
        "why": accepted.reason,
        "shares": shares(accepted.document),
        "since": _time(accepted),
        "to_come": accepted.effective > now,
        "known": found.known,
        "rollout": standing_row(rollout) if rollout else None,
        "scheduled": [
            {**_other(a, event), "from": time, "shares": shares(a.document), "by": a.author}
            for time, a in found.later
        ],
        "scored_now": None if other is None else _other(other, event),
    }


def _answer(accepted: Accepted, event: Event) -> dict[str, Any]:
    document = accepted.document
    compiled = CompiledDocument(document, accepted.revision)
    answer = compiled.assign(event.key, event.fields, event.headers, event.source)
    return {
        "route": document.route,
        "model": document.model,
        "version": answer.version,
        "variant": answer.variant,
        "rule": answer.rule,
        "bucket": answer.bucket,
        "reason": str(answer.reason),
        "layer": told_of(document, answer),
        "revision": accepted.revision,
    }


def _other(accepted: Accepted, event: Event) -> dict[str, Any]:
    """Return the version under another document; None where that asks for a key, say."""
    try:
        version = _answer(accepted, event)["version"]
    except ModelwireError:
        version = None
    return {"revision": accepted.revision, "version": version}


def _lines(found: Met, row: Row) -> Iterator[str]:
    """Yield what people read."""
    bucket = "" if row["bucket"] is None else f" · bucket {row['bucket']}"
    bucket += f" · {row['layer']}" if row["layer"] else ""
    yield (
        f"{row['model']} {row['version']}   (rule {row['rule']} · variant {row['variant']}"
        f"{bucket} · reason {row['reason']})"
    )
    yield _document(found.found, row)
    if row["rollout"]:
        yield from _rollout(row["rollout"])
    for later in row["scheduled"]:
        got = f", this one gets {later['version']}" if later["version"] else ""
        yield (
            f"from {show_time(later['from'])} on revision {later['revision']}: "
            f"{later['shares']}{got}, by {later['by'] or 'somebody'}"
        )
    if row["scored_now"]:
        other = row["scored_now"]
        got = f"{other['version']}, " if other["version"] else "its version "
        yield f"scored only now it would get {got}by revision {other['revision']}"


def _document(accepted: Accepted, row: Row) -> str:
    comes = "to come, from" if row["to_come"] else "from"
    cause = f" ({row['cause']})" if row["cause"] not in {"", "operator"} else ""
    why = f": {row['why']}" if row["why"] else ""
    back = f", because nobody confirmed revision {accepted.takes_back}"
    return (
        f"revision {row['revision']}: {row['shares']}, {comes} {show_time(accepted.effective)}, "
        f"by {row['by'] or 'somebody'}{cause} at control offset {row['offset']}{why}"
        f"{back * bool(accepted.takes_back)}"
    )


def _rollout(row: Row) -> Iterator[str]:
    if "fault" in row:
        yield f"rollout {row['id']}: {row['phase']}, step {row['step']}; {row['fault']}"
        return
    step = f"step {row['step']} of {row['steps']} ({row['done']})"
    then = f", then {row['next']}" if row["next"] else ""
    yield (
        f"rollout {row['id']}: {row['strategy']} {row['stable']} → {row['candidate']}, "
        f"{step}, {row['phase']}{then}"
    )
    for found in row["findings"]:
        yield f"  {finding_line(found)}"
    if row["note"]:
        yield f"  {row['note']}"


def _time(accepted: Accepted) -> int | None:
    return None if accepted.effective == ALWAYS else accepted.effective


def _fields(text: str) -> Fields:
    try:
        fields: object = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Rejected("E_JSON", f"--event is no JSON: {error}") from None
    if not isinstance(fields, dict):
        raise Rejected("E_JSON", "--event is no object", expected='{"carrier": "UA"}')
    return fields  # pyright: ignore[reportUnknownVariableType] - keys of JSON are text


def _headers(given: Sequence[str]) -> Fields:
    found: Fields = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise Rejected("E_OPTION", f"--header {text}", expected="NAME=VALUE")
        found[name] = value
    return found


def _place(text: str | None) -> tuple[str, int, int] | None:
    if text is None:
        return None
    stream, *numbers = text.rsplit("/", 2)
    if not stream or len(numbers) < 2 or not all(n.isascii() and n.isdigit() for n in numbers):
        raise Rejected("E_OPTION", f"--source {text}", expected="STREAM/PARTITION/OFFSET")
    return stream, int(numbers[0]), int(numbers[1])
