"""The verb that says which instances do not have a version ready, and why."""

import click

from modelwire_router.cli.barrier import told, who_is_ready
from modelwire_router.cli.session import DEGRADED, Session
from modelwire_router.known import known_release, known_route
from modelwire_router.readiness import Waiting


@click.command("why-not")
@click.argument("route")
@click.argument("version")
@click.pass_obj
def why_not(session: Session, route: str, version: str) -> int:
    """Say for each instance of ROUTE why it does not have VERSION ready; exit 8 if one has not."""
    state = session.state()
    document = known_route(state, route).head.document
    known_release(state, document.model, version)
    found = who_is_ready(session, state, route, version)
    rows = [{"instance": name, "state": "ready", "why": "", "code": ""} for name in found.ready]
    rows += [_row(one) for one in (*found.waiting, *found.silent)]
    session.table(rows, ["instance", "state", "why"])
    if not rows:
        session.say(f"no instance has opened {route}")
    elif version not in document.versions():
        session.say(f"no document of {route} names {version}; a flip warms it first")
    return DEGRADED if found.waiting else 0


def _row(waiting: Waiting) -> dict[str, str]:
    return {
        "instance": waiting.instance,
        "state": str(waiting.why),
        "why": told(waiting),
        "code": waiting.code,
    }
