"""An object store as a store of artifacts: s3: gs: az: through obstore, never written over."""

import hashlib
import mmap
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from modelwire.loading import uris
from modelwire_publisher.artifact import Staged
from modelwire_publisher.store.contract import Told, other_bytes
from modelwire_schemas.errors import ModelwireError, NotFound, Rejected, Unavailable
from modelwire_schemas.release import Artifact, ArtifactFile

SLOWEST = 1_000_000
"""Bytes a second that a store has to take, beside the time that every call may last."""

CONNECT = timedelta(seconds=10)


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
        uris.parse(uri)
        _obstore()
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
        store, known = _obstore()
        where = f"{folder}/{file.name}"
        try:
            bucket = self._bucket(store, folder, file.size)
            with (
                path.open("rb") as source,
                mmap.mmap(source.fileno(), 0, prot=mmap.PROT_READ) as data,
            ):
                # In one piece, as only that can be refused when it is there already.
                bucket.put(file.name, data, mode="create", use_multipart=False)
        except known.AlreadyExistsError:
            self._compare(folder, file, where)
        except (known.BaseError, ValueError) as error:
            raise _meaning(error, known, where) from None

    def _compare(self, folder: str, file: ArtifactFile, where: str) -> None:
        store, known = _obstore()
        found = hashlib.sha256()
        try:
            for data in self._bucket(store, folder, file.size).get(file.name).stream():
                found.update(data)
        except (known.BaseError, ValueError) as error:
            raise _meaning(error, known, where) from None
        if found.hexdigest() != file.sha256:
            raise other_bytes(where)

    def _bucket(self, store: Any, folder: str, size: int) -> Any:  # noqa: ANN401
        most = timedelta(seconds=self.timeout + size / SLOWEST)
        return store.from_url(
            folder,
            client_options={"timeout": most, "connect_timeout": CONNECT},
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=self.timeout)},
        )


def _meaning(error: Exception, known: Any, where: str) -> ModelwireError:  # noqa: ANN401
    text = next(iter(str(error).strip().splitlines()), type(error).__name__)
    if isinstance(error, known.NotFoundError):
        return NotFound("E_NOT_FOUND", "there is no such bucket", where=where)
    if isinstance(error, known.PermissionDeniedError | known.UnauthenticatedError):
        return Rejected("E_DENIED", "the store does not let us write it", where=where)
    return Unavailable("E_UNAVAILABLE", text, where=where, todo="publish again")


def _obstore() -> tuple[Any, Any]:
    try:
        from obstore import exceptions, store
    except ImportError:
        raise Rejected(
            "E_REQUIREMENT",
            "object stores need the package obstore",
            todo="pip install 'modelwire[store]'",
        ) from None
    return store, exceptions
