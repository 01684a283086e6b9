"""The readiness barrier: no flip to a version before the fleet has it warm (R24, R31)."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import NoReturn

import click

from modelwire.clock import SystemClock
from modelwire.control.state import State
from modelwire_router.changes import prepare
from modelwire_router.cli.session import Session
from modelwire_router.cli.waiting import LOOK_S
from modelwire_router.fleet import FleetReader, present
from modelwire_router.readiness import Readiness, Waiting, Why, named_by, readiness
from modelwire_router.times import show_time
from modelwire_schemas.errors import Rejected
from modelwire_schemas.routing import RoutingChanged, RoutingDocument

WAIT_S = 30.0
"""Seconds that a flip waits for the fleet; an instance that died is not counted after 15."""

READ_UP_S = 3.0
"""Seconds that an undo gives instances to say that they have read the newest document."""

NAMED = 3
"""How many waiting instances a message names."""


@dataclass(frozen=True, slots=True)
class Barrier:
    """What a flip waits for: a share (0 to 1) of the live instances, for so many seconds."""

    share: float = 1.0
    seconds: float = WAIT_S
    force: bool = False


def barrier(command: Callable[..., object]) -> Callable[..., object]:
    """Add --wait-ready, --require-ready and --force; the command gets them as `barrier`."""

    @wraps(command)
    def called(
        *words: object, wait_ready: float, require_ready: str, force: bool, **others: object
    ) -> object:
        made = Barrier(_share(require_ready), wait_ready, force)
        return command(*words, barrier=made, **others)

    for option in (
        click.option(
            "--wait-ready",
            type=click.FloatRange(min=0),
            default=WAIT_S,
            show_default=True,
            metavar="SECONDS",
            help="Let the fleet warm VERSION for so long at most.",
        ),
        click.option(
            "--require-ready",
            default="100%",
            show_default=True,
            metavar="SHARE",
            help="Share of the live instances that must have it warm.",
        ),
        click.option("--force", is_flag=True, help="Whether the fleet is ready or not."),
    ):
        called = option(called)
    return called


def _share(text: str) -> float:
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:
        raise Rejected("E_SHARE", f"--require-ready {text!r}", expected="0% to 100%")
    return percent / 100


def who_is_ready(session: Session, state: State, route: str, version: str) -> Readiness:
    """Return which instances of a route have a version of its model ready."""
    known = state.routes[route]
    model = known.head.document.model
    reports = FleetReader(session.log(), session.namespace).read()
    named_at = named_by(known, model, version)
    return readiness(reports.of(route), model, version, named_at, present(reports))


def pass_barrier(
    session: Session, state: State, route: str, version: str, model: str, barrier: Barrier
) -> State:
    """Return the state from which to flip, once enough live instances have the version warm.

    A version that no document names is named first, at weight 0. Raises Rejected `E_NOT_READY`
    with the instances and their reasons when the time is over, or no time can help.
    """
    if barrier.force or route not in state.routes:
        return state
    if model not in ("", state.routes[route].head.document.model):
        return state  # a document names one model: the other one's versions come with the flip
    found = who_is_ready(session, state, route, version)
    if found.share >= barrier.share:
        return state
    if not barrier.seconds:
        _refuse(route, version, found, "warms it first: --wait-ready 30")
    if version not in state.routes[route].head.document.versions():
        state = _prepare(session, state, route, version)
    _wait(session, state, route, version, barrier)
    return state


def pass_undo(session: Session, state: State, change: RoutingChanged) -> None:
    """Raise Rejected `E_NOT_READY` when nobody who serves a route has warm where it goes back to.

    One instance that has it is enough: the others answer as before until they have it, too (R16).
    """
    for document in [each.document for each in change.changes]:
        now = state.routes[document.route].head.document
        if document.model != now.model or not _ready(session, state, document.route, now):
            continue
        for version in document.weighted():
            found = _read_up(session, state, document.route, version)
            if not found.ready:
                todo = f"modelwire flip {document.route} {version} warms it first"
                _refuse(document.route, version, found, todo)


def _read_up(session: Session, state: State, route: str, version: str) -> Readiness:
    """Return who has a version ready, after a moment for those who have yet to read what is new."""
    deadline = time.monotonic() + READ_UP_S
    while True:
        found = who_is_ready(session, state, route, version)
        behind = any(w.why is Why.BEHIND for w in found.waiting)
        if found.ready or not behind or time.monotonic() > deadline:
            return found
        time.sleep(LOOK_S)


def _ready(session: Session, state: State, route: str, document: RoutingDocument) -> bool:
    """Whether some instance serves a route."""
    return any(_read_up(session, state, route, v).ready for v in document.weighted())


def told(waiting: Waiting) -> str:
    """Return in words why an instance waits."""
    if waiting.why is Why.SILENT:
        return f"not heard of since {show_time(waiting.heard)}"
    if waiting.why is Why.REFUSED:
        return f"NACK {waiting.code} {waiting.detail}".rstrip()
    return waiting.detail


def _prepare(session: Session, state: State, route: str, version: str) -> State:
    change = prepare(state, route, version, SystemClock().now())
    outcome = session.submit(change, state, reason=f"to warm {version} before the flip")
    revision = outcome.verdict.revisions[0].revision
    session.say(f"{route}@{revision} names {version}, so that the fleet warms it")
    return outcome.state


def _wait(session: Session, state: State, route: str, version: str, barrier: Barrier) -> None:
    deadline = time.monotonic() + barrier.seconds
    said = ""
    while True:
        found = who_is_ready(session, state, route, version)
        if found.share >= barrier.share:
            session.say(f"{version} is ready in {len(found.ready)} instances")
            return
        left = deadline - time.monotonic()
        if left <= 0 or _is_hopeless(found, barrier.share):
            _refuse(
                route, version, found, f"modelwire why-not {route} {version} says how it goes on"
            )
        if (text := _summary(found)) != said:
            session.say(f"{len(found.ready)} ready; {text}")
            said = text
        time.sleep(min(LOOK_S, left))


def _is_hopeless(found: Readiness, share: float) -> bool:
    """Whether those that refused the version are too many, whatever the others do."""
    refused = sum(1 for w in found.waiting if w.why is Why.REFUSED)
    live = len(found.ready) + len(found.waiting)
    return (live - refused) / live < share


def _refuse(route: str, version: str, found: Readiness, todo: str) -> NoReturn:
    live = len(found.ready) + len(found.waiting)
    raise Rejected(
        "E_NOT_READY",
        f"{version} is ready in {len(found.ready)} of {live} instances: {_summary(found)}",
        where=f"route {route}",
        todo=f"{todo}; --force does not wait",
    )


def _summary(found: Readiness) -> str:
    named = [f"{w.instance}: {told(w)}" for w in found.waiting[:NAMED]]
    more = len(found.waiting) - NAMED
    return "; ".join([*named, f"and {more} more"] if more > 0 else named)
