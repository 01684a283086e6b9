"""The verb of the namespace's policy: show it, set it from a file."""

from pathlib import Path

import click

from modelwire_router.cli.options import reason, yaml_file
from modelwire_router.cli.policy_file import read_policy, written
from modelwire_router.cli.session import Session
from modelwire_router.views import told


@click.group()
def policy() -> None:
    """Show or set who may do what, which changes need approval, and when none may be."""


@policy.command()
@click.pass_obj
def show(session: Session) -> None:
    """Print the policy in force, as `policy set` reads it."""
    import yaml

    plain = written(session.state().policy)
    session.data(plain, yaml.safe_dump(plain, sort_keys=False).rstrip())


@policy.command(name="set")
@yaml_file("It as YAML.")
@reason
@click.pass_obj
def set_policy(session: Session, path: Path, reason: str) -> None:
    """Set the whole policy; what would take effect in a blackout is taken back."""
    state = session.state()
    body = read_policy(path, state.policy.lead)
    verdict = session.submit(body, state, reason=reason).verdict
    removed = {r.route: r.revision for r in verdict.revisions}
    session.data({"offset": verdict.offset, "routes": removed}, told(body))
    for route, revision in removed.items():
        session.say(f"{route}@{revision}: what would take effect in a blackout was taken back")
