"""A file, read once into a folder of our own: what is checked is what is sent."""

import contextlib
import os
import stat
from collections.abc import Callable, Generator
from pathlib import Path
from typing import NamedTuple

from modelwire.loading.files import check_room, full_disk_told
from modelwire_schemas.errors import NotFound, Rejected, Unavailable

PIECE = 8 * 1024 * 1024
"""Bytes that move at a time, and between two words on how far it is."""

MOST = 4 * 1024**3
"""Bytes of the largest file that is published."""

LOOK = "look for it with ls"
"""What to do about a file that is not there."""


class Opened(NamedTuple):
    """An open file of the publisher's: where, its handle, what it was when it was opened."""

    path: Path
    handle: int
    found: os.stat_result

    @property
    def size(self) -> int:
        """Return its bytes."""
        return self.found.st_size


@contextlib.contextmanager
def opened(path: Path) -> Generator[Opened]:
    """Open a regular file of fair size; raises NotFound, Rejected or Unavailable."""
    handle = _open(path)
    try:
        found = os.fstat(handle)
        _check(path, found)
        yield Opened(path, handle, found)
    finally:
        os.close(handle)


def copy(source: Opened, target: Path, told: Callable[[int], None]) -> None:
    """Copy an open file to `target`, by the kernel; `told` hears of bytes done.

    Raises Unavailable `E_CHANGED` when somebody writes the file meanwhile, `E_NO_SPACE`.
    """
    path, handle, before = source
    check_room(target.parent, before.st_size)
    done = 0
    with full_disk_told(target.parent), target.open("xb", 0) as writing:
        while done < before.st_size:
            wanted = min(PIECE, before.st_size - done)
            count = os.sendfile(writing.fileno(), handle, done, wanted)
            if not count:
                break
            done += count
            told(count)
    after = os.fstat(handle)
    if done != before.st_size or _stamp(before) != _stamp(after):
        raise Unavailable(
            "E_CHANGED",
            "the file changed while it was read",
            where=str(path),
            expected="a file that nobody writes any more",
            todo="write it under another name and rename it into place",
        )


def _open(path: Path) -> int:
    try:
        # Without O_NONBLOCK a pipe would keep us waiting for its writer.
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound("E_NO_FILE", "there is no such file", where=str(path), todo=LOOK) from None
    except ValueError:
        named = repr(str(path))
        raise NotFound("E_NO_FILE", "no file has such a name", where=named, todo=LOOK) from None
    except OSError as error:
        raise Unavailable(
            "E_READ",
            f"the file cannot be read: {error.strerror}",
            where=str(path),
            todo="give the user who publishes the right to read it",
        ) from None


def _check(path: Path, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise Rejected("E_NOT_FILE", "this is a folder", where=str(path), expected="a file")
    if not stat.S_ISREG(found.st_mode):
        raise Rejected(
            "E_NOT_REGULAR", "this is a pipe or a device", where=str(path), expected="a plain file"
        )
    if not found.st_size:
        raise Rejected("E_EMPTY", "the file is empty", where=str(path), expected="content")
    if found.st_size > MOST:
        raise Rejected(
            "E_TOO_BIG",
            f"the file has {found.st_size:,} bytes",
            where=str(path),
            expected=f"at most {MOST:,}",
        )


def _stamp(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns
