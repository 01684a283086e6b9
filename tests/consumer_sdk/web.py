"""A web application that connects while it is imported, as gunicorn --preload does it."""

import logging
import os
from collections.abc import Callable

import modelwire
from tests.world import ROUTE, event

logging.basicConfig(level=logging.WARNING)
models = modelwire.connect(application="web")
models.route(ROUTE).wait_until_ready(30)


def application(
    environ: dict[str, object], start: Callable[[str, list[tuple[str, str]]], object]
) -> list[bytes]:
    """Answer with who answers: process and version."""
    del environ
    answer = models.route(ROUTE).predict(event())
    start("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {answer.version}".encode()]
