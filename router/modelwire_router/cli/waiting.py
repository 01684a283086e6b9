"""Waiting: for the fleet, with a bound and a reason, and for somebody who confirms."""

import time
from collections.abc import Callable

from modelwire.clock import SystemClock
from modelwire.control.state import RouteState
from modelwire.control.timeline import way_back
from modelwire_router.cli.session import Session
from modelwire_router.fleet import newest_reports, present
from modelwire_router.readiness import enough, live
from modelwire_router.times import show_time
from modelwire_schemas.errors import TimedOut
from modelwire_schemas.fleet import FleetReport

LOOK_S = 0.2


def live_reports(session: Session) -> list[FleetReport]:
    """Return the reports of the instances that are live."""
    reports = newest_reports(session.log(), session.namespace)
    return live(reports, present(reports))


def tell_way_back(session: Session, route: RouteState | None) -> None:
    """Say when a route goes back unless somebody confirms, if it does."""
    back = way_back(route, SystemClock().now()) if route else None
    if route and back:
        when, todo = show_time(back.effective), f"modelwire confirm {route.route}"
        session.say(f"{route.route} goes back at {when} unless confirmed: {todo}")


def wait_until_none(
    late: Callable[[], list[str]],
    timeout: float,
    what: str = "ready",
    look: str = "fleet",
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Wait until `late()` names nothing, and `tell` which names are new; raises `E_TIMEOUT`."""
    deadline = time.monotonic() + timeout
    told: set[str] = set()
    while names := late():
        for name in names:
            if name not in told:
                tell(name)
        told = set(names)
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimedOut(
                "E_TIMEOUT",
                f"{len(names)} not {what} after {round(timeout, 1):g} s",
                where=", ".join(names[:3]),
                todo=f"modelwire {look} says why",
            )
        time.sleep(min(LOOK_S, left))


def wait_for_warm(session: Session, model: str, version: str, timeout: float) -> None:
    """Wait until every live instance that wants a version has it warm."""

    def late() -> list[str]:
        return [
            report.instance
            for report in live_reports(session)
            for v in report.versions
            if (v.model, v.version) == (model, version) and v.state not in enough(report)
        ]

    wait_until_none(late, timeout)
