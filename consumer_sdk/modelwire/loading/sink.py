"""A file of an artifact on its way to disk: never too long, hashed while it is written."""

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from modelwire.loading.files import full_disk_told
from modelwire_schemas.errors import Corrupt
from modelwire_schemas.release import ArtifactFile

PIECE = 8 * 1024 * 1024
"""Bytes hashed or copied at a time; each piece costs one fight for the interpreter lock."""

Progress: TypeAlias = Callable[[int], None]
"""Told how many bytes came in."""


class Sink:
    """Takes a file's bytes in order; `finish` says whether they were the released ones.

    A second thread hashes what lies in the file so far, so that a large file is hashed while it
    is written, and what is hashed is what will be loaded.
    """

    def __init__(self, path: Path, file: ArtifactFile, progress: Progress) -> None:
        self._path = path
        self._file = file
        self._progress = progress
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._follower = _Follower(self._handle)
        self._written = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append `data`; raises Corrupt `E_SIZE` beyond the released size."""
        self._expect(len(data))
        rest = memoryview(data)
        with full_disk_told(self._path):
            while rest:
                rest = rest[os.write(self._handle, rest) :]
        self._arrived(len(data))

    def copy(self, source: int) -> None:
        """Append the rest of an open file, from kernel to kernel."""
        while True:
            # One byte more than is released shows that the source is too long.
            wanted = min(PIECE, self._file.size - self._written + 1)
            with full_disk_told(self._path):
                count = os.sendfile(self._handle, source, self._written, wanted)
            if not count:
                return
            self._expect(count)
            self._arrived(count)

    def finish(self) -> None:
        """Raise Corrupt `E_SIZE` or `E_DIGEST` unless all bytes came in, and the right ones."""
        if self._written != self._file.size:
            raise self._wrong_size(f"{self._written:,} bytes")
        found = self._follower.finish()
        if found != self._file.sha256:
            raise Corrupt(
                "E_DIGEST",
                f"the bytes have sha256 {found}",
                where=self._file.name,
                expected=self._file.sha256,
                todo="the artifact was damaged or replaced on its way; publish it again",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._follower.stop()
        os.close(self._handle)

    def _expect(self, count: int) -> None:
        if self._written + count > self._file.size:
            raise self._wrong_size("there are more bytes than were released")

    def _arrived(self, count: int) -> None:
        self._written += count
        self._follower.go_to(self._written)
        self._progress(count)

    def _wrong_size(self, what: str) -> Corrupt:
        return Corrupt(
            "E_SIZE",
            what,
            where=self._file.name,
            expected=f"{self._file.size:,} bytes",
            todo="the artifact was cut or replaced on its way; publish it again",
        )


class _Follower:
    """Hashes a growing file, behind its writer; a small file needs no thread for that."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._sha256 = hashlib.sha256()
        self._hashed = 0
        self._ready = 0
        self._ended = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def go_to(self, end: int) -> None:
        """Say that the file reaches up to `end`."""
        with self._changed:
            self._ready = end
            self._changed.notify()
        if self._thread is None and end > PIECE:
            self._thread = threading.Thread(target=self._follow, name="modelwire-hash", daemon=True)
            self._thread.start()

    def finish(self) -> str:
        """Return the sha256 of everything."""
        self.stop()
        self._hash_up_to(self._ready)
        return self._sha256.hexdigest()

    def stop(self) -> None:
        """End the thread, once it has hashed what is there; idempotent."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _follow(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ended or self._ready >= self._hashed + PIECE)
                ready, ended = self._ready, self._ended
            self._hash_up_to(ready)
            if ended:
                return

    def _hash_up_to(self, end: int) -> None:
        buffer = memoryview(bytearray(min(PIECE, end - self._hashed)))
        while self._hashed < end:
            count = os.preadv(self._handle, [buffer[: end - self._hashed]], self._hashed)
            self._sha256.update(buffer[:count])
            self._hashed += count
