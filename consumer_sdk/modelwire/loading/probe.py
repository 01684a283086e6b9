"""Asking a child process what a model file does, so that no file can harm the application."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

from modelwire.loading import wire
from modelwire.loading.cache import Cache
from modelwire.loading.probe_words import MESSAGE, Ending, Order
from modelwire.loading.verdicts import ProbeRequest, ProbeResult, check_of
from modelwire_schemas.errors import ModelwireError, Unavailable, one_line

SECONDS = 30.0
"""What a small probe may take; each 100 MB add one."""

GRACE = 20.0
"""Seconds beyond the probe's own limit for a busy machine and a helper that has just started."""

BOOT = (
    "import sys; sys.path[:] = sys.argv[3:]; "
    "from modelwire.loading.probe_helper import main; main(int(sys.argv[1]), sys.argv[2])"
)
"""The helper sees the packages that the application sees, wherever those came from."""

PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "LANG", "TZ", "TMPDIR")


class Prober:
    """Owns the warm helper process; one probe at a time, from any thread.

    Needs no `__main__` guard and works in daemonic workers, since the helper is started by exec.
    A child of a fork gets a helper of its own at first use. `scratch` is a folder that may be
    written, for hosts without a temporary one.
    """

    def __init__(self, scratch: Path | None = None, *, seconds: float = SECONDS) -> None:
        self._scratch = "" if scratch is None else str(scratch)
        self._seconds = seconds
        self._lock = threading.Lock()
        self._helper: _Helper | None = None
        self._closed = False
        _all.add(self)

    def start(self) -> None:
        """Start the helper now, so that the first probe need not wait for it; does not block."""
        with self._lock:
            self._running()

    def probe(self, request: ProbeRequest) -> ProbeResult:
        """Return what a probe of the request's files finds; never what kills the probe.

        Blocks for at most the request's `seconds` (30 s and 1 s per 100 MB) and a little. Raises
        Unavailable `E_PROBE` when no helper can be started, or the prober is closed.
        """
        size = request.artifact.size
        bare = replace(request.artifact, inline=(), chunks=(), uri="")
        content = wire.pack(replace(request, artifact=bare, folder=request.folder.absolute()))
        seconds = request.seconds or self._seconds + size / 100_000_000
        order = Order(seconds, request.threads, size)
        with self._lock, _file("request", content) as asked, _file("answer") as answered:
            ending = self._ask(order, asked, answered)
            answer = os.pread(answered, os.fstat(answered).st_size, 0)
        return _result(request, order, ending, answer)

    def close(self) -> None:
        """End the helper; idempotent."""
        with self._lock:
            self._closed = True
            self._end()

    def _ask(self, order: Order, asked: int, answered: int) -> Ending:
        for _ in range(2):
            helper = self._running()
            try:
                return helper.ask(order, asked, answered)
            except (OSError, ValueError):  # it has ended, or does not answer
                self._end()
        raise Unavailable("E_PROBE", "the process for probes ends by itself", todo="see its memory")

    def _running(self) -> "_Helper":
        if self._closed:
            raise Unavailable("E_PROBE", "the prober is closed")
        if self._helper is None:
            self._helper = _Helper(self._scratch)
        return self._helper

    def _end(self) -> None:
        helper, self._helper = self._helper, None
        if helper is not None:
            helper.close()

    def after_fork(self) -> None:
        """Leave the parent's helper to the parent."""
        self._lock = threading.Lock()
        if self._helper is not None:
            self._helper.disown()
            self._helper = None


class _Helper:
    """The process and our end of its socket."""

    def __init__(self, scratch: str) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        path = [str(Path(entry).absolute()) for entry in sys.path]
        command = [_interpreter(), "-I", "-c", BOOT, str(theirs.fileno()), scratch, *path]
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=_environment(),
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            except OSError as error:
                ours.close()
                what = f"no process for probes can be started: {error.strerror}"
                raise Unavailable("E_PROBE", what, where=command[0]) from None
        self._socket = ours

    def ask(self, order: Order, asked: int, answered: int) -> Ending:
        """Have one probe done; raises OSError or ValueError when the helper does not answer."""
        socket.send_fds(self._socket, [wire.pack(order)], [asked, answered])
        self._socket.settimeout(order.seconds + GRACE)
        return wire.unpack(Ending, self._socket.recv(MESSAGE))

    def close(self) -> None:
        """End the process, which sees its socket end; wait for it."""
        self._socket.close()
        try:
            self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def disown(self) -> None:
        """Forget a process that is not our child."""
        self._socket.close()
        self._process.returncode = 0


def probe_once(cache: Cache, prober: Prober, request: ProbeRequest) -> ProbeResult:
    """Return what is known of the request's digest, or probe it; one process of a host does.

    What killed a probe is not tried again by anyone, also not after a restart.
    """
    digest, check = request.artifact.digest, check_of(request)
    runtime = _runtime(request)
    known = cache.verdicts.find(digest, runtime, check)
    if known is not None:
        return known
    with cache.lock(digest):
        known = cache.verdicts.find(digest, runtime, check)
        if known is None:
            known = prober.probe(request)
            cache.verdicts.keep(digest, check, known)
    return known


def _result(request: ProbeRequest, order: Order, ending: Ending, answer: bytes) -> ProbeResult:
    if ending.status == 0 and not ending.timed_out:
        with contextlib.suppress(ValueError):
            return wire.unpack(ProbeResult, answer)
    code, detail = _why(ending, order)
    return ProbeResult(
        ok=False, code=code, detail=one_line(detail), runtime=_runtime(request), peak=ending.peak
    )


def _why(ending: Ending, order: Order) -> tuple[str, str]:
    said = f"; it said: {ending.noise.strip()[-300:]}" if ending.noise.strip() else ""
    if ending.timed_out or ending.status == -signal.SIGXCPU:
        return "E_PROBE_TIMEOUT", f"the probe did not end within {order.seconds:g} s{said}"
    if any(sign in ending.noise for sign in ("bad_alloc", "MemoryError")):
        return "E_PROBE_MEMORY", f"it needs more memory than a probe may take{said}"
    if ending.status == -signal.SIGKILL:
        return "E_PROBE_MEMORY", f"the system killed the probe, most likely for its memory{said}"
    if ending.status < 0:
        return "E_PROBE_CRASH", f"the probe died of {signal.Signals(-ending.status).name}{said}"
    return "E_PROBE_CRASH", f"the probe ended by itself with status {ending.status}{said}"


def _runtime(request: ProbeRequest) -> str:
    from modelwire.loading import formats

    try:
        return formats.find(request.artifact.format).runtime
    except ModelwireError:
        return ""


@contextlib.contextmanager
def _file(name: str, content: bytes = b"") -> Generator[int]:
    handle = os.memfd_create(name)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]
        yield handle
    finally:
        os.close(handle)


def _environment() -> dict[str, str]:
    """Return what the helper may know of ours; one thread, or it could not fork safely."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return kept | {
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "ORT_DISABLE_TELEMETRY": "1",
    }


def _interpreter() -> str:
    """Return a Python of this installation; under some servers `sys.executable` is the server."""
    if Path(sys.executable).name.startswith("python"):
        return sys.executable
    return str(Path(sys.prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}")


def _forget_the_parents() -> None:
    for prober in _all:
        prober.after_fork()


_all: "weakref.WeakSet[Prober]" = weakref.WeakSet()
os.register_at_fork(after_in_child=_forget_the_parents)
