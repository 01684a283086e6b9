"""Waiting for a condition with a deadline: what tests do instead of sleeping."""

import threading
import time
from collections.abc import Callable


def eventually(
    condition: Callable[[], object], *, within: float = 10.0, what: str = "the condition"
) -> None:
    """Return as soon as `condition()` is true; fail the test after `within` seconds."""
    deadline = time.monotonic() + within
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {within:g} s for {what}")
        pause.wait(0.01)
