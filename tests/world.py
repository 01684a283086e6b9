"""A namespace on a log and what is done to it: releases of small models, documents, consumers.

Every model answers `late` (the mean of its features) and `version_id` (its own version), so that
a test sees who answered by the numbers alone.
"""

import hashlib
import logging
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modelwire.control.commands import By, submit
from modelwire.control.reading import fold_log
from modelwire.control.state import State, Verdict
from modelwire.door import connect
from modelwire.models import Models
from modelwire_log.contract import Log, Message, Record
from modelwire_log.open import open_log
from modelwire_log.whole import all_records
from modelwire_router.changes import NOW, When, flip, replace_document, split
from modelwire_router.telemetry import TelemetryReader
from modelwire_schemas.control import Body
from modelwire_schemas.release import (
    Artifact,
    ArtifactFile,
    Column,
    Contract,
    Feed,
    ReleasePublished,
    Tensor,
    manifest_digest,
)
from modelwire_schemas.routing import RoutingDocument
from modelwire_schemas.telemetry import Window
from tests.models.good import with_version_id

ROUTE = "late"
NAMESPACE = "prod"
FIELDS = ("a", "b", "c", "d")
AT_ONCE = When(at_once=True)
READY_S = 20.0


def event(value: float = 1.0, **more: object) -> dict[str, object]:
    """Return an event whose mean is `value`."""
    return {**dict.fromkeys(FIELDS, value), **more}


def contract(fields: Sequence[str] = FIELDS) -> Contract:
    """Return what the models of this world take and give."""
    columns = tuple(Column(field) for field in fields)
    return Contract(
        (Tensor("features", "float32", (None, len(columns))),),
        (Tensor("late", "float32", (None,)), Tensor("version_id", "int64", (None,))),
        (Feed("features", columns),),
    )


def release_of(
    content: bytes, version: str, model: str = ROUTE, terms: Contract | None = None
) -> ReleasePublished:
    """Return a release of bytes that nobody has looked at."""
    file = ArtifactFile("model.onnx", len(content), hashlib.sha256(content).hexdigest())
    digest = manifest_digest("onnx", "packed", (file,))
    artifact = Artifact("onnx", "packed", digest, (file,), inline=(content,))
    return ReleasePublished(model, version, artifact, terms or contract())


class World:
    """One namespace of a log; whoever runs it writes straight to the control log."""

    def __init__(self, url: str, folder: Path, log: Log, namespace: str) -> None:
        self.url = url
        self.folder = folder
        self.log = log
        self.namespace = namespace
        self._state = State()

    def release(
        self,
        *versions: str,
        content: bytes | None = None,
        model: str = ROUTE,
        terms: Contract | None = None,
    ) -> None:
        """Release versions; version "7" answers 7 as its `version_id`."""
        for version in versions:
            body = content if content is not None else with_version_id(int(version))
            self.send(release_of(body, version, model, terms))

    def flip(self, version: str, route: str = ROUTE, when: When = AT_ONCE) -> Verdict:
        """Give a version everything, at once unless told otherwise."""
        return self.send(
            flip(self.state(), route, version, model=ROUTE, when=_first(self, route, when))
        )

    def split(self, shares: Mapping[str, str], route: str = ROUTE, when: When = AT_ONCE) -> Verdict:
        """Divide events by key, in percent."""
        when = _first(self, route, when)
        return self.send(split(self.state(), route, shares, model=ROUTE, when=when))

    def write(self, document: RoutingDocument, when: When = AT_ONCE) -> Verdict:
        """Set a whole document."""
        when = _first(self, document.route, when)
        return self.send(replace_document(self.state(), document, when=when))

    def send(self, body: Body) -> Verdict:
        """Append a command that must be accepted."""
        verdict = submit(self.log, self.namespace, body, By("ada"), state=self.state()).verdict
        verdict.check()
        return verdict

    def state(self) -> State:
        """Return the fold as it is now."""
        self._state = fold_log(self.log, self.namespace, state=self._state)
        return self._state

    def connect(self, application: str = "app", **more: Any) -> Models:  # noqa: ANN401
        """Connect an application; tests of one world share its cache."""
        more.setdefault("cache", self.folder / "cache")
        return connect(self.url, namespace=self.namespace, application=application, **more)

    def windows(self, models: Models, route: str) -> list[Window]:
        """Return what an instance measured of a route so far, told already or not."""
        me, untold = models.status().instance, models.live.recorder.changed()
        said = [one for one, _ in TelemetryReader(self.log, self.namespace).read()]
        told = [window for one in said if one.instance == me for window in one.windows]
        newest = {window.key: window for window in (*told, *(one.window for one in untold))}
        return [window for window in newest.values() if window.route == route]

    def feed(self, stream: str, events: Sequence[bytes], partitions: int = 4) -> None:
        """Append events, the number of each as its key."""
        if self.log.capabilities.makes_streams:
            self.log.create(stream, partitions)
        messages = [Message(value, f"k{i % 97}".encode()) for i, value in enumerate(events)]
        self.log.append_batch(stream, messages)

    def read(self, stream: str) -> list[Record]:
        """Return all records of a stream, partition by partition."""
        return list(all_records(self.log, stream))


def _first(world: World, route: str, when: When) -> When:
    """The first document of a route holds from the beginning anyway (R7)."""
    return when if route in world.state().routes else NOW


@contextmanager
def world_on(url: str, folder: Path, namespace: str = NAMESPACE) -> Generator[World]:
    """Open a world; closed at the end."""
    with open_log(url) as log:
        yield World(url, folder, log, namespace)


class Heard(logging.Handler):
    """Keeps what is logged under `modelwire`."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.said: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append((record.levelno, self.format(record)))

    def lines(self, level: int = logging.INFO) -> list[str]:
        """Return what was said at a level."""
        return [text for said, text in list(self.said) if said == level]


@contextmanager
def listening() -> Generator[Heard]:
    """Hear what modelwire logs."""
    heard, logger = Heard(), logging.getLogger("modelwire")
    before = logger.level
    logger.addHandler(heard)
    logger.setLevel(logging.INFO)
    try:
        yield heard
    finally:
        logger.removeHandler(heard)
        logger.setLevel(before)
