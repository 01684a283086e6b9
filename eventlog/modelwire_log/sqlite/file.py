"""A log file as one process has it open: two connections, their locks, and whether it is there."""

import contextlib
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import quote

from modelwire_log.sqlite.errors import gone, is_lasting, told, unavailable
from modelwire_log.sqlite.notice import Ear, notice_file, turn
from modelwire_log.sqlite.schema import is_made, make
from modelwire_schemas.errors import Unavailable

LOOK_S = 0.1
"""How often the file is looked for under its name."""
WAL_BYTES = 64 * 1024 * 1024
"""How much of a `-wal` file is kept after a checkpoint."""


class Link:
    """A connection that one thread uses at a time."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.raw: sqlite3.Connection | None = None
        self.epoch = 0
        self._settings: dict[str, object] = {}

    def set(self, setting: str, value: object) -> None:
        """Give a PRAGMA a value, unless it has it."""
        if self.raw is not None and self._settings.get(setting) != value:
            self.raw.execute(f"PRAGMA {setting}={value}")
            self._settings[setting] = value

    def close(self) -> None:
        if self.raw is not None:
            self.raw.close()
        self.raw = None
        self._settings.clear()


class LogFile:
    """Opens when asked, and again after the file was away, but never another log in its place.

    Nothing of it crosses a fork: all connections of the process are closed before (SQLite keeps
    books of a process's locks, which would be wrong in the child) and come back when asked.
    """

    def __init__(self, path: Path, *, make: bool = True) -> None:
        self.path = path
        self._make = make
        self._name = str(path)
        self.ear = Ear(notice_file(path))
        self.after_fork: list[Callable[[], None]] = []
        self.links = (Link(), Link())
        self._reader, self._writer = self.links
        self._log_id = ""
        self._inode = (0, 0)
        self._epoch = 0
        self._looked = 0.0
        self._closed = False
        _files.add(self)

    def read(
        self, timeout: float, *, look: bool = False
    ) -> AbstractContextManager[sqlite3.Connection]:
        """Lend the connection for reading; with `look` the file is sure to be there now."""
        return self._lent(self._reader, timeout, look=look)

    @contextmanager
    def write(self, timeout: float, *, durable: bool) -> Generator[sqlite3.Connection]:
        """Run one transaction; with `durable` it survives the death of the machine."""
        deadline = time.monotonic() + timeout
        with (
            self._lent(self._writer, timeout) as connection,
            turn(notice_file(self.path), deadline - time.monotonic()) as mine,
        ):
            if not mine:
                raise unavailable(self.path, "other processes keep writing", "see who, by `lsof`")
            self._writer.set("synchronous", "FULL" if durable else "NORMAL")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    connection.rollback()
                raise

    def close(self) -> None:
        """Close for good."""
        self._closed = True
        for link in self.links:
            with link.lock:
                link.close()
        self.ear.close()

    @contextmanager
    def _lent(
        self, link: Link, timeout: float, *, look: bool = False
    ) -> Generator[sqlite3.Connection]:
        """Lend a connection to one thread, and tell SQLite's errors in our words."""
        if not link.lock.acquire(timeout=max(timeout, 0)):
            raise unavailable(self.path, "this process keeps it busy", "see what it writes")
        try:
            yield self._ready(link, timeout, look=look)
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            if is_lasting(error):
                link.close()
            raise told(error, self.path) from None
        finally:
            link.lock.release()

    def _ready(self, link: Link, timeout: float, *, look: bool) -> sqlite3.Connection:
        self._look(now=look or link.raw is None)
        if link.raw is None or link.epoch != self._epoch:
            link.close()
            link.raw = self._connect(timeout)
            link.epoch = self._epoch
        link.set("busy_timeout", int(max(timeout, 0) * 1000))
        return link.raw

    def _look(self, *, now: bool) -> None:
        """Notice that the file is gone, or is another one than before."""
        if self._closed:
            raise Unavailable("E_LOG_CLOSED", f"the log {self.path} was closed", todo="open it")
        if not now and time.monotonic() - self._looked < LOOK_S:
            return
        inode = self._inode_now()
        if inode != self._inode:
            self._inode = inode
            self._epoch += 1
        self._looked = time.monotonic()

    def _inode_now(self) -> tuple[int, int]:
        try:
            state = os.stat(self._name)  # noqa: PTH116 - asked with every read
        except OSError:
            return (0, 0)
        return (state.st_dev, state.st_ino)

    def _connect(self, timeout: float) -> sqlite3.Connection:
        there = self.path.exists()
        if not there:
            self._may_make()
        connection = sqlite3.connect(
            f"file:{quote(str(self.path))}?mode={'rw' if there else 'rwc'}",
            uri=True,
            timeout=timeout,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute(f"PRAGMA journal_size_limit={WAL_BYTES}")
            if not is_made(connection, self.path):
                with turn(notice_file(self.path), timeout):
                    make(connection, self.path)
            self._recognise(connection)
        except BaseException:
            connection.close()
            raise
        self._inode = self._inode_now()
        return connection

    def _may_make(self) -> None:
        if self._log_id:
            raise gone(self.path)
        if not self._make:
            raise unavailable(self.path, "there is no log file", "publish, or put the file back")
        if not self.path.parent.is_dir():
            raise unavailable(
                self.path, f"there is no folder {self.path.parent}", "make the folder"
            )
        if self.path.with_name(self.path.name + "-wal").exists():
            raise unavailable(
                self.path,
                "the file is gone, but its -wal file with the newest records is there",
                "put the file back, or remove the -wal file as well",
            )

    def _recognise(self, connection: sqlite3.Connection) -> None:
        log_id: str = connection.execute("SELECT id FROM log").fetchone()[0]
        if self._log_id and log_id != self._log_id:
            raise Unavailable(
                "E_LOG_REPLACED",
                f"{self.path} is another log than the one that was open",
                expected=f"log {self._log_id}",
                todo="put the old file back, or restart to take the new one",
            )
        self._log_id = log_id


_files: weakref.WeakSet[LogFile] = weakref.WeakSet()


def _before_fork() -> None:
    for file in list(_files):
        for link in file.links:
            link.lock.acquire()
            link.close()


def _after_in_parent() -> None:
    for file in list(_files):
        for link in file.links:
            link.lock.release()


def _after_in_child() -> None:
    for file in list(_files):
        for link in file.links:
            link.lock.release()
        file.ear.leave_behind()
        file.ear = Ear(notice_file(file.path))
        for forget in file.after_fork:
            forget()


os.register_at_fork(
    before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child
)
