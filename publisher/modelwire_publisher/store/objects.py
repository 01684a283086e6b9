"""An object store as a store of artifacts: s3: gs: az: through obstore, never written over."""

import hashlib
import mmap
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from modelwire.loading import uris
from modelwire.loading.object_store import known, open_store
from modelwire_publisher.artifact import Staged
from modelwire_publisher.store.contract import Told, other_bytes
from modelwire_schemas.errors import ModelwireError, NotFound, Rejected, Unavailable
from modelwire_schemas.release import Artifact, ArtifactFile

SLOWEST = 1_000_000
"""Bytes a second that a store has to take, beside the time that every call may last."""


@dataclass(frozen=True, slots=True)
class Objects:
    """Keeps artifacts below the prefix `uri` under their digests.

    Access is set by the environment, as the stores' own tools have it (AWS_*, GOOGLE_*, AZURE_*).
    """

    uri: str
    timeout: float

    @classmethod
    def at(cls, uri: str, timeout: float) -> "Objects":
        """Return the store at a prefix; raises Rejected `E_URI`, `E_REQUIREMENT`."""
        uris.parse(f"{uri.rstrip('/')}/")
        known()
        return cls(uri.rstrip("/"), timeout)

    def plan(self, staged: Staged) -> Artifact:
        """Return the artifact with its URI."""
        return replace(staged.artifact, uri=f"{self.uri}/{staged.artifact.digest}/")

    def keep(self, staged: Staged, told: Told) -> Artifact:
        """Create one object a file; one that is there already has to hold the same bytes."""
        planned = self.plan(staged)
        for file in planned.files:
            self._create(planned.uri.rstrip("/"), file, staged.folder / file.name)
            told(file.size)
        return planned

    def _create(self, folder: str, file: ArtifactFile, path: Path) -> None:
        where = f"{folder}/{file.name}"
        try:
            bucket = self._open(folder, file.size)
            with (
                path.open("rb") as source,
                mmap.mmap(source.fileno(), 0, prot=mmap.PROT_READ) as data,
            ):
                # In one piece, as only that can be refused when it is there already.
                bucket.put(file.name, data, mode="create", use_multipart=False)
        except (known().AlreadyExistsError, FileExistsError):
            self._compare(folder, file, where)
        except (known().BaseError, OSError, ValueError) as error:
            raise _meaning(error, where) from None

    def _compare(self, folder: str, file: ArtifactFile, where: str) -> None:
        found = hashlib.sha256()
        try:
            for data in self._open(folder, file.size).get(file.name).stream():
                found.update(data)
        except (known().BaseError, OSError, ValueError) as error:
            raise _meaning(error, where) from None
        if found.hexdigest() != file.sha256:
            raise other_bytes(where)

    def _open(self, folder: str, size: int) -> Any:  # noqa: ANN401
        most = self.timeout + size / SLOWEST
        return open_store(folder, most=most, silent=self.timeout, retries=3)


def _meaning(error: Exception, where: str) -> ModelwireError:
    kinds = known()
    text = next(iter(str(error).strip().splitlines()), type(error).__name__)
    if isinstance(error, kinds.NotFoundError | FileNotFoundError):
        return NotFound("E_NOT_FOUND", "there is no such bucket", where=where)
    refused = kinds.PermissionDeniedError | kinds.UnauthenticatedError | PermissionError
    if isinstance(error, refused):
        return Rejected("E_DENIED", "the store does not let us write it", where=where)
    return Unavailable("E_UNAVAILABLE", text, where=where, todo="publish again")
