"""What every verb shares: the log, the folded state, and how results are printed."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import click
import orjson

from modelwire.clock import SystemClock
from modelwire.control.commands import By, Outcome, me, rehearse, submit
from modelwire.control.reading import fold_log
from modelwire.control.state import State, Verdict
from modelwire_log.contract import Log
from modelwire_log.open import open_log
from modelwire_schemas.control import Body
from modelwire_schemas.errors import Rejected
from modelwire_schemas.names import name

TAKEN_BACK, DEGRADED = 7, 8
"""Exit codes: a rollout was aborted or rolled back; some instances are not where they should be."""


class Session:
    """One call of the command line."""

    def __init__(self, url: str, namespace: str, *, as_json: bool, role: str = "operator") -> None:
        self.url = url
        self.role = role
        self.proposing = False
        self.namespace = name("namespace", namespace)
        self.as_json = as_json
        self._log: Log | None = None

    def log(self) -> Log:
        """Return the log; raises Rejected `E_CONFIG` when none is named."""
        if self._log is None:
            if not self.url:
                raise Rejected(
                    "E_CONFIG",
                    "no log is given",
                    expected="sqlite:///path or kafka://host:port",
                    todo="pass --log, or set MODELWIRE_LOG",
                )
            self._log = open_log(self.url)
            click.get_current_context().call_on_close(self._log.close)
        return self._log

    def state(self) -> State:
        """Return the fold of the control log as it is now."""
        return fold_log(self.log(), self.namespace)

    def now(self, state: State) -> int:
        """Return the present (ms): this machine's, or the newest record's where that is ahead."""
        return max(state.now, SystemClock().now())

    def rehearse(self, body: Body, state: State) -> None:
        """Raise Conflict or Rejected when the fold would not accept a command as things are.

        What is only proposed needs no approval yet.
        """
        if self.proposing:
            state = replace(state, policy=replace(state.policy, approvals=()))
        rehearse(state, body, me(role=self.role)).check()

    def submit(
        self, body: Body, state: State, *, reason: str = "", request_id: str | None = None
    ) -> Outcome:
        """Append a command; raises Conflict or Rejected unless the fold accepts it.

        What the fold would reject anyway is not written at all.
        """
        self.rehearse(body, state)
        by: By = me(reason, role=self.role)
        outcome = submit(self.log(), self.namespace, body, by, state=state, request_id=request_id)
        outcome.verdict.check()
        return outcome

    def made(self, verdict: Verdict, text: str, **more: object) -> None:
        """Print what a command has made: its record, and the revisions of routes, if any."""
        routes = {r.route: r.revision for r in verdict.revisions}
        revisions = ", ".join(f"{r.route}@{r.revision}" for r in verdict.revisions)
        row = {"offset": verdict.offset, "routes": routes, **more}
        self.data(row, f"{text}\nrevision {revisions}" if revisions else text)

    def data(self, row: Mapping[str, Any], text: str) -> None:
        """Print one result: an object with --json, else a line for people."""
        click.echo(orjson.dumps(dict(row), default=str) if self.as_json else text)

    def table(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
        """Print results: an object a line with --json, else a table."""
        if self.as_json:
            for row in rows:
                click.echo(orjson.dumps(dict(row), default=str))
        else:
            click.echo(_aligned(rows, columns), nl=False)

    def say(self, text: str) -> None:
        """Tell people something that is no data: on stderr."""
        click.secho(text, err=True, dim=sys.stderr.isatty() and "NO_COLOR" not in os.environ)


def _aligned(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    lines = [[column.upper() for column in columns]]
    lines += [[_cell(row.get(column)) for column in columns] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        + "\n"
        for line in lines
    )


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
