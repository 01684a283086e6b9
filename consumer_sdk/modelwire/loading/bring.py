"""One version from its release to warm: fetch, verify and probe, then load and warm."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from modelwire.control.reading import control_place
from modelwire.control.state import Release
from modelwire.loading.cache import Cache
from modelwire.loading.fetch import fetch
from modelwire.loading.formats import LoadOptions, Model, find, warm
from modelwire.loading.probe import Prober, probe_once
from modelwire.loading.states import Told, VersionState
from modelwire.loading.verdicts import ProbeRequest
from modelwire_log.contract import Log
from modelwire_log.envelope import open_envelope
from modelwire_schemas.codec import content_digest, decode, encode
from modelwire_schemas.control import Command, ControlRecord, fold_of
from modelwire_schemas.errors import Corrupt, Rejected, Unavailable
from modelwire_schemas.generations import Kind
from modelwire_schemas.names import topic
from modelwire_schemas.release import ReleasePublished


@dataclass(frozen=True, slots=True)
class Bringer:
    """What is at hand to bring versions: the log, the cache, the probe, and how to load."""

    log: Log
    namespace: str
    cache: Cache
    prober: Prober
    options: LoadOptions
    _unkept: dict[str, ReleasePublished] = field(default_factory=dict[str, ReleasePublished])

    def prepare(self, release: Release, told: Told) -> Callable[[], tuple[Model, int]]:
        """Fetch, verify and probe a release; return what loads it.

        That gives the model, warm, and the ns of one run. `told` hears of every state on the way.

        Blocks for as long as fetching and probing take. Both raise ModelwireError with the code of
        the refusal; Unavailable where a later attempt may do better.
        """
        told(VersionState.FETCHING)
        self.cache.journal.check(release.artifact.digest)
        published = self._published(release)
        stream = topic(self.namespace, "artifacts")
        folder = fetch(published, self.log, stream, self.cache, partial(_arrived, told))
        told(VersionState.VERIFIED)
        request = ProbeRequest(
            folder=folder,
            artifact=published.artifact,
            contract=published.contract,
            golden=published.golden,
            warmup=published.warmup,
            requirements=published.requirements,
            allowed_models=self.options.allowed_models,
            threads=self.options.threads,
        )
        found = probe_once(self.cache, self.prober, request)
        if not found.ok:
            raise Rejected(found.code, found.detail)
        told(VersionState.PROBED)
        return partial(self._load, published, folder, told)

    def _load(self, published: ReleasePublished, folder: Path, told: Told) -> tuple[Model, int]:
        outputs = tuple(tensor.name for tensor in published.contract.outputs)
        options = replace(self.options, outputs=outputs)
        with self.cache.journal.loading(published.artifact.digest):
            model = find(published.artifact.format).load(folder, published.artifact, options)
            told(VersionState.LOADED)
            run_ns = warm(model, published.warmup)
        told(VersionState.WARM)
        return model, run_ns

    def _published(self, release: Release) -> ReleasePublished:
        """Return the whole release, from the log, or from what the cache kept of it."""
        kept = f"release-{release.artifact.digest}-{release.offset}"
        try:
            published = self._unkept[kept] = self._from_log(release)
        except Unavailable:
            content = self.cache.states.load(kept)
            if content is None:
                raise
            return _release_in(decode(Kind.RELEASE_PUBLISHED, content))
        return published

    def keep(self) -> None:
        """Keep in the cache what a start without the log needs of the releases prepared so far."""
        while self._unkept:
            kept, published = self._unkept.popitem()
            bare = replace(published, artifact=replace(published.artifact, inline=(), chunks=()))
            command = Command("0", content_digest(bare), expires=0, fold=fold_of(bare))
            self.cache.states.save(kept, encode(ControlRecord(command, bare)), durable=False)

    def _from_log(self, release: Release) -> ReleasePublished:
        place = control_place(self.namespace)
        records = self.log.read(place, release.offset - 1, 1)
        if not records or records[0].offset != release.offset:
            raise Corrupt("E_CORRUPT", "the release's record is gone", where=f"{place}")
        return _release_in(open_envelope(records[0]))


def _arrived(told: Told, done: int, total: int) -> None:
    told(VersionState.FETCHING, f"{100 * done // max(1, total)} %")


def _release_in(event: object) -> ReleasePublished:
    if isinstance(event, ControlRecord) and isinstance(event.body, ReleasePublished):
        return event.body
    raise Corrupt("E_CORRUPT", "the record is no release")
