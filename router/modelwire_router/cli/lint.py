"""`modelwire lint`: rollout files, checked before anybody applies them."""

from pathlib import Path
from typing import Any

import click
import orjson

from modelwire.clock import SystemClock
from modelwire_router.cli.session import Session
from modelwire_router.rollout.layers import told
from modelwire_router.rollout.telling import plan_line
from modelwire_router.rollout_file.reading import read_rollouts
from modelwire_router.rollout_file.schema import schema as editors_schema


@click.command()
@click.argument("files", nargs=-1, metavar="FILE…", type=click.Path(path_type=Path))
@click.option("--schema", is_flag=True, help="Print the JSON Schema of rollout files, for editors.")
@click.pass_obj
def lint(session: Session, files: tuple[Path, ...], schema: bool) -> int:
    """Check rollout files: all faults at once, each with its place. Needs no log.

    Templates may stand in any of the files.
    """
    if schema:
        text = orjson.dumps(editors_schema(), option=orjson.OPT_INDENT_2)
        click.echo(text)
        return 0
    if not files:
        raise click.UsageError("name a file, or --schema")
    for wanted in read_rollouts(files, SystemClock().now()):
        plan = wanted.plan
        row: dict[str, Any] = {
            "route": plan.route,
            "namespace": wanted.namespace,
            "strategy": plan.strategy,
            "stable": plan.stable,
            "candidate": plan.candidate,
            "steps": len(plan.steps),
            "layers": [line for line in map(told, plan.rules) if line],
            "holdout": plan.holdout / 100,
        }
        out = f", {plan.holdout / 100:g} % held out" if plan.holdout else ""
        session.data(row, "\n  ".join([f"{plan_line(plan)}{out}", *row["layers"]]))
    return 0
