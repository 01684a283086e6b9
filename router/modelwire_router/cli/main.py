"""`modelwire`: the verbs, where each one lives, and how an error ends."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from modelwire.version import VERSION
from modelwire_router.cli.session import Session
from modelwire_schemas.errors import ModelwireError, one_line

VERBS = {
    "abort": "stops",
    "apply": "routes",
    "approve": "proposals",
    "cache": "cache",
    "completion": "completion",
    "confirm": "routes",
    "controller": "controller",
    "demo": "demo",
    "diff": "rollouts",
    "doctor": "doctor",
    "drill": "drill",
    "explain": "explain",
    "feed": "streams",
    "fleet": "look",
    "flip": "routes",
    "freeze": "stops",
    "get": "rollouts",
    "history": "look",
    "join-labels": "labels",
    "lint": "lint",
    "pause": "rollouts",
    "plan": "plan",
    "policy": "policy",
    "promote": "rollouts",
    "proposals": "proposals",
    "prune": "releases",
    "publish": "publish",
    "read": "streams",
    "rehearse": "rehearse",
    "releases": "releases",
    "resume": "rollouts",
    "retry": "rollouts",
    "rollback": "routes",
    "score": "score",
    "show": "releases",
    "simulate": "simulate",
    "split": "routes",
    "split-stream": "split_stream",
    "status": "look",
    "topics": "topics",
    "undo": "routes",
    "unfreeze": "stops",
    "watch": "publish",
    "why-not": "why_not",
    "withdraw": "releases",
}
"""Every verb and its module in this folder; the command in it has the verb's name."""


class Verbs(click.Group):
    """Loads a verb's module when the verb is used: a read verb must not wait for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of the alphabet."""
        del ctx
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb's command; None for an unknown one, which click reports."""
        del ctx
        if cmd_name not in VERBS:
            return None
        module = import_module(f"modelwire_router.cli.{VERBS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--log", envvar="MODELWIRE_LOG", help="sqlite:///path or kafka://host:port")
@click.option(
    "--namespace",
    envvar="MODELWIRE_NAMESPACE",
    default="default",
    show_default=True,
    help="The environment or team whose control log is meant.",
)
@click.option(
    "--role",
    envvar="MODELWIRE_ROLE",
    default="operator",
    show_default=True,
    help="In which role you ask; asserted, as your name is.",
)
@click.option("--json", "as_json", is_flag=True, help="Print data as JSON, one object a line.")
@click.version_option(VERSION, prog_name="modelwire")
@click.pass_context
def modelwire(
    ctx: click.Context, log: str | None, namespace: str, role: str, as_json: bool
) -> None:
    """Ship models to stream processors as data: release, flip, split, undo."""
    ctx.obj = Session(log or "", namespace, as_json=as_json, role=role)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with an exit code.

    0 done, 1 failed, 2 usage, 3 not found, 4 conflict, 5 rejected, 6 timed out, 7 a rollout was
    taken back, 8 degraded: some instances are not where they should be.
    """
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; errors are one line on stderr."""
    try:
        result: Any = modelwire.main(args=arguments, prog_name="modelwire", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as usage:
        usage.show()
        return usage.exit_code
    except click.Abort:
        return 130
    except ModelwireError as error:
        click.echo(str(error), err=True)
        return error.exit_code
    except SystemExit:
        # Click's word for a broken pipe: whoever read our output has seen enough.
        return 0
    except Exception as error:
        if "--traceback" in sys.argv:
            raise
        click.echo(one_line(f"E_INTERNAL: {type(error).__name__}: {error}"), err=True)
        return 1
    return result if isinstance(result, int) else 0
