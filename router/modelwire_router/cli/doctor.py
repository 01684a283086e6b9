"""The verb that looks whether everything is as it should be, and says what to do."""

import click

from modelwire_router.cli.session import Session
from modelwire_router.doctor import Finding, examine


@click.command()
@click.pass_obj
def doctor(session: Session) -> int:
    """Check the log, its clock, the fold, the fleet, the cache and the runtime."""
    findings = examine(session.url, session.namespace)
    for finding in findings:
        session.data(_row(finding), _line(finding))
    bad = [finding for finding in findings if not finding.ok]
    session.say("all is well" if not bad else f"{len(bad)} of {len(findings)} need attention")
    return 1 if bad else 0


def _row(finding: Finding) -> dict[str, object]:
    return {"check": finding.check, "ok": finding.ok, "found": finding.found, "do": finding.todo}


def _line(finding: Finding) -> str:
    mark = "ok  " if finding.ok else "BAD "
    return f"{mark}{finding.check:<12}{finding.found}{'; ' + finding.todo if finding.todo else ''}"
