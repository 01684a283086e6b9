"""An operator in a process of their own, who is told from which revision to change a route."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout

from modelwire_router.cli.main import run
from tests.processes import say


def race(url: str, file: str) -> None:
    """Apply a document for every revision that comes in; say the exit code and the error."""
    say("ready")
    for revision in sys.stdin:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            words = ["apply", "-f", file, "--expect-revision", revision.strip()]
            code = run(["--log", url, *words])
        say(code, err.getvalue().splitlines()[0] if code else "")
