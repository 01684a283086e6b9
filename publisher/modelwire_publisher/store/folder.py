"""A folder that publishers and consumers share: one folder an artifact, sealed once it is whole."""

import errno
import hashlib
import os
import shutil
import time
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from modelwire.loading import uris
from modelwire.loading.files import check_room, full_disk_told, sync
from modelwire_publisher import staging
from modelwire_publisher.artifact import Staged
from modelwire_publisher.store.contract import Told, other_bytes
from modelwire_schemas.errors import ModelwireError, Unavailable
from modelwire_schemas.release import Artifact

ABANDONED_S = 3600
"""Seconds after which a draft belongs to a publisher that died."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Keeps artifacts below `root` under their digests."""

    root: Path

    @classmethod
    def at(cls, uri: str) -> "Folder":
        """Return the store at a path or a file: URI; raises Rejected `E_URI`."""
        if uri.startswith("file:"):
            return cls(Path(uris.parse(uri).path))
        return cls(Path(uri).absolute())

    def plan(self, staged: Staged) -> Artifact:
        """Return the artifact with its URI; raises Rejected `E_URI` for one nobody would follow."""
        uri = f"{self._home(staged.artifact).as_uri()}/"
        planned = replace(staged.artifact, uri=uri)
        for file in planned.files:
            uris.address(planned, file.name)
        return planned

    def keep(self, staged: Staged, told: Told) -> Artifact:
        """Write the files beside their place, make them durable, rename the folder into place."""
        try:
            with full_disk_told(self.root):
                self._keep(staged, told)
        except ModelwireError:
            raise
        except OSError as error:
            raise Unavailable(
                "E_STORE",
                f"the store cannot be written: {error.strerror}",
                where=str(self.root),
                todo="give the user who publishes the right to write it",
            ) from None
        return self.plan(staged)

    def _keep(self, staged: Staged, told: Told) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self._sweep()
        home = self._home(staged.artifact)
        if not home.exists():
            check_room(self.root, staged.artifact.size)
            draft = self.root / f".{staged.artifact.digest}.{uuid.uuid4().hex}"
            draft.mkdir()
            try:
                self._write(staged, draft, told)
                _settle(draft, home)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        _check(staged.artifact, home)
        sync(self.root)

    def _write(self, staged: Staged, draft: Path, told: Told) -> None:
        for file in staged.artifact.files:
            with staging.opened(staged.folder / file.name) as source:
                staging.copy(source, draft / file.name, told)
            handle = os.open(draft / file.name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fchmod(handle, 0o444)
                os.fsync(handle)
            finally:
                os.close(handle)
        sync(draft)

    def _home(self, artifact: Artifact) -> Path:
        return self.root / artifact.digest

    def _sweep(self) -> None:
        old = time.time() - ABANDONED_S
        for draft in self.root.glob(".*.*"):
            if len(draft.name) == len("..") + 64 + 32 and draft.stat().st_mtime < old:
                shutil.rmtree(draft, ignore_errors=True)


def _settle(draft: Path, home: Path) -> None:
    try:
        draft.rename(home)
    except OSError as error:
        # Another publisher of the same bytes was quicker.
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def _check(artifact: Artifact, home: Path) -> None:
    """Raise Corrupt unless the folder holds the artifact's files; it may be from long ago."""
    for file in artifact.files:
        path = home / file.name
        if not path.is_file() or path.stat().st_size != file.size:
            raise other_bytes(str(path))
        with path.open("rb") as content:
            if hashlib.file_digest(content, "sha256").hexdigest() != file.sha256:
                raise other_bytes(str(path))
