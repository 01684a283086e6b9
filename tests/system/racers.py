"""An operator in a process of its own, who changes a route when told to."""

import sys

from modelwire.control.commands import By, submit
from modelwire.control.reading import fold_log
from modelwire_log.open import open_log
from tests.consumer_sdk.control.making import ROUTE, change
from tests.processes import say


def race(url: str, namespace: str, author: str) -> None:
    """For every "VERSION REVISION" that comes in, look, say so, and change the route on "go"."""
    with open_log(url) as log:
        state = fold_log(log, namespace)
        say("ready")
        for line in sys.stdin:
            version, revision = line.split()
            state = fold_log(log, namespace, state=state)
            assert state.routes[ROUTE].head.revision == int(revision)
            say("looked")
            assert sys.stdin.readline().strip() == "go"
            body = change(version, int(revision))
            outcome = submit(log, namespace, body, By(author, "a race"), state=state)
            state, verdict = outcome.state, outcome.verdict
            say(verdict.code or "won", verdict.offset, verdict.winner)
