"""The verb that says which instances do not have a version ready, and why."""

import click

from modelwire_router.cli.barrier import told, who_is_ready
from modelwire_router.cli.session import Session
from modelwire_router.readiness import Waiting
from modelwire_schemas.errors import NotFound

DEGRADED = 8
"""The exit code where some instances are not where they should be."""


@click.command("why-not")
@click.argument("route")
@click.argument("version")
@click.pass_obj
def why_not(session: Session, route: str, version: str) -> int:
    """Say for each instance of ROUTE why it does not have VERSION ready; exit 8 if one has not."""
    state = session.state()
    if route not in state.routes:
        known = ", ".join(sorted(state.routes)) or "none"
        raise NotFound("E_UNKNOWN_ROUTE", f"there is no route {route}", expected=f"one of {known}")
    document = state.routes[route].head.document
    if state.release(document.model, version) is None:
        raise NotFound(
            "E_UNKNOWN_VERSION",
            f"{document.model} {version} is not released",
            todo="modelwire releases shows what is",
        )
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
