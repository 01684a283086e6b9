"""How a process hears that another one appended: a file beside the log that each writer closes.

The `-wal` file itself would be too early: under `synchronous=FULL` it is written before the commit
can be seen, and nothing follows. So writers open the notice file before a transaction, hold its
lock (they take turns), and close it afterwards; the closing wakes whoever waits.
"""

import contextlib
import ctypes
import fcntl
import os
import select
import threading
import time
from collections.abc import Generator
from pathlib import Path

WITHOUT_INOTIFY_S = 0.003
"""How often a waiter looks for itself where the system has no inotify."""
IN_CLOSE_WRITE = 0x8
EVENTS = 4096


def notice_file(path: Path) -> Path:
    """Return the notice file of a log file."""
    return path.with_name(path.name + "-notice")


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)


@contextlib.contextmanager
def turn(path: Path, timeout: float) -> Generator[bool]:
    """Take turns with other writers, and tell everybody at the end; False: it took too long.

    SQLite's own waiting sleeps and retries, and a busy writer starves the others.
    """
    try:
        descriptor = _open(path)
    except OSError:  # a full or read-only disk: the transaction will say it better
        yield True
        return
    if _lock(descriptor, timeout):
        try:
            yield True
        finally:
            os.close(descriptor)
    else:
        yield False


def _lock(descriptor: int, timeout: float) -> bool:
    """Lock within `timeout`; on False the descriptor is no longer the caller's."""
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return _Doorman(descriptor).wait(timeout)


class _Doorman:
    """Waits for a lock in a thread of its own, since flock itself knows no timeout."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._mine = threading.Lock()
        self._open = threading.Event()
        self._gone = False
        threading.Thread(target=self._stand, name="modelwire-log-turn", daemon=True).start()

    def wait(self, timeout: float) -> bool:
        self._open.wait(timeout)
        with self._mine:
            self._gone = not self._open.is_set()
            return not self._gone

    def _stand(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        with self._mine:
            if self._gone:
                os.close(self._descriptor)
            self._open.set()


class Ear:
    """Hears the notices of one log file for all threads of a process.

    One of the waiting threads listens for all, so that no thread is needed when nobody waits.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._news = threading.Condition()
        self._heard = 0
        self._listening = False
        self._closed = False
        self._watching = False
        self._watch = Watch()

    def mark(self) -> int:
        """Return how many notices were heard; whatever is appended from now on counts on top."""
        with self._news:
            if not self._watching and not self._closed:
                self._watching = self._watch.add(self._path)
            return self._heard

    def listen(self, mark: int, timeout: float) -> None:
        """Return once something was heard since `mark`, at the latest after `timeout` s.

        Where there is no inotify, return after some milliseconds: the caller looks for itself.
        """
        deadline = time.monotonic() + timeout
        with self._news:
            while self._heard == mark and (left := deadline - time.monotonic()) > 0:
                if self._listening:
                    self._news.wait(left)
                elif self._watch.descriptor < 0:
                    self._news.wait(min(left, WITHOUT_INOTIFY_S))
                    return
                else:
                    self._listen(left)

    def _listen(self, timeout: float) -> None:
        self._listening = True
        self._news.release()
        try:
            heard = self._watch.wait(timeout)
        finally:
            self._news.acquire()
            self._listening = False
            if self._closed:
                self._watch.close()
        self._heard += heard
        self._watching = heard  # after a silence: the file may be another one by now
        self._news.notify_all()

    def leave_behind(self) -> None:
        """Let go of what was inherited by a fork; no other thread came along."""
        self._watch.close()

    def close(self) -> None:
        """Give the watch back; a thread that listens does it when it comes out."""
        with self._news:
            self._closed = True
            if not self._listening:
                self._watch.close()


class Watch:
    """An inotify watch; `descriptor` is -1 where the system gives none."""

    def __init__(self) -> None:
        self.descriptor = -1
        self._libc: ctypes.CDLL | None = None
        self._poll = select.poll()

    def add(self, path: Path) -> bool:
        """Watch the file, as often as one likes; False if it is not there (a writer makes it)."""
        if self._libc is None:
            self._libc = ctypes.CDLL(None)
            if hasattr(self._libc, "inotify_init1"):
                self.descriptor = self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
            if self.descriptor >= 0:
                self._poll.register(self.descriptor, select.POLLIN)
        if self.descriptor < 0:
            return False
        name = os.fsencode(path)
        return bool(self._libc.inotify_add_watch(self.descriptor, name, IN_CLOSE_WRITE) >= 0)

    def wait(self, timeout: float) -> bool:
        """Return whether something was written within `timeout` s."""
        heard = bool(self._poll.poll(timeout * 1000))
        if heard:
            os.read(self.descriptor, EVENTS)
        return heard

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = -1
