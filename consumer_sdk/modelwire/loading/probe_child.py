"""The process that does one probe: bounded in memory, time and files, with nothing to lose."""

import contextlib
import ctypes
import os
import resource
import signal
import socket
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np

from modelwire.loading import limits, memory, onnx, wire
from modelwire.loading.examine import examine
from modelwire.loading.probe_words import DONE, MESSAGE, Order
from modelwire.loading.verdicts import ProbeRequest
from modelwire_schemas.release import Artifact

SPARE = 512 * 1024 * 1024
"""Bytes that a probe may take beside three times its artifact."""

SMALL = 64 * 1024 * 1024
"""Bytes that it may take beside twice its artifact however little memory is free."""

ANSWER = 256 * 1024 * 1024
"""Bytes that a probe may write, at most."""

PR_SET_PDEATHSIG = 1


def be_the_child(helper: socket.socket, noise: int) -> NoReturn:
    """Wait for an order on the socket, do the probe, write its result, and end."""
    status = 1
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        _let_go(helper.fileno(), noise)
        rehearse()
        message, (request, answer), _, _ = socket.recv_fds(helper, MESSAGE, 2)
        _bound(wire.unpack(Order, message))
        _probe(request, answer)
        helper.send(DONE)
        helper.recv(1)  # to be taken down once nobody waits for a processor
        status = 0
    except BaseException:  # nobody is above us to take it
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def rehearse() -> None:
    """Do once what every probe does: helper and child have then imported and touched it all."""
    limits.memory_free()
    onnx.tiny_session().run(["y"], {"x": np.zeros(2, np.float32)})
    nothing = ProbeRequest(Path("/nowhere"), Artifact("onnx", "packed", "", ()))
    examine(wire.unpack(ProbeRequest, wire.pack(nothing)))


def _probe(request: int, answer: int) -> None:
    content = os.pread(request, os.fstat(request).st_size, 0)
    result = examine(wire.unpack(ProbeRequest, content))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    with open(answer, "wb", closefd=False) as file:
        file.write(wire.pack(replace(result, peak=peak)))


def _let_go(helper: int, noise: int) -> None:
    """Print into `noise`, read nothing, and close what belongs to the helper."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(noise, 1)
    os.dup2(noise, 2)
    for path in list(Path("/proc/self/fd").iterdir()):
        if int(path.name) not in (0, 1, 2, helper):
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
