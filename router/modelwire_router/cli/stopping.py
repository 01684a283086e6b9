"""What verbs that run for long share: what they log, and how SIGTERM and Ctrl-C end them."""

import logging
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

import click


def log_to_stderr() -> None:
    """Let people read what is logged while a verb runs: warnings, and what a controller decides."""
    logger, handler = logging.getLogger("modelwire"), logging.StreamHandler()
    written = logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    written.converter = time.gmtime
    handler.setFormatter(written)
    logger.addHandler(handler)
    logging.getLogger("modelwire.controller").setLevel(logging.INFO)
    click.get_current_context().call_on_close(lambda: logger.removeHandler(handler))


def stop_on_signals(end: Callable[[], None]) -> None:
    """Call `end` on SIGTERM and SIGINT, where this is the main thread."""

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        end()

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
