"""Controllers that run beside a test."""

import threading
from collections.abc import Generator
from contextlib import contextmanager

from modelwire.clock import Clock
from modelwire_router.controller import Controller
from tests.world import NAMESPACE, World


@contextmanager
def controllers(
    world: World, count: int = 1, *, secret: bytes = b"", clock: Clock | None = None
) -> Generator[list[Controller]]:
    running = [
        Controller(world.log, NAMESPACE, every=0.05, secret=secret, clock=clock)
        for _ in range(count)
    ]
    threads = [threading.Thread(target=c.run) for c in running]
    for thread in threads:
        thread.start()
    try:
        yield running
    finally:
        for controller in running:
            controller.stop()
        for thread in threads:
            thread.join()
