"""Small steps on files that all or nothing depends on: whole writes, locks, room."""

import contextlib
import errno
import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Generator
from pathlib import Path

from modelwire_schemas.errors import Unavailable

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def write_whole(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Write a file so that a reader sees the old content or the new, whoever dies meanwhile.

    That the machine does not die meanwhile is presumed, unless it shall be `durable`.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync(path.parent)


def sync(path: Path) -> None:
    """Make a file's content, or the names in a folder, outlive the machine."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def check_room(folder: Path, size: int) -> None:
    """Raise Unavailable `E_NO_SPACE` when `size` bytes do not fit on the disk of `folder`."""
    free = shutil.disk_usage(folder).free
    if free < size:
        raise no_space(folder, f"{size:,} bytes are wanted and {free:,} are free")


def no_space(folder: Path, what: str) -> Unavailable:
    """Return the error for a full disk."""
    return Unavailable(
        "E_NO_SPACE", what, where=str(folder), todo="make room, or run `modelwire cache prune`"
    )


@contextlib.contextmanager
def full_disk_told(folder: Path) -> Generator[None]:
    """Turn the system's errors for a full disk into Unavailable `E_NO_SPACE`."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise no_space(folder, error.strerror or "the disk is full") from None
        raise


@contextlib.contextmanager
def locked(path: Path, timeout: float) -> Generator[bool]:
    """Hold the lock file `path` against other threads and processes; True when it was got.

    After `timeout` seconds go on without it: the holder may be stopped for ever, and what the
    lock guards is doubled work, not truth. A holder that dies lets go of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield _wait_for(handle, timeout)
    finally:
        # A child that was forked meanwhile has the file open, too, and would hold on to the lock.
        fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)


def try_lock(handle: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Take a lock on an open file if nobody is in the way."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _wait_for(handle: int, timeout: float) -> bool:
    started = time.monotonic()
    while not try_lock(handle):
        waited = time.monotonic() - started
        if waited > timeout:
            return False
        time.sleep(0.001 if waited < 0.2 else 0.02)
    return True
