"""How a verb that runs for long ends: on SIGTERM and Ctrl-C, after what is under way."""

import signal
import threading
from collections.abc import Callable
from types import FrameType


def stop_on_signals(end: Callable[[], None]) -> None:
    """Call `end` on SIGTERM and SIGINT, where this is the main thread."""

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        end()

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
