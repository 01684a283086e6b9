"""Giving memory back gently: mapped pages in pieces, the heap's spare pages."""

import ctypes
import mmap
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PIECE = 8 * 1024 * 1024
"""Bytes advised away at a time: the kernel holds the process's memory lock meanwhile."""

PAUSE = 0.0005
"""Seconds between two pieces, in which other threads get the lock."""

_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r\S* [0-9a-f]+ \S+ \d+\s+(/.*)")


@dataclass(frozen=True, slots=True)
class Mapping:
    """Where a file lies in this process's memory, bytes."""

    start: int
    end: int


def release_mapped(files: Iterable[Path], pause: float = PAUSE) -> int:
    """Give back the pages of mapped read-only files; return how many bytes were mapped.

    The files must be mapped by nobody who wrote to the mapping. Who still uses it reads its pages
    again from the file. Afterwards a destructor has next to nothing left to do.
    """
    total = 0
    for mapping in _mappings({str(file) for file in files}):
        total += mapping.end - mapping.start
        for start in range(mapping.start, mapping.end, PIECE):
            length = min(PIECE, mapping.end - start)
            _libc().madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), mmap.MADV_DONTNEED)
            time.sleep(pause)
    return total


def trim() -> None:
    """Give the heap's unused pages back to the system, where the C library can."""
    if hasattr(_libc(), "malloc_trim"):
        _libc().malloc_trim(ctypes.c_size_t(0))


def virtual_bytes() -> int:
    """Return the bytes of this process's address space."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    return int(pages) * mmap.PAGESIZE


def _mappings(names: set[str]) -> Iterator[Mapping]:
    with Path("/proc/self/maps").open(encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            match = _MAPPING.match(line.rstrip("\n"))
            if match and match[3] in names:
                yield Mapping(int(match[1], 16), int(match[2], 16))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
