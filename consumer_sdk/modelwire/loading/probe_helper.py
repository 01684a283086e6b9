"""The warm process that keeps a child ready for the next probe, and tells how each one ended.

It knows nothing of what is asked: the child reads that from a file that comes with the order. It
ends when the application that started it ends.
"""

import contextlib
import gc
import os
import resource
import select
import signal
import socket
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from modelwire.loading import wire
from modelwire.loading.probe_child import be_the_child, rehearse
from modelwire.loading.probe_words import DONE, MESSAGE, Ending, Order

REST = 0.02
"""Seconds in which whoever waited for the answer has the processors for itself."""

NOISE = 2000
"""Bytes from the end of what a probe printed that are told."""


class Child:
    """A child that waits for its order: forked ahead, since a fork takes as long as a probe."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._noise = os.memfd_create("noise")
        self._reaped = False
        self._pid = os.fork()
        if self._pid == 0:
            be_the_child(theirs, self._noise)
        theirs.close()
        self._pidfd = os.pidfd_open(self._pid)

    def gone(self) -> bool:
        """Tell whether it ended while it waited."""
        return bool(select.select([self._pidfd], [], [], 0)[0])

    def probe(self, order: bytes, files: Sequence[int], application: int) -> Ending | None:
        """Have the probe done; None when the application went away meanwhile."""
        with contextlib.suppress(OSError):
            socket.send_fds(self._socket, [order], list(files))
        end = time.monotonic() + wire.unpack(Order, order).seconds
        watched = [self._socket.fileno(), self._pidfd, application]
        while ready := select.select(watched, [], [], max(0.0, end - time.monotonic()))[0]:
            if application in ready:
                return None
            if self._socket.fileno() not in ready:
                break
            if self._socket.recv(len(DONE)) == DONE:
                return Ending(0, timed_out=False, peak=0, noise=self._said())
            watched.remove(self._socket.fileno())
        return self._how_it_ended(timed_out=not ready)

    def close(self) -> None:
        """End it and all that it started, and give everything back."""
        if not self._reaped:
            self._reap()
        self._socket.close()
        os.close(self._pidfd)
        os.close(self._noise)

    def _how_it_ended(self, *, timed_out: bool) -> Ending:
        status, usage = self._reap()
        code = os.waitstatus_to_exitcode(status)
        return Ending(code or 1, timed_out, usage.ru_maxrss * 1024, self._said())

    def _reap(self) -> tuple[int, resource.struct_rusage]:
        # Until it is waited for, its number is its own. Before it has its session it is alone,
        # afterwards others may be with it. Who ended already is not changed by a signal.
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(self._pid, signal.SIGKILL)
        _, status, usage = os.wait4(self._pid, 0)
        self._reaped = True
        return status, usage

    def _said(self) -> str:
        size = os.fstat(self._noise).st_size
        return os.pread(self._noise, NOISE, max(0, size - NOISE)).decode("utf-8", "replace")


def main(handle: int, scratch: str) -> None:
    """Serve probes on the socket `handle` until the application is gone."""
    _enter_nowhere(scratch)
    rehearse()
    gc.freeze()
    with socket.socket(fileno=handle) as application:
        while True:
            child = Child()
            try:
                message, files, _, _ = socket.recv_fds(application, MESSAGE, 2)
                if not message:
                    return
                if child.gone():
                    child.close()
                    child = Child()
                ending = child.probe(message, files, application.fileno())
                if ending is None:
                    return
                application.send(wire.pack(ending))
                for descriptor in files:
                    os.close(descriptor)
                select.select([application], [], [], REST)
            finally:
                child.close()


def _enter_nowhere(scratch: str) -> None:
    """Go to a folder that is empty and stays so, since it has no name any more."""
    for parent in (scratch or None, None):
        with contextlib.suppress(OSError):
            folder = tempfile.mkdtemp(dir=parent, prefix="modelwire-probe-")
            os.chdir(folder)
            Path(folder).rmdir()
            return
    os.chdir("/proc/self/task")
