"""The options of all verbs, where they stand behind the verb: `modelwire status --json`."""

import click

from modelwire_router.cli.session import Session
from modelwire_schemas.names import name


def take_behind(command: click.Command) -> None:
    """Let a verb, or those below it, take the options that stand before verbs."""
    if isinstance(command, click.Group):
        for verb in command.commands.values():
            take_behind(verb)
    elif OPTIONS[0] not in command.params:
        command.params += OPTIONS


def _take(ctx: click.Context, option: click.Parameter, value: str | None) -> None:
    session = ctx.find_object(Session)
    if session is None or not value:
        return
    match option.name:
        case "log":
            session.url = value
        case "namespace":
            session.namespace = name("namespace", value)
        case "role":
            session.role = value
        case _:
            session.as_json = True


def _option(flag: str) -> click.Option:
    return click.Option([flag], expose_value=False, hidden=True, callback=_take)


OPTIONS = (
    click.Option(
        ["--json"],
        is_flag=True,
        expose_value=False,
        callback=_take,
        help="Data and errors as JSON, an object a line.",
    ),
    *map(_option, ("--log", "--namespace", "--role")),
)
