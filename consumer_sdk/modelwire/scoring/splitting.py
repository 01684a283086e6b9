"""Splitting a stream by version, for consumers that embed no SDK: the rules, without the models.

A split is scored by versions that answer nothing. So documents, times, buckets, ladder, positions
and dead letters are the scorer's own, and the two can not differ.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import orjson

from modelwire.clock import SystemClock
from modelwire.config import Config
from modelwire.control.state import Release
from modelwire.hooks import Hooks
from modelwire.loading.formats import Run
from modelwire.loading.states import Told, VersionState
from modelwire.loading.tensors import Array
from modelwire.models import Models
from modelwire.runtime import UNBOUND
from modelwire.scoring.outputs import Target, output_id
from modelwire.scoring.scorer import Job
from modelwire.scoring.streams import Partitions, require
from modelwire.serving.answer import Answers, Provenance
from modelwire.serving.features import Features
from modelwire.serving.servable import Servable
from modelwire.serving.shadowing import Batch
from modelwire_log.contract import Log, Message, Record
from modelwire_schemas.errors import NotFound, Rejected, Unavailable
from modelwire_schemas.names import version as checked_version
from modelwire_schemas.release import Tensor
from modelwire_schemas.routing import ModelVersion

VERSION = "{version}"

ID, WHY = "modelwire-id", "modelwire"
"""The headers of what is handed on: the event's coordinates, and a JSON object on its way."""

KNOWN = 1000
"""Ways through documents that are kept as text."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Which stream has a version's events: the one `named` for it, else that of the pattern.

    A pattern has `{version}` in it.
    """

    pattern: str
    named: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        """Raise Rejected `E_PATTERN` or `E_VERSION`."""
        bare = self.pattern.replace(VERSION, "")
        if VERSION not in self.pattern or "{" in bare or "}" in bare:
            raise Rejected(
                "E_PATTERN",
                f"{self.pattern!r} gives no stream for each version",
                expected=f"a name with {VERSION} in it and no other braces",
                todo="to name streams one by one, give VERSION=STREAM",
            )
        for version in self.named:
            checked_version(version)

    def of(self, version: str) -> str:
        """Return the stream of a version."""
        return self.named.get(version) or self.pattern.replace(VERSION, version)


class Splitter:
    """Hands events on to the streams of their versions, as they are; see `outputs.Writer`."""

    def __init__(self, log: Log, source: str, sides: Sides) -> None:
        self._sides = sides
        self._partitions = Partitions(log, source)
        self._told: dict[Provenance, bytes] = {}

    def targets(self, records: Sequence[Record], answers: Answers) -> list[Target | None]:
        """Return each record for the stream of its version, None where the row is faulty.

        It stays on the number of its partition, so that their order is kept.
        """
        faulty = {row for row, _ in answers.errors}
        sides = [(self._sides.of(p.served_by), self._why(p)) for p in answers.provenances]
        which = answers.which or [0] * len(records)
        return [
            None if row in faulty else self._target(record, *sides[which[row]])
            for row, record in enumerate(records)
        ]

    def committed(self, batch: Batch, records: Sequence[Record]) -> None:
        """Tell nobody: who scores the events reports how that went."""

    def _target(self, record: Record, stream: str, why: bytes) -> Target:
        headers = (*record.headers, (ID, output_id(record).encode()), (WHY, why))
        partition = record.partition % self._partitions.of(stream)
        return stream, Message(record.value, record.key, headers, record.timestamp, partition)

    def _why(self, told: Provenance) -> bytes:
        if told not in self._told:
            if len(self._told) >= KNOWN:
                self._told.clear()
            names = ("route", "model", "variant", "rule", "revision", "reason", "offset")
            more = ("routed_to", "stale", "unsettled")
            said = {name: getattr(told, name) for name in (*names, *more)}
            self._told[told] = orjson.dumps({"version": told.served_by, **said})
        return self._told[told]


def rules_only(config: Config, log: Log, job: Job, sides: Sides) -> Models:
    """Return models that follow a job's route and load nothing.

    To the fleet a version is warm here once its stream is there, and a NACK until then, so that
    nothing flips to a stream that nobody made. Embedded logs make the stream at once.
    """

    def bring(release: Release, told: Told) -> Callable[[], Servable]:
        told(VersionState.FETCHING)
        _find(log, job, sides, release.version)
        told(VersionState.VERIFIED)
        told(VersionState.PROBED)
        return partial(_servable, release, told)

    free = replace(config, memory=UNBOUND, telemetry=False)
    return Models(free, log, clock=SystemClock(), hooks=Hooks(), bring=bring)


def _find(log: Log, job: Job, sides: Sides, version: str) -> None:
    """Look for the stream of a version; raises what the fleet is told."""
    stream = sides.of(version)
    if stream in (job.source, job.graveyard):
        raise Rejected(
            "E_STREAM",
            f"version {version} would go to {stream}, which has other events",
            expected="a stream of its own",
            todo=f"split with --to {version}=STREAM",
        )
    try:
        require(log, job.source, (stream,))
    except NotFound as error:  # it is looked for again: somebody may make it
        raise Unavailable(error.code, error.what, where=error.where, todo=error.todo) from None
    Partitions(log, job.source).of(stream)


def _servable(release: Release, told: Told) -> Servable:
    told(VersionState.LOADED)
    told(VersionState.WARM)
    version = ModelVersion(release.model, release.version)
    digest = release.artifact.digest
    return Servable(version, digest, release.contract, Silent(), Features((), ()))


class Silent:
    """A model that wants nothing and answers nothing; see `formats.Model`."""

    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    resident = 0

    def __init__(self) -> None:
        self.fast: Run = self.run

    def run(self, feed: Mapping[str, Array]) -> list[Array]:
        """Return no output."""
        del feed
        return []

    def close(self) -> None:
        """Give nothing back: there is nothing."""
