"""`modelwire`: the verbs, where each one lives, and how an error ends."""

import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click
import orjson

from modelwire.version import VERSION
from modelwire_router.cli.behind import take_behind
from modelwire_router.cli.session import Session
from modelwire_schemas.errors import ModelwireError, RejectedFile, one_line

SECTIONS = {
    "Release": {
        "publish": "publish",
        "watch": "publish",
        "releases": "releases",
        "show": "releases",
        "withdraw": "releases",
        "prune": "releases",
    },
    "Route": {
        "flip": "routes",
        "confirm": "routes",
        "split": "routes",
        "undo": "routes",
        "rollback": "routes",
        "status": "look",
        "fleet": "look",
        "why-not": "why_not",
        "history": "look",
        "explain": "explain",
    },
    "Roll out": {
        "apply": "routes",
        "diff": "rollout_files",
        "get": "rollouts",
        "promote": "rollouts",
        "pause": "rollouts",
        "resume": "rollouts",
        "abort": "stops",
        "retry": "rollouts",
        "freeze": "stops",
        "unfreeze": "stops",
        "controller": "controller",
    },
    "Look ahead": {
        "lint": "lint",
        "plan": "plan",
        "rehearse": "rehearse",
        "simulate": "simulate",
        "drill": "drill",
    },
    "Streams": {
        "score": "score",
        "split-stream": "split_stream",
        "join-labels": "labels",
        "feed": "streams",
        "read": "streams",
        "topics": "topics",
    },
    "Rights": {"policy": "policy", "proposals": "proposals", "approve": "proposals"},
    "This machine": {
        "demo": "demo",
        "doctor": "doctor",
        "cache": "cache",
        "completion": "completion",
    },
}
"""Every verb, in the order of its use, and its module in this folder."""

VERBS = {verb: module for verbs in SECTIONS.values() for verb, module in verbs.items()}


class Verbs(click.Group):
    """Loads a verb's module when the verb is used: a read verb must not wait for the others."""

    def invoke(self, ctx: click.Context) -> object:
        """Run a verb; with --json its error is data, too: an object for each fault, on stdout."""
        try:
            return super().invoke(ctx)
        except (ModelwireError, click.UsageError) as error:
            session: Session | None = ctx.obj
            if session.as_json if session else ctx.params["as_json"]:
                for row in told(error):
                    click.echo(orjson.dumps(row))
            raise

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs."""
        del ctx
        return list(VERBS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs section by section."""
        width = formatter.width - max(map(len, VERBS)) - 6
        for title, verbs in SECTIONS.items():
            commands = ((verb, self.get_command(ctx, verb)) for verb in verbs)
            with formatter.section(title):
                formatter.write_dl([(v, _in_short(c, width)) for v, c in commands if c])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb's command; None for an unknown one, which click reports."""
        del ctx
        if cmd_name not in VERBS:
            return None
        module = import_module(f"modelwire_router.cli.{VERBS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        take_behind(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the verb that is meant; says which an unknown one may be."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = " or ".join(get_close_matches(args[0], VERBS))
            told = f"{error.message} Did you mean {near}?" if near else error.message
            raise click.UsageError(told, error.ctx) from None


def _in_short(command: click.Command, width: int) -> str:
    """Return as much of a verb's first sentence as has room, up to the end of a clause."""
    whole = command.get_short_help_str(limit=1000).rstrip(".")
    ends = [found.start() for found in re.finditer(r"[;:,] ", whole) if found.start() <= width]
    return whole if len(whole) <= width else whole[: max(ends, default=width)]


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
@click.option("--json", "as_json", is_flag=True, help="Data and errors as JSON, an object a line.")
@click.version_option(VERSION, prog_name="modelwire")
@click.pass_context
def modelwire(
    ctx: click.Context, log: str | None, namespace: str, role: str, as_json: bool
) -> None:
    """Ship models to stream processors as data: release, flip, split, undo."""
    ctx.obj = Session(log or "", namespace, as_json=as_json, role=role)


def told(error: ModelwireError | click.UsageError) -> list[dict[str, object]]:
    """Return an error as data, an object for each fault: its code, place, what and mend."""
    if isinstance(error, click.UsageError):
        return [{"code": "E_USAGE", "what": one_line(error.format_message())}]
    if isinstance(error, RejectedFile):
        return [asdict(fault) for fault in error.faults]
    fields = ("code", "what", "where", "expected", "todo")
    return [{field: getattr(error, field) for field in fields}]


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
