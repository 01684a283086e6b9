"""Artifacts on this host's disk by digest: whole and verified, or not there."""

import contextlib
import fcntl
import logging
import os
import shutil
import tempfile
import threading
import time
import uuid
import weakref
from collections.abc import Collection, Generator
from dataclasses import dataclass
from pathlib import Path

from modelwire.loading import files, marks, wire
from modelwire.loading.journal import Journal
from modelwire.loading.kept import States
from modelwire.loading.verdicts import Verdicts
from modelwire_schemas import names
from modelwire_schemas.errors import Corrupt, Unavailable
from modelwire_schemas.release import Artifact

logger = logging.getLogger("modelwire.cache")

WAIT = 120.0
"""Seconds to wait for another process that fetches or probes the same digest."""

TOUCH_NS = 60 * 10**9
"""How exactly the last use of an artifact is known."""

ABANDONED_S = 3600
"""Seconds after which half-written files belong to nobody."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An artifact in the cache: bytes, when it was last asked for (ms), whether it must stay."""

    digest: str
    size: int
    last_used: int
    pinned: bool


class Cache:
    """A folder that all consumers of a host share; any thread or process may use it.

    A folder that cannot be written is read, and what is new goes to a private temporary folder:
    one warning, no failure. `verdicts`, `journal` and `states` lie beside the artifacts.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._store = folder if _writable(folder) else self._private(folder)
        self._roots = tuple(dict.fromkeys((self._store, folder)))
        self.verdicts = Verdicts(tuple(root / "verdicts" for root in self._roots))
        self.states = States(tuple(root / "states" for root in self._roots))
        self.journal = Journal(self._store / "loading")
        self._unforced: list[Path] = []

    def path(self, digest: str) -> Path | None:
        """Return the folder of an artifact that is whole and verified, else None.

        Files that were touched since their verification, or verified before the machine was
        started, are read and verified again.
        """
        names.digest(digest)
        for root in self._roots:
            mark = marks.read(_mark(root, digest))
            folder = _files(root, digest)
            if mark is None or mark.digest != digest:
                continue
            if mark.untouched(folder):
                self._touch(_mark(root, digest))
                return folder
            if mark.still_true(folder):
                self._mark_again(root, digest, mark)
                return folder
            logger.warning("the files of %s were changed in the cache and are left", digest[:12])
        return None

    @contextlib.contextmanager
    def reserve(self, artifact: Artifact) -> Generator[Path]:
        """Give an empty folder for verified files; they appear under their digest at the end.

        Raises Unavailable `E_NO_SPACE` before anything is written when they cannot fit. An error
        inside leaves nothing behind.
        """
        digest = names.digest(artifact.digest)
        home = self._store / "artifacts"
        try:
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise _unwritable(home, error) from None
        files.check_room(home, artifact.size)
        draft = home / f".{digest}.{uuid.uuid4().hex}"
        draft.mkdir(mode=0o700)
        try:
            with files.full_disk_told(home):
                yield draft
                self._finish(draft, artifact)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    @contextlib.contextmanager
    def lock(self, digest: str, timeout: float = WAIT) -> Generator[None]:
        """Hold `digest` against other threads and processes of the host, for at most `timeout` s.

        Who comes second looks again at what the first one left before doing it anew.
        """
        with contextlib.ExitStack() as held:
            lock = files.locked(self._store / "locks" / names.digest(digest), timeout)
            try:
                got = held.enter_context(lock)
            except OSError as error:
                raise _unwritable(self._store, error) from None
            if not got:
                logger.warning("somebody holds %s too long; going on without", digest[:12])
            yield

    def hold(self, digest: str) -> "Hold":
        """Keep the files of a version in use from being pruned by anyone, until it is closed."""
        return Hold(_held(self._store, names.digest(digest)))

    def ls(self, pinned: Collection[str] = ()) -> list[Entry]:
        """Return what is there, longest unused first; in use or in `pinned` means pinned."""
        entries: list[Entry] = []
        for path in (self._store / "marks").glob("*.json"):
            mark = marks.read(path)
            if mark is not None:
                size = sum(file.size for file in mark.files)
                kept = path.stem in pinned or _in_use(_held(self._store, path.stem))
                used = path.stat().st_mtime_ns // 10**6
                entries.append(Entry(path.stem, size, used, kept))
        return sorted(entries, key=lambda entry: (entry.last_used, entry.digest))

    def prune(self, max_bytes: int, pinned: Collection[str] = ()) -> list[Entry]:
        """Remove the longest unused until those that are not pinned fit `max_bytes`; return them.

        What crashed processes left is removed as well. Raises Unavailable `E_CACHE` when the
        folder cannot be written.
        """
        loose = [entry for entry in self.ls(pinned) if not entry.pinned]
        total = sum(entry.size for entry in loose)
        removed: list[Entry] = []
        try:
            for entry in loose:
                if total <= max_bytes:
                    break
                self._remove(entry.digest)
                total -= entry.size
                removed.append(entry)
            self._sweep()
        except OSError as error:
            raise _unwritable(self._store, error) from None
        return removed

    def force(self) -> None:
        """Force what was stored to the disk, behind the back of its users.

        Returns at once, unless the machine has no room for a thread.
        """
        stored, self._unforced = self._unforced, []
        if not stored:
            return
        name = "modelwire-sync"
        thread = threading.Thread(target=_make_durable, args=stored, name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no room for one more
            _make_durable(*stored)

    def forget(self, digest: str) -> None:
        """Forget what probes and loads of a digest came to, so that it is tried again."""
        self.verdicts.forget(names.digest(digest))
        self.journal.forget(digest)

    def _private(self, folder: Path) -> Path:
        logger.warning("cache folder %s cannot be written: using a temporary one", folder)
        try:
            private = Path(tempfile.mkdtemp(prefix="modelwire-"))
        except OSError:
            return folder
        weakref.finalize(self, _remove_own, private, os.getpid())
        return private

    def _finish(self, draft: Path, artifact: Artifact) -> None:
        wanted = sorted(file.name for file in artifact.files)
        if sorted(path.name for path in draft.iterdir()) != wanted:
            raise Corrupt("E_SIZE", "other files than the manifest's", where=str(draft))
        for name in wanted:
            (draft / name).chmod(0o444)
        target = _files(self._store, artifact.digest)
        if target.exists() and self.path(artifact.digest) is not None:
            return
        shutil.rmtree(target, ignore_errors=True)
        draft.rename(target)
        try:
            mark = wire.pack(marks.make(artifact, target))
            files.write_whole(_mark(self._store, artifact.digest), mark)
        except BaseException:
            shutil.rmtree(target, ignore_errors=True)
            raise
        self._unforced.append(target)

    def _mark_again(self, root: Path, digest: str, mark: marks.Mark) -> None:
        with contextlib.suppress(OSError):
            content = wire.pack(mark.again(_files(root, digest)))
            files.write_whole(_mark(root, digest), content)

    def _touch(self, mark: Path) -> None:
        with contextlib.suppress(OSError):
            if time.time_ns() - mark.stat().st_mtime_ns > TOUCH_NS:
                os.utime(mark)

    def _remove(self, digest: str) -> None:
        """Remove an artifact, the mark first; what killed a process stays known."""
        _mark(self._store, digest).unlink(missing_ok=True)
        shutil.rmtree(_files(self._store, digest), ignore_errors=True)

    def _sweep(self) -> None:
        old = time.time() - ABANDONED_S
        for path in (self._store / "artifacts").glob("*"):
            known = _mark(self._store, path.name).exists()
            if not known and path.stat().st_mtime < old:
                shutil.rmtree(path, ignore_errors=True)


class Hold:
    """Files in use; see `Cache.hold`."""

    def __init__(self, path: Path) -> None:
        self._handle: int | None = None
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            files.try_lock(self._handle, fcntl.LOCK_SH)

    def close(self) -> None:
        """Let go; idempotent."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


def _files(root: Path, digest: str) -> Path:
    return root / "artifacts" / digest


def _mark(root: Path, digest: str) -> Path:
    return root / "marks" / f"{digest}.json"


def _held(root: Path, digest: str) -> Path:
    return root / "locks" / f"{digest}.held"


def _in_use(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not files.try_lock(handle)
    finally:
        os.close(handle)


def _make_durable(*folders: Path) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            for path in (*folder.iterdir(), folder, folder.parent):
                files.sync(path)


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = folder / f".try.{uuid.uuid4().hex}"
        probe.touch(mode=0o600)
        probe.unlink()
    except OSError:
        return False
    return True


def _remove_own(folder: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _unwritable(folder: Path, error: OSError) -> Unavailable:
    if error.errno in files.FULL:
        return files.no_space(folder, "the disk is full")
    return Unavailable(
        "E_CACHE",
        f"the cache cannot be written: {error.strerror}",
        where=str(folder),
        todo="set MODELWIRE_CACHE to a folder of your own",
    )
