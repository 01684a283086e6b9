"""Whether a member of a group lives: its process is there, and its heart beats.

All processes of a log file share a machine, and so its monotonic clock.
"""

import contextlib
import os
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from modelwire_log.sqlite.file import LogFile
from modelwire_schemas.errors import ModelwireError

BEATS_IN_A_SESSION = 3


@dataclass(frozen=True, slots=True)
class Life:
    """Who a member is as a process; `space` is the pid namespace that the pid belongs to."""

    space: str
    pid: int
    started: int

    def is_over(self) -> bool:
        """Return whether the process is known to have ended."""
        if self.space != pid_space():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        return _started(self.pid) not in {self.started, UNKNOWN}


UNKNOWN = -1
GONE = -2


def this_life() -> Life:
    """Return the life of this process."""
    return Life(pid_space(), os.getpid(), _started(os.getpid()))


@lru_cache(maxsize=1)
def pid_space() -> str:
    """Return the pid namespace of this process."""
    with contextlib.suppress(OSError):
        return str(Path("/proc/self/ns/pid").readlink())
    return "one"


def _started(pid: int) -> int:
    """Return when a process started (ticks since boot), GONE for a zombie, UNKNOWN if untold."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return UNKNOWN
    return GONE if fields[0] in "ZX" else int(fields[19])


def now_ms() -> int:
    """Return the machine's monotonic time in ms."""
    return time.monotonic_ns() // 1_000_000


class Heart:
    """Beats for all members of one log and process, however long they work on a batch."""

    def __init__(self, file: LogFile, session: float) -> None:
        self.session_ms = int(session * 1000)
        self._file = file
        self._members: dict[str, str] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        file.after_fork.append(self._forget)

    def add(self, token: str, member: str) -> None:
        self._members[token] = member
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(
                target=self._beat, name="modelwire-log-heart", daemon=True
            )
            self._thread.start()

    def remove(self, token: str) -> None:
        self._members.pop(token, None)

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._forget()

    def _forget(self) -> None:
        self._members.clear()
        self._thread = None

    def _beat(self) -> None:
        every = self.session_ms / 1000 / BEATS_IN_A_SESSION
        while not self._stop.wait(every):
            beats = [(now_ms(), member) for member in list(self._members.values())]
            with contextlib.suppress(ModelwireError):  # it is tried again soon
                if beats:
                    with self._file.write(every, durable=False) as connection:
                        connection.executemany("UPDATE members SET beat = ? WHERE id = ?", beats)
