"""An artifact's files into the cache, by value or by reference, verified while they are read."""

import os
import random
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from modelwire.loading import fetch_chunks, uris
from modelwire.loading.cache import Cache
from modelwire.loading.pace import Pace, Patience
from modelwire.loading.sink import Sink
from modelwire_log.contract import Log
from modelwire_schemas import names
from modelwire_schemas.errors import Corrupt, ModelwireError, NotFound, Rejected, Unavailable
from modelwire_schemas.release import Artifact, ArtifactFile, ReleasePublished, manifest_digest

Progress: TypeAlias = Callable[[int, int], None]
"""Told the bytes that are there, and how many there will be."""

RETRIED = frozenset({"E_UNAVAILABLE", "E_LOG_UNAVAILABLE"})


@dataclass(frozen=True, slots=True)
class Means:
    """What a fetch has at hand: the log and its stream of chunks, patience, a way to pause."""

    log: Log | None
    stream: str
    patience: Patience
    pause: Callable[[float], object]


def fetch(
    release: ReleasePublished,
    log: Log | None,
    artifacts_stream: str,
    cache: Cache,
    progress: Progress | None = None,
    *,
    patience: Patience | None = None,
    pause: Callable[[float], object] = time.sleep,
) -> Path:
    """Return the folder of the release's files, verified; fetch them if they are not there.

    One process of a host fetches a digest, the others wait for it. `pause` (s) is called between
    attempts. Raises Corrupt `E_DIGEST`, `E_SIZE`; NotFound `E_NOT_FOUND`; Rejected `E_DENIED`,
    `E_REDIRECT`, `E_URI`, `E_NAME`; TimedOut `E_SLOW`; Unavailable `E_NO_SPACE`, `E_CACHE`,
    `E_UNAVAILABLE`, `E_LOG_UNAVAILABLE`.
    """
    artifact = release.artifact
    check_manifest(artifact)
    found = cache.path(artifact.digest)
    if found is not None:
        return found
    means = Means(log, artifacts_stream, patience or Patience(), pause)
    with cache.lock(artifact.digest):
        found = cache.path(artifact.digest)
        if found is None:
            with cache.reserve(artifact) as folder:
                _fetch_all(artifact, folder, means, progress or _silent)
            found = cache.path(artifact.digest)
    if found is None:
        raise Corrupt(
            "E_DIGEST", "the files changed while they were stored", where=str(cache.folder)
        )
    return found


def check_manifest(artifact: Artifact) -> None:
    """Raise when an artifact's words do not fit its digest, or its files cannot be stored."""
    for file in artifact.files:
        names.name("artifact file", file.name)
    if len({file.name for file in artifact.files}) != len(artifact.files) or not artifact.files:
        raise Rejected("E_NAME", "an artifact's files are none, or have one name", expected="names")
    found = manifest_digest(artifact.format, artifact.form, artifact.files)
    if found != artifact.digest:
        raise Corrupt("E_DIGEST", f"the manifest has {found}", expected=artifact.digest)


def _fetch_all(artifact: Artifact, folder: Path, means: Means, progress: Progress) -> None:
    done = 0
    for index, file in enumerate(artifact.files):
        begun = done

        def arrived(count: int) -> None:
            nonlocal done
            done += count
            progress(done, artifact.size)

        def attempt(index: int = index, file: ArtifactFile = file, begun: int = begun) -> None:
            nonlocal done
            done = begun
            with Sink(folder / file.name, file, arrived) as sink:
                _read(artifact, index, sink, means)
                sink.finish()

        _patiently(attempt, means)


def _patiently(attempt: Callable[[], None], means: Means) -> None:
    """Try again, later and later, after a fault that may pass."""
    pause = means.patience.pause
    for left in reversed(range(means.patience.attempts)):
        try:
            return attempt()
        except ModelwireError as error:
            if not left or error.code not in RETRIED:
                raise
        means.pause(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads the consumers
        pause = min(2 * pause, means.patience.longest_pause)
    return None


def _read(artifact: Artifact, index: int, sink: Sink, means: Means) -> None:
    file = artifact.files[index]
    if artifact.uri:
        _read_uri(uris.address(artifact, file.name), file, sink, means.patience)
    elif artifact.inline:
        if len(artifact.inline) != len(artifact.files):
            raise Corrupt("E_SIZE", "the release does not hold all files", expected=file.name)
        sink.write(artifact.inline[index])
    else:
        fetch_chunks.read(means.log, means.stream, artifact, file, sink)


def _read_uri(address: uris.Address, file: ArtifactFile, sink: Sink, patience: Patience) -> None:
    pace = Pace(patience, file.size, address.uri)
    if address.scheme == "file":
        _read_file(Path(address.path), sink)
    elif address.scheme == "https":
        from modelwire.loading import fetch_https

        fetch_https.read(address, sink, pace)
    else:
        from modelwire.loading import fetch_objects

        fetch_objects.read(address, sink, pace)


def _read_file(path: Path, sink: Sink) -> None:
    try:
        # Without O_NONBLOCK a pipe would keep us waiting for its writer.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFound("E_NOT_FOUND", "the artifact's file is not there", where=str(path)) from None
    except PermissionError:
        raise Rejected("E_DENIED", "the artifact's file may not be read", where=str(path)) from None
    except OSError as error:
        raise Unavailable("E_UNAVAILABLE", error.strerror or "it fails", where=str(path)) from None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Rejected("E_URI", "it is no regular file", where=str(path), expected="a file")
        sink.copy(handle)
    finally:
        os.close(handle)


def _silent(done: int, total: int) -> None:
    """Tell nobody."""
