"""A log of its own on which benchmarks publish, change routes and connect."""

import hashlib
import os
import random
import shutil
import struct
import tempfile
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import Any

from benchmarks.flights import FOUR
from modelwire import Models, connect
from modelwire.clock import SystemClock
from modelwire.control.commands import EXPIRES, By, submit
from modelwire.control.reading import control_place, fold_log
from modelwire.control.state import State
from modelwire.hooks import Hooks
from modelwire.loading.marks import sha256
from modelwire.loading.probe import Prober
from modelwire_log.contract import Log, Message
from modelwire_log.envelope import open_envelope, seal
from modelwire_log.open import open_log
from modelwire_publisher.artifact import Staged
from modelwire_publisher.means import Means
from modelwire_publisher.order import Order, PublishedRelease
from modelwire_publisher.progress import silent
from modelwire_publisher.publishing import release
from modelwire_publisher.store.chunks import Chunks
from modelwire_publisher.store.contract import Store
from modelwire_publisher.store.folder import Folder
from modelwire_router.changes import When, flip
from modelwire_schemas.codec import content_digest
from modelwire_schemas.control import Body, Command, ControlRecord
from modelwire_schemas.release import Artifact, ArtifactFile, ReleasePublished, manifest_digest
from tests.models.good import save_sized

ROUTE = "flights-late"
NAMESPACE = "bench"
BY = By("benchmark", role="publisher")
AT_ONCE = When(at_once=True)


class Bed:
    """A log, SQLite's unless `url` names one, a folder that goes with it, one warm probe."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.folder = folder
        self.url = url or f"sqlite:///{folder / 'bench.db'}"
        self.log: Log = open_log(self.url)
        self.prober = Prober()
        self._state = State()

    def publish(
        self,
        file: Path,
        version: str,
        *,
        model: str = ROUTE,
        fields: Sequence[str] = FOUR,
        **words: Any,  # noqa: ANN401 - what an order takes
    ) -> PublishedRelease:
        """Publish a file as an operator would."""
        order = Order(file=file, model=model, version=version, fields=tuple(fields), **words)
        return release(order, Means(self.log, NAMESPACE, self.prober, 30.0, silent))

    def flip(self, version: str, *, route: str = ROUTE, model: str = "") -> None:
        """Give every event of a route to a version, at once."""
        change = self.flipped(version, route=route, model=model)
        outcome = submit(self.log, NAMESPACE, change, BY, state=self._state)
        outcome.verdict.check()
        self._state = outcome.state

    def release(self, bodies: Iterable[Body]) -> None:
        """Append control records as they are, in one transaction."""
        self.append([sealed(body) for body in bodies])

    def append(self, messages: Sequence[Message]) -> None:
        """Append sealed control records in one transaction."""
        self.log.append_batch(control_place(NAMESPACE).stream, messages)

    def flipped(self, version: str, *, route: str = ROUTE, model: str = "") -> Body:
        """Return the change that gives every event of a route to a version, at once."""
        self._state = fold_log(self.log, NAMESPACE, state=self._state)
        return flip(self._state, route, version, model=model, when=AT_ONCE)

    def connect(
        self, *, cache: str = "cache", hooks: Hooks | None = None, telemetry: bool = True
    ) -> Models:
        """Connect as an application would."""
        kept = self.folder / cache
        return connect(self.url, namespace=NAMESPACE, cache=kept, hooks=hooks, telemetry=telemetry)

    def releases(self) -> dict[str, ReleasePublished]:
        """Return every release as it was written, by version."""
        opened = [open_envelope(r) for r in self.log.read(control_place(NAMESPACE), -1)]
        bodies = [event.body for event in opened if isinstance(event, ControlRecord)]
        return {body.version: body for body in bodies if isinstance(body, ReleasePublished)}


@contextmanager
def made(url: str = "") -> Generator[Bed]:
    """Give a bed, and remove its folder afterwards."""
    with tempfile.TemporaryDirectory(prefix="modelwire-bench-") as name:
        bed = Bed(Path(name), url)
        try:
            yield bed
        finally:
            bed.prober.close()
            bed.log.close()


class Family:
    """Versions of one dense model of so many MB in the mapped form, each with other weights.

    The first one is published as an operator would; the others are written beside it.
    """

    def __init__(self, bed: Bed, megabytes: int, *, model: str = ROUTE) -> None:
        self._bed = bed
        self._folder = bed.folder / "family"
        file = save_sized(bed.folder / "large.onnx", megabytes)
        bed.publish(file, "0", model=model, store=str(bed.folder / "first"))
        file.unlink()
        self.first = bed.releases()["0"]
        shutil.copytree(folder_of(self.first), self._folder)
        for path in self._folder.iterdir():
            path.chmod(0o644)

    def make(self, version: str, *, store: Path | None = None) -> ReleasePublished:
        """Return another version, not released yet; its bytes are chunks, or files in `store`."""
        files = self.first.artifact.files
        largest = max(files, key=lambda file: file.size).name
        with (self._folder / largest).open("r+b") as weights:
            weights.seek(-4, os.SEEK_END)
            weights.write(struct.pack("<f", random.random()))  # noqa: S311 - another weight
        hashed = tuple(replace(f, sha256=sha256(self._folder / f.name)) for f in files)
        artifact = self.first.artifact
        digest = manifest_digest(artifact.format, artifact.form, hashed)
        bare = replace(artifact, files=hashed, digest=digest, uri="")
        chunks = Chunks(self._bed.log, NAMESPACE, 30.0)
        keeper: Store = chunks if store is None else Folder(store)
        kept = keeper.keep(Staged(self._folder, bare), lambda _: None)
        return replace(self.first, version=version, artifact=kept, golden=())


def folder_of(body: ReleasePublished) -> Path:
    """Return where the files of a release lie that is kept in a folder."""
    return Path(body.artifact.uri.removeprefix("file://"))


def sealed(body: Body) -> Message:
    """Return the message that asks for a change."""
    command = Command(token_hex(16), content_digest(body), SystemClock().now() + EXPIRES)
    return seal(ControlRecord(command, body), source="benchmark")


def inline(like: ReleasePublished, version: str, content: bytes) -> ReleasePublished:
    """Return a release of other bytes under the same contract, without golden vectors."""
    name = like.artifact.files[0].name
    files = (ArtifactFile(name, len(content), hashlib.sha256(content).hexdigest()),)
    digest = manifest_digest("onnx", "packed", files)
    artifact = Artifact("onnx", "packed", digest, files, inline=(content,))
    return replace(like, version=version, artifact=artifact, golden=())
