"""Free ports for servers that must keep theirs over a restart."""

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack


def free_ports(count: int) -> list[int]:
    """Return `count` different ports of 127.0.0.1 on which nobody listens.

    They lie below the range that the kernel hands to outgoing connections: while the server
    is away, a client that keeps dialling cannot be given the server's own port.
    """
    with ExitStack() as held:
        candidates = _candidates(held)
        return [next(candidates) for _ in range(count)]


def _candidates(held: ExitStack) -> Iterator[int]:
    for port in random.sample(range(15_000, 32_000), k=1_000):
        probe = held.enter_context(socket.socket())
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        yield port
