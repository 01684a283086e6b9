"""Loads that are under way: a digest that ended the process is known after the restart."""

import contextlib
import logging
import os
import uuid
from collections.abc import Generator
from pathlib import Path

from modelwire.loading import files
from modelwire_schemas.errors import Rejected

logger = logging.getLogger("modelwire.cache")

UNCLEAN = 2
"""Ends of the process inside a load, one after the other, after which a digest is refused."""


class Journal:
    """One file a load, locked while its process lives; an unlocked one is an unclean end.

    It is not forced to the disk: a load can end the process, and what the system has of the file
    outlives that.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def loading(self, digest: str) -> Generator[None]:
        """Write down that `digest` is about to be loaded; strike it out when that ends, any way.

        Raises Rejected `E_QUARANTINED` when the process ended twice in a row while loading it.
        """
        ended = self.check(digest)
        path = self._folder / f"{digest}.{uuid.uuid4().hex}"
        handle = _begin(path)
        try:
            yield
        finally:
            for done in (path, *ended):
                done.unlink(missing_ok=True)
            if handle is not None:
                os.close(handle)

    def check(self, digest: str) -> list[Path]:
        """Return the traces of unclean ends; raises Rejected `E_QUARANTINED` when two are there."""
        ended = self.unclean(digest)
        if len(ended) >= UNCLEAN:
            raise Rejected(
                "E_QUARANTINED",
                f"the process ended {len(ended)} times while loading it",
                where=f"digest {digest[:12]}",
                todo="publish another file",
            )
        return ended

    def unclean(self, digest: str) -> list[Path]:
        """Return the traces of processes that ended while loading `digest`."""
        try:
            names = os.listdir(self._folder)  # noqa: PTH208 - a tenth of what glob takes
        except OSError:
            return []
        found = [self._folder / name for name in names if name.startswith(f"{digest}.")]
        return [path for path in found if _left_behind(path)]

    def forget(self, digest: str) -> None:
        """Strike out all unclean ends of a digest."""
        for path in self.unclean(digest):
            path.unlink(missing_ok=True)


def _begin(path: Path) -> int | None:
    draft = path.with_name(f".{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        files.try_lock(handle)
        draft.rename(path)  # locked before others can see it, or it would look left behind
    except OSError as error:
        logger.warning("a load goes on without its journal: %s", error.strerror)
        return None
    return handle


def _left_behind(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # A load that ended well since the file was opened has struck it out, and let go of it.
        return files.try_lock(handle) and os.fstat(handle).st_nlink > 0
    finally:
        os.close(handle)
