"""Verbs on streams: feed a file into one, read one."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click
import orjson

from modelwire_log.contract import START, Log, Message, Record
from modelwire_log.envelope import open_envelope
from modelwire_log.whole import size
from modelwire_router.cli.options import POSITIVE
from modelwire_router.cli.session import Session
from modelwire_router.cli.telling import Teller
from modelwire_router.feed import Fed, read_events
from modelwire_router.plain import plain
from modelwire_router.retained import partitions_of
from modelwire_schemas.errors import ModelwireError

BATCH = 500


@click.command()
@click.argument("stream")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--rate", type=POSITIVE, metavar="N", help="Events a second; by default all at once.")
@click.option("--key-field", default="", help="The column that is the record's key.")
@click.option("--time-field", default="", help="The column that is the record's time.")
@click.option("--partitions", type=int, default=4, show_default=True, help="Of a new stream.")
@click.option("--limit", type=int, help="Only the first so many events.")
@click.pass_obj
def feed(
    session: Session,
    stream: str,
    file: Path,
    rate: float | None,
    key_field: str,
    time_field: str,
    partitions: int,
    limit: int | None,
) -> None:
    """Append the rows of FILE to STREAM as JSON events: CSV or JSON lines, also .gz."""
    log = session.log()
    read = partial(read_events, file, key_field=key_field, time_field=time_field, limit=limit)
    for _ in read():
        pass  # a fault in the last row must not leave half of the file behind
    if log.capabilities.makes_streams:
        log.create(stream, partitions)
    events = read()
    fed = _feed(session, log, stream, events, rate)
    session.data({"stream": stream, "events": fed}, f"{fed} events appended to {stream}")


def _feed(
    session: Session, log: Log, stream: str, events: Iterator[Fed], rate: float | None
) -> int:
    started, teller = time.monotonic(), Teller(session)
    sent = 0
    batch: list[Message] = []
    size = BATCH if rate is None else max(1, min(BATCH, int(rate / 50)))
    for event in events:
        batch.append(Message(event.value, event.key, (), event.time))
        if len(batch) < size:
            continue
        log.append_batch(stream, batch)
        sent += len(batch)
        batch.clear()
        if rate is not None:
            time.sleep(max(0.0, started + sent / rate - time.monotonic()))
        teller.tell(f"{sent} events, {sent / (time.monotonic() - started):.0f}/s")
    if batch:
        log.append_batch(stream, batch)
    return sent + len(batch)


@click.command()
@click.argument("stream", required=False)
@click.option("--list", "listed", is_flag=True, help="List the streams and their sizes.")
@click.option("--follow", is_flag=True, help="Go on with what is appended from now on.")
@click.option("--last", type=int, metavar="N", help="Only the last N records of each partition.")
@click.pass_obj
def read(
    session: Session,
    stream: str | None,
    listed: bool,
    follow: bool,
    last: int | None,
) -> None:
    """Print the records of STREAM, decoded, one JSON object a line."""
    log = session.log()
    if listed or stream is None:
        rows = [
            {"stream": name, "partitions": count, "records": size(log, name)}
            for name, count in sorted(log.streams().items())
        ]
        session.table(rows, ["stream", "partitions", "records"])
        return
    places = partitions_of(log, stream)
    after = {p: max(START, log.end(p) - last) if last is not None else START for p in places}
    while True:
        quiet = True
        for place in places:
            for record in log.read(place, after[place], BATCH):
                after[place] = record.offset
                quiet = False
                click.echo(orjson.dumps(_shown(record), default=str))
        if quiet and not follow:
            return
        if quiet:
            log.wait(places[0], after[places[0]], 0.2)


def _shown(record: Record) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "partition": record.partition,
        "offset": record.offset,
        "time": record.timestamp,
        "key": None if record.key is None else record.key.decode("utf-8", "backslashreplace"),
    }
    headers = {name: value.decode("utf-8", "backslashreplace") for name, value in record.headers}
    if "ce_type" in headers:
        shown["type"] = headers["ce_type"]
        shown["value"] = _opened(record)
        return shown
    if headers:
        shown["headers"] = headers
    try:
        shown["value"] = orjson.loads(record.value)
    except orjson.JSONDecodeError:
        shown["value"] = record.value.decode("utf-8", "backslashreplace")
    return shown


def _opened(record: Record) -> Any:  # noqa: ANN401 - an event, shown as JSON shows it
    try:
        return plain(open_envelope(record))
    except ModelwireError as error:
        return str(error)
