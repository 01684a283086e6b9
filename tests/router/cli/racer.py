"""Operators in processes of their own: two who race, one without rights."""

import io
import os
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout

from modelwire_router.cli.main import run
from tests.processes import say

NOBODY = 65534


def race(url: str, file: str) -> None:
    """Apply a document for every revision that comes in; say the exit code and the error."""
    say("ready")
    for revision in sys.stdin:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            words = ["apply", "-f", file, "--expect-revision", revision.strip()]
            code = run(["--log", url, *words])
        say(code, err.getvalue().splitlines()[0] if code else "")


def as_nobody(url: str, *words: str) -> None:
    """Run a verb as a user without rights; what it needs is imported before."""
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        run(["--log", f"sqlite:///{folder}/x.db", *words])
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    sys.exit(run(["--log", url, *words]))
