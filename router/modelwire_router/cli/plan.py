"""`modelwire plan`: what a file would do to the keys of a stream and to the fleet."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from modelwire.control.state import State
from modelwire.scoring.events import Reading
from modelwire_router.cli.options import yaml_file
from modelwire_router.cli.rollout_files import wanted_of
from modelwire_router.cli.routes import says_rollouts
from modelwire_router.cli.session import Session
from modelwire_router.document_file import read_documents
from modelwire_router.fleet import newest_reports, present
from modelwire_router.forecast import (
    Events,
    Fetch,
    Moved,
    Step,
    document_steps,
    fetches,
    moves,
    steps,
)
from modelwire_router.retained import newest_events
from modelwire_router.rollout.layers import allotted
from modelwire_router.rollout_file.standing import check_standing
from modelwire_router.views import shares
from modelwire_schemas.errors import Rejected

MOST = 1_000_000
"""So many events are looked at, at most."""


@click.command()
@yaml_file("What `apply -f` takes: rollouts, or routing documents.")
@click.option(
    "--in", "stream", default="", metavar="STREAM", help="Its newest events, as JSON objects."
)
@click.option("--last", type=int, default=10_000, show_default=True, help="How many of them.")
@click.option("--key-field", default="", help="The event's field that is its key.")
@click.pass_obj
def plan(session: Session, path: Path, stream: str, last: int, key_field: str) -> None:
    """Say what applying a file would do: which keys change version, who must fetch how much.

    Nothing is written. Shares are those of the newest events of a stream.
    """
    if not 0 < last <= MOST:
        raise Rejected("E_OPTION", f"--last {last}", expected=f"1 to {MOST}")
    state = session.state()
    wanted = _wanted(session, path, state)
    events = _events(session, stream, last, key_field) if stream else None
    reports = newest_reports(session.log(), session.namespace)
    for route, found in wanted.items():
        known = state.routes.get(route)
        before = known.head.document if known else None
        moved = list(moves(before, found, events)) if events else [None] * len(found)
        rows = [_step_row(route, *each) for each in zip(found, moved, strict=True)]
        plain = rows if session.as_json else [_plain_step(row) for row in rows]
        session.table(plain, STEP_COLUMNS if events else STEP_COLUMNS[:3])
        _show_fetches(session, route, fetches(reports, state, found, present(reports)))


STEP_COLUMNS = ["route", "step", "weights", "events", "keys", "keys_in_all", "versions"]
FETCH_COLUMNS = ["route", "instance", "version", "bytes", "resident", "fits"]


def _wanted(session: Session, path: Path, state: State) -> dict[str, list[Step]]:
    if says_rollouts(path):
        wanted = wanted_of(session, path, None)
        check_standing(wanted, state)
        plans = allotted([one.plan for one in wanted], state)
        return {plan.route: steps(plan, state) for plan in plans}
    documents = read_documents(path, state)
    return {document.route: document_steps(document, state) for document in documents}


def _events(session: Session, stream: str, last: int, key_field: str) -> Events:
    """Return the newest events of a stream; what is no JSON object is left out."""
    found = newest_events(session.log(), stream, last)
    if found.left_out:
        looked_at = len(found.records) + found.left_out
        session.say(f"{found.left_out} of {looked_at} records are no JSON objects")
    session.say(f"the newest {len(found.records)} events of {stream}")
    reading = Reading(key_field)
    pairs = zip(found.records, found.fields, strict=True)
    return Events(
        [reading.key(record, fields) for record, fields in pairs],
        found.fields,
        [dict(r.headers) for r in found.records],
        [(r.stream, r.partition, r.offset) for r in found.records],
    )


def _step_row(route: str, step: Step, moved: Moved | None) -> dict[str, Any]:
    row: dict[str, Any] = {"route": route, "step": step.told, "weights": shares(step.document)}
    if moved is None:
        return row
    told = asdict(moved)
    return {**row, **told, "versions": dict(moved.versions)}


def _plain_step(row: Mapping[str, Any]) -> dict[str, str]:
    """Return a row as people read it."""
    plain = {name: str(row[name]) for name in STEP_COLUMNS[:3]}
    if "versions" not in row:
        return plain
    percents = {name: _percent(row[name]) for name in ("events", "keys", "keys_in_all")}
    versions = ", ".join(f"{v} {_percent(share)}" for v, share in row["versions"].items())
    return {**plain, **percents, "versions": versions}


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _show_fetches(session: Session, route: str, found: Sequence[Fetch]) -> None:
    rows = [
        {
            "route": route,
            "instance": one.instance,
            "application": one.application,
            "version": one.version,
            "bytes": one.size,
            "resident": one.resident,
            "fits": one.fits if session.as_json else _FITS[one.fits],
        }
        for one in found
    ]
    if rows:
        session.table(rows, FETCH_COLUMNS)
    else:
        session.say(f"no live instance of {route} has anything to fetch")


_FITS = {None: "unknown", True: "yes", False: "no"}
