"""The warm process that forks a child for each probe, bounds it, and tells how it ended.

It knows nothing of what is asked: the child reads that from a file that came with the message.
It ends when the application that started it ends.
"""

import contextlib
import gc
import os
import resource
import select
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from modelwire.loading import limits, memory, onnx, wire
from modelwire.loading.examine import examine
from modelwire.loading.verdicts import ProbeRequest

MESSAGE = 64 * 1024
"""Bytes of a message in either direction, at most."""

SPARE = 512 * 1024 * 1024
"""Bytes that a probe may take beside three times its artifact."""

SMALL = 64 * 1024 * 1024
"""Bytes that it may take beside twice its artifact however little memory is free."""

ANSWER = 256 * 1024 * 1024
"""Bytes that a probe may write, at most."""

NOISE = 2000
"""Bytes from the end of what a probe printed that are told."""


@dataclass(frozen=True, slots=True)
class Order:
    """A probe's bounds: seconds on the clock, threads, and the bytes of its artifact."""

    seconds: float
    threads: int
    size: int


@dataclass(frozen=True, slots=True)
class Ending:
    """How a probe's process ended: its exit code, or the signal's number below 0.

    `peak` is its largest resident size in bytes; `noise` the end of what it printed.
    """

    status: int
    timed_out: bool
    peak: int
    noise: str


def main(handle: int, scratch: str) -> None:
    """Serve probes on the socket `handle` until the application is gone."""
    _enter_nowhere(scratch)
    with contextlib.suppress(ImportError):
        onnx.tiny_session()
    gc.freeze()
    with socket.socket(fileno=handle) as application:
        while True:
            message, descriptors, _, _ = socket.recv_fds(application, MESSAGE, 2)
            if not message:
                return
            ending = _serve(application, wire.unpack(Order, message), descriptors)
            if ending is None:
                return
            application.send(wire.pack(ending))


def _serve(application: socket.socket, order: Order, descriptors: Sequence[int]) -> Ending | None:
    """Run one probe; None when the application went away meanwhile."""
    noise = os.memfd_create("noise")
    try:
        child = os.fork()
        if child == 0:
            _be_the_child(order, descriptors, noise)
        return _watch(application, child, order.seconds, noise)
    finally:
        for descriptor in (*descriptors, noise):
            os.close(descriptor)


def _watch(application: socket.socket, child: int, seconds: float, noise: int) -> Ending | None:
    pidfd = os.pidfd_open(child)
    try:
        ready, _, _ = select.select([pidfd, application.fileno()], [], [], seconds)
    finally:
        os.close(pidfd)
        _kill(child)
    _, status, usage = os.wait4(child, 0)
    if application.fileno() in ready:
        return None
    return Ending(
        status=os.waitstatus_to_exitcode(status),
        timed_out=not ready,
        peak=usage.ru_maxrss * 1024,
        noise=_tail(noise),
    )


def _kill(child: int) -> None:
    """End the child and all that it started; before it has its own session it is alone."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(child, signal.SIGKILL)


def _be_the_child(order: Order, descriptors: Sequence[int], noise: int) -> NoReturn:
    """Do the probe, write its result, and end."""
    status = 1
    try:
        os.setsid()
        request, answer = descriptors
        _keep_open(request, answer, noise)
        _bound(order)
        content = os.pread(request, os.fstat(request).st_size, 0)
        result = wire.pack(examine(wire.unpack(ProbeRequest, content)))
        with open(answer, "wb", closefd=False) as file:
            file.write(result)
        status = 0
    except BaseException:  # nobody is above us to take it
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _keep_open(request: int, answer: int, noise: int) -> None:
    """Print into `noise`, read nothing, and let go of everything else, the socket first of all."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(noise, 1)
    os.dup2(noise, 2)
    for path in list(Path("/proc/self/fd").iterdir()):
        if int(path.name) not in (0, 1, 2, request, answer):
            with contextlib.suppress(OSError):
                os.close(int(path.name))


def _bound(order: Order) -> None:
    room = min(3 * order.size + SPARE, max(limits.memory_free() * 4 // 5, 2 * order.size + SMALL))
    processor = int(order.seconds * order.threads) + 2
    _limit(resource.RLIMIT_AS, memory.virtual_bytes() + room)
    _limit(resource.RLIMIT_CPU, processor, processor + 5)
    _limit(resource.RLIMIT_FSIZE, ANSWER)
    _limit(resource.RLIMIT_NOFILE, 64)
    _limit(resource.RLIMIT_CORE, 0)
    with contextlib.suppress(OSError):
        # When memory runs out it is the probe that has to go, not the application.
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _limit(kind: int, soft: int, hard: int | None = None) -> None:
    most = resource.getrlimit(kind)[1]
    wanted = (soft, soft if hard is None else hard)
    if most != resource.RLIM_INFINITY:
        wanted = (min(wanted[0], most), min(wanted[1], most))
    resource.setrlimit(kind, wanted)


def _tail(noise: int) -> str:
    size = os.fstat(noise).st_size
    return os.pread(noise, NOISE, max(0, size - NOISE)).decode("utf-8", "replace")


def _enter_nowhere(scratch: str) -> None:
    """Go to a folder that is empty and stays so, since it has no name any more."""
    for parent in (scratch or None, None):
        with contextlib.suppress(OSError):
            folder = tempfile.mkdtemp(dir=parent, prefix="modelwire-probe-")
            os.chdir(folder)
            Path(folder).rmdir()
            return
    os.chdir("/proc/self/task")
